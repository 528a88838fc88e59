/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The view that this guest's kernel has of the mount: nodes (inodes of the lower directory that the
 * kernel knows) and names. A name in the view stays until an event, or an operation of a program of
 * this guest, changes it, even if the lower directory has changed meanwhile: the event that reports
 * the change then finds the state before it, as a program did.
 *
 * All functions need the lock of the view, except hw_view_init() and hw_view_free().
 */
#ifndef REPLAY_VIEW_H
#define REPLAY_VIEW_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <uthash.h>

struct hw_name;
struct hw_ahead;
struct hw_negative;

/* The state of a file after a change by a program of this guest. */
struct hw_own_state {
	bool known;
	bool writing; /* a program has written since the state was taken */
	uint32_t writes; /* number of writes that have begun */
	off_t size;
	struct timespec mtime, ctime;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct hw_node_key {
	dev_t dev;
	ino_t ino;
};

/* An inode that the kernel, a name of the view or an operation refers to. */
struct hw_node {
	UT_hash_handle hh; /* by key; a ghost is in no table */
	struct hw_node_key key;
	bool is_file; /* not a directory */
	bool is_ghost; /* an object that was gone before its event came; it has no descriptor */
	int path_fd; /* owned, O_PATH; it keeps the lower inode. -1: none; see hw_node_open() */
	uint32_t path_users; /* requests that use path_fd now */
	struct hw_node *path_prev, *path_next; /* files with path_fd */
	int data_fd; /* owned; opened for the first read or write, else -1 */
	bool data_writable; /* data_fd is open for writing, too */
	uint32_t data_users; /* requests that use data_fd now */
	uint32_t data_writers; /* of them, those that change the data */
	bool gone; /* its last name was deleted in the view */
	uint64_t lookups; /* references that the kernel has */
	uint32_t refs; /* of names below it and of operations */
	struct hw_own_state own;
	struct hw_own_state seen; /* attributes as the kernel got them last */
	bool listing; /* the view has all entries that the kernel has read since it began to list */
	bool listed; /* the kernel has read all its entries, and the view has all of them */
	struct hw_node *written_prev, *written_next; /* files open for writing */
	int64_t written_ms; /* of the monotonic clock: the last write */
	struct hw_node *open_prev, *open_next; /* nodes with data_fd */
	struct stat ghost; /* attributes of a ghost */
	struct hw_name *names; /* that refer to it */
	struct hw_negative *negatives; /* absent names in it: see negative.h */
};

struct hw_name {
	UT_hash_handle hh; /* by the parent's address and the name */
	struct hw_node *parent, *node;
	struct hw_name *prev, *next; /* in node->names */
	uint16_t len;
	bool old; /* from before events were missed */
	unsigned char key[]; /* the address of the parent, the name, NUL */
};

struct hw_view {
	pthread_mutex_t lock;
	struct hw_node *nodes;
	struct hw_name *names;
	struct hw_ahead *ahead; /* see own.h */
	struct hw_negative *negatives;
	struct hw_node
		*written; /* files with own.writing or data_writable, each with a reference */
	pthread_cond_t wrote; /* own.writing of a file was set */
	struct hw_node *open; /* with data_fd, the oldest first */
	unsigned open_count;
	struct hw_node *files; /* with path_fd, the oldest first; not directories */
	unsigned file_count, files_max, open_max;
	struct hw_node root; /* never freed */
	struct hw_node hidden; /* the directory into which entries leave the share */
	uint64_t changes; /* number of changes by events and operations */
};

/* Takes ownership of `root_fd` (O_PATH). Of `descriptors`, a quarter is for files, up to an eighth
 * for their data, and the rest for directories. Returns 0 or -errno. */
int hw_view_init(struct hw_view *view, int root_fd, unsigned descriptors);
void hw_view_free(struct hw_view *view);

void hw_view_lock(struct hw_view *view);
void hw_view_unlock(struct hw_view *view);

/* Returns the node of this descriptor, of which it takes ownership. NULL: no memory. The node may
 * have no reference yet. */
struct hw_node *hw_node_get(struct hw_view *view, int path_fd, const struct stat *st);
/* Creates a ghost of this type. NULL: no memory. */
struct hw_node *hw_node_ghost(mode_t mode);
/* Makes the real object out of a ghost and frees the node `real`, if the caller has its only
 * reference; else returns `real`. */
struct hw_node *hw_node_adopt(struct hw_view *view, struct hw_node *ghost, struct hw_node *real);
void hw_node_hold(struct hw_node *node);
/* Frees the node with the last reference. */
void hw_node_put(struct hw_view *view, struct hw_node *node);
void hw_node_forget(struct hw_view *view, struct hw_node *node, uint64_t lookups);
/* As fstat(), but asks the lower filesystem. Returns 0 or -errno. */
int hw_fresh_stat(int path_fd, struct stat *ret);
/* Gives a link to a node that has a name in the view: it may have none any more below. */
void hw_node_keep_link(const struct hw_node *node, struct stat *st);
/* Attributes as the kernel should see them: a node that has a name in the view has a link.
 * Returns 0 or -errno. */
int hw_node_stat(struct hw_view *view, struct hw_node *node, struct stat *ret);
/* Returns the descriptor of the node, which is valid until the lock is released, unless path_users
 * is raised. A file that had lost it is opened by one of its names. Returns -ENOENT for a ghost,
 * -ESTALE if no name leads to the file any more, -errno. */
int hw_node_open(struct hw_view *view, struct hw_node *node);

/* Sets data_fd, of which the node had none. Other nodes lose theirs, if there are too many. */
void hw_node_set_data(struct hw_view *view, struct hw_node *node, int fd, bool writable);
/* Closes data_fd, if no request uses it. Returns whether it is closed. */
bool hw_node_close_data(struct hw_view *view, struct hw_node *node);

/* The key of a name in a directory: the address of the node and the name, then NUL. Returns its
 * length without NUL; 0: the name is longer than a name can be. */
#define HW_NAME_KEY_MAX (sizeof(void *) + NAME_MAX + 1)
size_t hw_name_key(unsigned char key[HW_NAME_KEY_MAX], const struct hw_node *parent,
		   const char *name);

/* Sets `found` to what the hash `head` has at this key, or to NULL. */
#define HW_NAME_FIND(head, parent, name, found)                                                    \
	do {                                                                                       \
		unsigned char name_key[HW_NAME_KEY_MAX];                                           \
		const size_t name_key_len = hw_name_key(name_key, parent, name);                   \
                                                                                                   \
		(found) = NULL;                                                                    \
		if (name_key_len)                                                                  \
			HASH_FIND(hh, head, name_key, name_key_len, found);                        \
	} while (0)

#define HW_VIEW_PATH_MAX PATH_MAX
/* Writes the path of a name in the directory, from the root, without a NUL. Returns its length; 0:
 * no name leads to the directory, or the path is too long. */
size_t hw_view_path(const struct hw_view *view, const struct hw_node *parent, const char *name,
		    char buf[HW_VIEW_PATH_MAX]);
/* Returns the number of names on the way from the root to the directory. */
size_t hw_view_depth(const struct hw_view *view, const struct hw_node *parent);

/* The node that has this name in the view, or NULL. */
struct hw_node *hw_view_find(struct hw_view *view, const struct hw_node *parent, const char *name);
/* Returns whether it has the name, and not from before events were missed. */
bool hw_view_has(struct hw_view *view, const struct hw_node *parent, const char *name);
/* Gives the name to the node. Returns -ENOMEM if it could not: the view has no such name then. */
int hw_view_set(struct hw_view *view, struct hw_node *parent, const char *name,
		struct hw_node *node);
/* Events were missed: the next lookup of each name decides. */
void hw_view_make_old(struct hw_view *view);
void hw_view_remove(struct hw_view *view, const struct hw_node *parent, const char *name);

#endif
