/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostwatch.ko: turns changes on the host into fsnotify events on a mount of this guest.
 *
 *	device.c	/dev/hostwatch
 *	jobs.c		the queue between the device and the server
 *	frame.c		decodes frames into struct hw_told
 *	place.c		finds the dentries of paths, below the bound mount
 *	asked.c		remembers answers of the server
 *	caches.c	updates the kernel's caches
 *	watched.c	finds watched objects
 *	apply.c		dispatches one event to the following
 *	entry.c		create, delete, modify, attrib, close_write
 *	move.c		moves
 *	rescan.c	rescans
 *	report.c	lists watched objects, and what was seen of the entries of events
 *	nobody.c	an inode that has no watcher
 *	echo*.c		detects changes by programs of this guest
 */
#ifndef HOSTWATCH_MODULE_H
#define HOSTWATCH_MODULE_H

#include <hostwatch/event.h>
#include <hostwatch/guest.h>
#include <hostwatch/protocol.h>
#include <linux/atomic.h>
#include <linux/dcache.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* A validated event. Paths point into the frame and are not terminated. */
struct hw_told {
	u16 kind, type, flags;
	u32 from_len, path_len;
	const char *from, *path;
};

enum hw_counter {
	HW_TAKEN, /* accepted frames */
	HW_REFUSED, /* refused frames */
	HW_TOLD, /* events passed to fsnotify */
	HW_IDLE, /* events without a watcher */
	HW_OWN, /* changes by a program of this guest, which its kernel has already reported */
	HW_MISSED, /* events that may concern a watcher, but whose path no longer exists */
	HW_LOOKUPS, /* lookups sent to the server */
	HW_GETATTRS, /* attribute requests sent to the server */
	HW_FORGOTTEN, /* records of changes by programs of this guest that had no space: such a
		       * change may be reported twice */
	HW_LOST, /* rescans in place of frames that were too many for the queue */
	HW_COUNTERS,
};

/*
 * A directory or entry of one superblock. Inode numbers are those of the host, where the share may
 * contain several file systems, so the server's number of the object is also compared. It is the
 * same as long as the inode is in the cache.
 */
struct hw_object {
	u64 number; /* inode number; 0: unknown */
	u32 node[3]; /* FUSE: node id and generation; others: 0 */
};

struct hw_object hw_object_of(struct inode *inode);

static inline bool hw_is_same(const struct hw_object *a, const struct hw_object *b)
{
	return a->number == b->number && memcmp(a->node, b->node, sizeof(a->node)) == 0;
}

u32 hw_object_hash(const struct hw_object *object);

/* An answer of the server. */
struct hw_asked {
	u64 batch; /* the job that it was asked for */
	struct hw_object dir, entry; /* number 0: the name does not exist */
	u64 name; /* hash; 0: about the directory itself */
};

#define HW_ASKED_MAX 1024u

/* One name in one directory. */
struct hw_place {
	struct dentry *dir; /* owned; NULL: the place does not exist */
	struct qstr name; /* hashed for dir */
	char text[NAME_MAX + 1]; /* buffer of name, terminated */
};

/* Time spent on walks over all inodes, less the pauses since then. */
struct hw_walk {
	u64 debt_ns, at_ns;
};

/* What one call of a program asks for. */
struct hw_job {
	struct list_head node;
	u64 number; /* of jobs.c */
	bool is_refresh;
	size_t len;
	char data[]; /* valid frames, or the path to be refreshed */
};

/* What the device was asked for, and what work of this module has yet to do. */
struct hw_jobs {
	struct work_struct work;
	struct list_head waiting; /* owned: jobs that were not begun */
	size_t bytes; /* of them */
	bool lost; /* they were too many: the next one is a rescan */
	u64 added; /* number of the last job */
	atomic64_t done; /* number of the last job that is finished */
	atomic64_t stuck_at; /* the sum of the counters when the server did not answer in time */
	struct hw_guest_seen *seen; /* owned: HW_GUEST_SEEN_MAX, of the last job that is finished */
	u32 seen_count;
	u64 seen_of; /* number of that job */
};

/* An open device. */
struct hw_file {
	/* held by work, which may wait for the server; protects what has no other lock */
	struct mutex lock;
	struct mutex queue_lock; /* inside `lock`; never held during a request to the server */
	const struct cred *cred; /* owned: of the program that opened the device */
	struct hw_jobs jobs; /* under queue_lock */
	struct work_struct close_work;
	bool closed; /* the device was closed: other work than jobs ends soon */
	struct list_head bound; /* used by device.c, under its own lock */
	struct vfsmount *mnt; /* owned: a private clone, invisible to programs; NULL: not bound.
			       * Changed under queue_lock, and by work under both locks */
	struct hw_echo *echo; /* owned; NULL: not bound */
	bool gone; /* the mount was unmounted; under queue_lock */
	bool ends_dirs, ends_others; /* watched directories, or other objects, may have been deleted
				      * */
	bool ends_again; /* set again since the current walk began */
	struct inode *ends_at; /* owned: the last examined inode; NULL: start at the first */
	struct hw_walk lost, ends;
	struct delayed_work ends_work;
	struct hw_guest_seen *seen; /* owned: HW_GUEST_SEEN_MAX, of the frames of this job */
	struct hw_asked *asked; /* owned: HW_ASKED_MAX, by hash */
	u64 batch; /* number of the current job */
	u32 seen_count; /* frames of this job that were processed */
	struct hw_place place, from; /* of the current event; stored here because they are too large
				      * for the stack */
	atomic64_t counters[HW_COUNTERS];
	atomic64_t read_at; /* HW_TAKEN + HW_REFUSED when the counters were last read */
	wait_queue_head_t wait;
};

/* Frames of one write: they have paths, except for attrib and rescan frames of the root. */
#define HW_GUEST_SEEN_MAX                                                                          \
	(HW_GUEST_WRITE_MAX /                                                                      \
	 (sizeof(struct hw_fuse_out_header) + sizeof(struct hw_fuse_fsnotify_out)))

/* Work of this module may wait for the server. */
extern struct workqueue_struct *hw_workqueue;

static inline void hw_count(struct hw_file *f, enum hw_counter counter)
{
	atomic64_inc(&f->counters[counter]);
}

/* Returns 0; -ENOTCONN: not bound; -ENODEV: the mount is gone. To be called under queue_lock. */
int hw_check_mount(struct hw_file *f);
void hw_unbind(struct hw_file *f); /* to be called by work, under `lock` */

int hw_jobs_init(struct hw_file *f); /* on failure, call hw_jobs_free() */
void hw_jobs_free(struct hw_file *f); /* no job is left */

/* The caller sets the other members. */
struct hw_job *hw_job_new(size_t len); /* NULL: no memory */
void hw_job_free(struct hw_job *job);

/* Consumes the job. Returns 0 or -errno, also of hw_check_mount(). */
int hw_job_add(struct hw_file *f, struct hw_job *job, u64 *ret_number);

/* Waits until the job is finished. Returns 0; -EAGAIN: the server does not answer; -EINTR. */
int hw_job_wait(struct hw_file *f, u64 number);

/* Returns the length of the frame at the start of `buf`, from its header; `len` if the header is
 * invalid. */
size_t hw_frame_len(const void *buf, size_t len);

/* Returns whether this is a path that a frame may have: below the root, without ".." or NUL. */
bool hw_is_path(const char *path, size_t len);

/* Decodes the event frame `buf`, which must have exactly `len` bytes. Returns 0 or -EBADMSG. */
int hw_frame_read(const void *buf, size_t len, struct hw_told *ret);

/*
 * Finds the directory that contains `path`, and the name. With `ask`, asks the server for names
 * that are not cached; otherwise returns -EAGAIN for them. Returns -ENOENT, -ENOTDIR (also for
 * symbolic links), or another -errno of the server. On failure, no reference is held.
 */
int hw_place_find(struct hw_file *f, const char *path, u32 len, bool ask, struct hw_place *ret);
void hw_place_put(struct hw_place *place);

/* Returns the dentry of the path itself, the root for the empty path. Owned. */
struct dentry *hw_path_find(struct hw_file *f, const char *path, u32 len, bool ask);

/* Returns the cached dentry of the name: owned, may be negative; NULL if there is none. */
struct dentry *hw_place_cached(struct hw_place *place);

/* Looks up the name on the server; invalidates a cached dentry that refers to another inode.
 * Returns an owned positive dentry, or an error pointer such as -ENOENT. */
struct dentry *hw_place_ask(struct hw_file *f, struct hw_place *place);

/* The same, but does not ask again for what the server has answered since the current write began.
 */
struct dentry *hw_place_get(struct hw_file *f, struct hw_place *place);
void hw_asked_name(struct hw_file *f, struct hw_place *place, struct dentry *answer);

/* Updates attributes, link count and size from the server. */
int hw_refresh(struct hw_file *f, struct dentry *dentry);

/* Updates a directory whose entries changed, once for each write, and drops its cached listing. */
void hw_refresh_dir(struct hw_file *f, struct dentry *dir);

/* These functions do not ask the server: the listing, data, or name is requested when it is next
 * needed. An entry in use keeps its name, and is refreshed. */
void hw_forget_data(struct inode *inode);
void hw_forget_entry(struct hw_file *f, struct dentry *dentry, bool data);

/* Refreshes the inode and returns whether it has no name left; its link count is then 0. */
bool hw_is_deleted(struct hw_file *f, struct dentry *dentry);

static inline bool hw_in_use(struct dentry *dentry)
{
	return d_count(dentry) > 1; /* one reference is held by this module */
}

/* An inode that no program can watch. */
int hw_nobody_start(void);
void hw_nobody_stop(void);
extern struct inode *hw_nobody;

void hw_watched_init(struct hw_file *f); /* called when the device is opened */

/* Includes marks on the object itself and on the whole file system; the second function, on the
 * file system only. */
bool hw_is_watched(struct inode *inode);
bool hw_sb_is_watched(struct super_block *sb);

/* Returns whether the dentry and all its parents are cached under their names. */
bool hw_is_reachable(struct dentry *dentry);

/* Returns whether a watched inode may have no name in the cache, so that it can be found only by
 * asking the server. */
bool hw_lost_watch(struct hw_file *f);

/* Of such inodes with this type (HW_TYPE_NONE: any type), finds those without a link on the host
 * and reports their deletion to their watchers: now, or later if there are many. */
void hw_end_lost_watches(struct hw_file *f, u16 type);
void hw_forget_ends(struct hw_file *f); /* cancels the deletions that are not reported yet */

/* Returns the next inode, or the next watched one, after `last`, whose reference is dropped; NULL
 * at the end. Owned. */
struct inode *hw_next_inode(struct super_block *sb, struct inode *last, bool watched);

/* Finds the place of an event that may concern a watcher. Returns 0, or -errno after counting the
 * event. */
int hw_event_place(struct hw_file *f, const char *path, u32 len, struct hw_place *ret);

/* Recorded local changes; these are bits of the module's own mark. */
#define HW_NAME_MASK (FS_CREATE | FS_DELETE | FS_MOVED_FROM | FS_MOVED_TO)
#define HW_STATE_MASK (FS_MODIFY | FS_ATTRIB | FS_CLOSE_WRITE)
#define HW_ECHO_MASK (HW_NAME_MASK | HW_STATE_MASK)

/* Records that are dropped before they expire are counted in `forgotten`. */
struct hw_echo *hw_echo_start(struct vfsmount *mnt, atomic64_t *forgotten);
void hw_echo_stop(struct hw_echo *echo); /* call this before the mount is released; NULL is allowed
					  * */
void hw_echo_telling(struct hw_echo *echo, bool telling);

/* A host event about one name. */
struct hw_word {
	u32 mask; /* one of HW_NAME_MASK */
	struct hw_place *place;
	struct inode *made; /* borrowed: a directory that was created, or NULL */
	u64 inode; /* inode number that the name has now on the server; 0: the name does not exist
		    * */
	u64 removed; /* inode number that lost the name; 0: unknown */
};

#define HW_WORDS 4u

/* Returns whether the newest local change of the name gave it an inode: only then must the server
 * be asked for the inode of a removed name. */
bool hw_echo_has_put(struct hw_echo *echo, struct hw_place *place);

/* Returns whether local programs made exactly these changes. Each local change matches one host
 * event. */
bool hw_echo_of_names(struct hw_echo *echo, const struct hw_word *words, unsigned int count);

/* Returns whether data or attributes are as a local program left them. `dir` is the directory of
 * the name, NULL for the root. */
bool hw_echo_of_state(struct hw_echo *echo, struct inode *dir, struct dentry *dentry, bool data);

/* Returns whether a local program changed the inode that had the name, and then replaced or removed
 * it. */
bool hw_echo_of_gone(struct hw_echo *echo, struct hw_place *place, u64 inode);

/* Records the state of the current frame's entry; call this after the server was asked, and before
 * the event is reported. */
void hw_see(struct hw_file *f, struct dentry *dentry);

/* HW_GET_SEEN, HW_GET_WATCHED: see <hostwatch/guest.h>. */
long hw_copy_seen(struct hw_file *f, const struct hw_guest_buffer *buffer);
long hw_copy_watched(struct hw_file *f, struct hw_guest_watched *watched);

void hw_apply(struct hw_file *f, const struct hw_told *told);
void hw_apply_create(struct hw_file *f, const struct hw_told *told);
void hw_apply_delete(struct hw_file *f, const struct hw_told *told);
void hw_apply_change(struct hw_file *f, const struct hw_told *told);
void hw_apply_move(struct hw_file *f, const struct hw_told *told);
void hw_apply_rescan(struct hw_file *f, const struct hw_told *told);
/* HW_REFRESH. */
void hw_apply_refresh(struct hw_file *f, const char *path, u32 len);

#endif
