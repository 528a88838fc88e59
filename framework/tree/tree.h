/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree: every known entry of a share. An entry stores its parent and its name but no path, so
 * renaming a directory changes one entry. Entries are numbered; 0 is no entry, 1 the root. */
#ifndef HW_TREE_H
#define HW_TREE_H

#include "changed.h"
#include "index.h"
#include "names.h"
#include <hostwatch/event.h>
#include <hostwatch/plugin.h>
#include <stdbool.h>

#define HW_ROOT 1u

/* The fact that distinguishes an inode from a later one with the same number. */
enum hw_identity {
	HW_BY_BIRTH, /* ident is derived from the birth time */
	HW_BY_GENERATION, /* ident is the generation in the file handle */
	HW_BY_HANDLE, /* ino is derived from the whole file handle, ident from inode number and
		       * birth time */
	HW_BY_NUMBER, /* the number only: ident is 0 */
	HW_UNIDENTIFIED, /* of a filesystem: not determined yet */
};

/* The birth time of what was in a lower layer of an overlayfs, also if it was copied up. */
#define HW_BTIME_LOWER 1

/* Instead of a time of an entry: whatever the disk has differs, and may be unreported. */
#define HW_TIME_UNKNOWN INT64_MIN
#define HW_ATTR_UNKNOWN 0u /* of an entry: differs from that of every state */

/* The state of an entry on the disk; filled by disk.h and list.h. */
struct hw_stat {
	uint64_t ino; /* inode number, or its replacement: see identity */
	int64_t mtime_ns, ctime_ns;
	int64_t atime_ns; /* shows whether the times were set explicitly */
	int64_t btime_ns; /* 0 if the filesystem does not store it; or HW_BTIME_LOWER */
	uint64_t size;
	uint32_t attr; /* hash of mode and owner: changes when chmod or chown changed them; not
			* HW_ATTR_UNKNOWN */
	uint32_t ident; /* with ino, identifies the inode when its number is reused */
	uint32_t nlink;
	uint16_t fs; /* index into the share's filesystems */
	uint8_t type; /* enum hw_type */
	uint8_t identity; /* enum hw_identity */
};

/* Flags of an entry. */
#define HW_ENTRY_DIRTY 0x01u /* created or modified since its last close_write */
#define HW_ENTRY_LOOP 0x01u /* of a directory, never dirty: it was reported to be a loop */
#define HW_ENTRY_NEW                                                                               \
	0x02u /* created, no close_write yet: attribute changes belong to the create               \
	       */
#define HW_ENTRY_CAME                                                                              \
	0x02u /* of a directory, never new: moved in and not listed yet, so its entries are old */
#define HW_ENTRY_QUEUED 0x04u /* in the queue of quiet.h */
#define HW_ENTRY_LOCKED 0x04u /* of a directory, never queued: its listing failed, as reported */
#define HW_ENTRY_STALE 0x08u /* changed since it was examined: in the refresh list */
#define HW_ENTRY_TRANSIENT 0x10u /* reported by the kernel, deleted before it was examined */
#define HW_ENTRY_SEEN 0x20u /* mark of a listing in progress */
#define HW_ENTRY_GONE 0x40u /* mark of an observation in progress */
#define HW_ENTRY_LISTED 0x80u /* of a directory: its children are known */
#define HW_ENTRY_MODIFIED                                                                          \
	0x80u /* of a file, never listed: modify was reported since its create                     \
	       */

#define HW_MARK_RENAMED 0x1u /* a move changed its ctime */
#define HW_MARK_PINNED 0x2u /* a directory that was found elsewhere, and is open there */
#define HW_MARK_LINKED HW_MARK_PINNED /* of a file: it is examined because it has a new name */
#define HW_MARK_SOURCE 0x4u /* the entry's new name was found */
#define HW_MARK_HOLDS 0x8u /* a directory that contains entries which must move out first */
#define HW_MARK_MODIFY                                                                             \
	0x10u /* in the list of modified entries, with the other names of its inode */
#define HW_MARK_ATTRIB 0x20u /* likewise in the list of changed attributes */
#define HW_MARK_UPDATED 0x40u /* has the state of its inode that was read through another name */
#define HW_MARK_REPORTED 0x80u /* its change was reported for all names of its inode */

/*
 * 80 bytes, because there may be millions of them. Times, size and ino are as of the last
 * examination. The members read by a search by name share a cache line, as do those of a search by
 * inode.
 */
struct hw_entry {
	/* search by inode */
	uint64_t ino;
	uint32_t ino_link; /* chain of the inode index */
	uint16_t fs;
	uint8_t type; /* HW_TYPE_NONE: free */
	uint8_t identity; /* as in struct hw_stat */
	/* search by name */
	uint32_t parent;
	uint32_t name_ref;
	uint32_t name_link; /* chain of the name index; of a free entry: the next free one */
	uint8_t name_len;
	uint8_t flags;
	uint8_t last_kind : 7;
	uint8_t unseen : 1; /* the disk did not show the entry here when it had moved here */
	uint8_t renamed; /* HW_MARK_*, marks of an observation in progress */

	int64_t mtime_ns;
	int64_t ctime_ns;
	union {
		uint64_t size; /* unused for directories */
		struct {
			uint32_t first_child;
			uint32_t serial; /* the upper half of its token */
		} dir;
	};
	uint32_t attr;
	uint32_t ident;
	uint32_t next_sibling, prev_sibling;
	uint32_t last_seq; /* low half of the sequence number of the last event about it */
	uint16_t nlink; /* truncated to 16 bits */
	union {
		uint16_t ino_before; /* lower half of the id before it in ino_link's chain, or
				      * stale; unused for directories */
		struct {
			uint8_t watcher; /* of a directory: its watcher, or HW_WATCHER_NONE */
			uint8_t active; /* of a directory: it is being listed */
		};
	};
};
_Static_assert(sizeof(struct hw_entry) == 80, "five times 16 bytes: no group spans two lines");

/* The allocator adds 16 bytes to a chunk, which cost a page: few chunks, whose pages are used one
 * by one. */
#define HW_TREE_CHUNK_BITS 14u
#define HW_TREE_CHUNK (1u << HW_TREE_CHUNK_BITS)

struct hw_tree {
	struct hw_entry **chunks; /* owned */
	uint32_t chunk_count, chunk_room;
	uint32_t used; /* number of ids assigned so far */
	uint32_t free; /* list of freed ids */
	uint32_t serial; /* for tokens */
	uint32_t entries; /* in the tree, root included */
	uint32_t directories;
	uint32_t places; /* changes when a path may have changed: by a move, swap or removal */
	uint64_t seed;
	struct hw_names names;
	struct hw_index by_name;
	struct hw_index by_ino;
	struct hw_slices *work; /* borrowed; rests while many names are sorted. NULL: it does not */
	struct hw_changed *changed; /* borrowed; notes each entry that changes. NULL: off */
};

int hw_tree_init(struct hw_tree *tree); /* 0 or -ENOMEM; makes the root, a directory */
void hw_tree_free(struct hw_tree *tree);

/* Returns the entry of a valid id. */
static inline struct hw_entry *hw_tree_entry(const struct hw_tree *tree, uint32_t id)
{
	return &tree->chunks[id >> HW_TREE_CHUNK_BITS][id & (HW_TREE_CHUNK - 1)];
}

/* For those who write to an entry: the functions below that change the tree do it themselves. */
static inline void hw_tree_note(const struct hw_tree *tree, uint32_t id)
{
	if (tree->changed)
		hw_changed_add(tree->changed, id);
}

/* Returns 0 if there is no such child. */
uint32_t hw_tree_find(const struct hw_tree *tree, uint32_t dir, const char *name, size_t len);
/* The same, faster if it is before or after `near` in its directory: another entry of it; or 0. */
uint32_t hw_tree_find_near(const struct hw_tree *tree, uint32_t near, uint32_t dir,
			   const char *name, size_t len);
/* Makes sure that the next hw_tree_add() or hw_tree_move() to a name of this length does not fail.
 * -ENOMEM. */
int hw_tree_reserve(struct hw_tree *tree, const char *name, size_t len);
/* Adds a child that does not exist yet. Returns 0 if memory is short. Copies stat. */
uint32_t hw_tree_add(struct hw_tree *tree, uint32_t dir, const char *name, size_t len,
		     const struct hw_stat *stat);
/* Removes a childless entry that is not the root. */
void hw_tree_remove(struct hw_tree *tree, uint32_t id);
/* Moves an entry to another name, which must not exist. Returns 0, or -ENOMEM without a change. */
int hw_tree_move(struct hw_tree *tree, uint32_t id, uint32_t dir, const char *name, size_t len);
/* Exchanges the places of two entries. Neither may be below the other. */
void hw_tree_swap(struct hw_tree *tree, uint32_t a, uint32_t b);
/* Returns the attr of an entry that was examined for another reason than its mode or owner: another
 * one is left to a record that is still to come, and which is also that of a change back, if the
 * kernel merges them. */
uint32_t hw_tree_attr_seen(const struct hw_entry *e, const struct hw_stat *stat);
/* Copies the state of the disk; the type must not change between directory and other types. */
void hw_tree_update(struct hw_tree *tree, uint32_t id, const struct hw_stat *stat);

/*
 * Fills a new tree with entries whose ids are known, in any order: put, or drop again, each of
 * them, then finish. Until then no other function may be called. The name and the members that link
 * entries are not read from `entry`. Putting an entry again replaces it.
 */
int hw_tree_put(struct hw_tree *tree, uint32_t id, const struct hw_entry *entry, const char *name);
void hw_tree_drop(struct hw_tree *tree, uint32_t id);
/* Returns -EINVAL if this is not a tree: its root or a parent is missing, a name is used twice, a
 * directory is below itself. */
int hw_tree_finish(struct hw_tree *tree);

/* Prefetches the memory that hw_tree_same_inode() reads first. */
void hw_tree_prefetch_inode(const struct hw_tree *tree, uint16_t fs, uint64_t ino);
/* Iterates over the entries with this inode: 0 starts, and 0 is returned at the end. */
uint32_t hw_tree_same_inode(const struct hw_tree *tree, uint16_t fs, uint64_t ino, uint32_t after);
const char *hw_tree_name(const struct hw_tree *tree, uint32_t id); /* name_len bytes */
bool hw_tree_is_below(const struct hw_tree *tree, uint32_t id, uint32_t dir); /* or equal to it */
/* Writes the path to the end of buf, which has `size` bytes. Returns its beginning, NULL if it does
 * not fit. */
char *hw_tree_path(const struct hw_tree *tree, uint32_t id, char *buf, size_t size,
		   size_t *ret_len);
/* Compares paths component by component, in byte order; a directory precedes its descendants. */
int hw_tree_compare(const struct hw_tree *tree, uint32_t a, uint32_t b);
/* Compares two places, each a name in a directory, which the tree need not contain. */
int hw_tree_compare_places(const struct hw_tree *tree, uint32_t dir_a, const char *name_a,
			   size_t len_a, uint32_t dir_b, const char *name_b, size_t len_b);
/* Returns the number of children, or -ENOMEM. *ret_ids: the children in byte order, to be freed by
 * the caller. */
int hw_tree_children(const struct hw_tree *tree, uint32_t dir, uint32_t **ret_ids);

hw_token hw_tree_token(const struct hw_tree *tree, uint32_t dir);
uint32_t hw_tree_by_token(const struct hw_tree *tree, hw_token token); /* 0: it no longer exists */
size_t hw_tree_bytes(const struct hw_tree *tree); /* that are or were used */

/* The part of ident that an inode keeps: on overlayfs, copy-up changes the lower half. */
static inline uint32_t hw_lasting_ident(uint8_t identity, uint32_t ident)
{
	return identity == HW_BY_HANDLE ? ident & 0xffff0000 : ident;
}
static inline uint32_t hw_tree_ident(const struct hw_entry *entry)
{
	return hw_lasting_ident(entry->identity, entry->ident);
}
/* Returns whether the entry and the stat are of the same inode and of the same kind. */
bool hw_tree_is_same(const struct hw_entry *entry, const struct hw_stat *stat);
/* The same, but the entry is not a name of a lower file of which the stat is another name that
 * copy-up has given an inode of its own. */
bool hw_tree_is_link(const struct hw_entry *entry, const struct hw_stat *stat);
/* Returns whether two entries with the same ino are names of one inode. */
bool hw_tree_are_links(const struct hw_entry *a, const struct hw_entry *b);

#endif
