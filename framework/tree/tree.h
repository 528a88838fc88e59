/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tree: every known entry of a share. An entry knows its parent and its name, no path is
 * stored, so renaming a directory changes one entry. Entries are numbered; 0 is none, 1 the root.
 */
#ifndef HW_TREE_H
#define HW_TREE_H

#include "index.h"
#include "names.h"
#include <hostwatch/event.h>
#include <hostwatch/plugin.h>
#include <stdbool.h>

#define HW_ROOT 1u

/* What tells an inode from a later one with the same number. */
enum hw_identity {
	HW_BY_BIRTH, /* ident is made of the birth time */
	HW_BY_GENERATION, /* ident is the generation in the file handle */
	HW_BY_HANDLE, /* ino is made of the whole file handle, ident of inode number and birth time
		       */
	HW_BY_NUMBER, /* nothing: ident is 0 */
	HW_UNIDENTIFIED, /* of a filesystem: not determined yet */
};

/* What the disk says about an entry; filled by disk.h and list.h. */
struct hw_stat {
	uint64_t ino; /* or what stands for it: see identity */
	int64_t mtime_ns, ctime_ns;
	int64_t atime_ns; /* says whether the times were set */
	int64_t btime_ns; /* 0 when the filesystem has none */
	uint64_t size;
	uint32_t attr; /* hash of mode and owner: differs when chmod or chown changed something */
	uint32_t ident; /* with ino: which inode this is, across reuse of its number */
	uint32_t nlink;
	uint16_t fs; /* index into the share's filesystems */
	uint8_t type; /* enum hw_type */
	uint8_t identity; /* enum hw_identity */
};

/* Flags of an entry. */
#define HW_ENTRY_DIRTY 0x01u /* created or modified since its last close_write */
#define HW_ENTRY_LOOP 0x01u /* of a directory, never dirty: that it is a loop was told */
#define HW_ENTRY_NEW                                                                               \
	0x02u /* created, no close_write yet: attribute changes belong to the create               \
	       */
#define HW_ENTRY_CAME                                                                              \
	0x02u /* of a directory, never new: it was moved in and is not listed yet: what is in it   \
		 is old */
#define HW_ENTRY_QUEUED 0x04u /* in the queue of quiet.h */
#define HW_ENTRY_LOCKED 0x04u /* of a directory, never queued: not listable, which was told */
#define HW_ENTRY_STALE 0x08u /* changed since the tree looked: in the refresh list of the turn */
#define HW_ENTRY_PHANTOM 0x10u /* told by the kernel, gone before the tree could look */
#define HW_ENTRY_SEEN 0x20u /* mark of a listing in progress */
#define HW_ENTRY_GONE 0x40u /* mark of an observation in progress */
#define HW_ENTRY_LISTED 0x80u /* of a directory: its children are known */
#define HW_ENTRY_MODIFIED                                                                          \
	0x80u /* of a file, never listed: modify was reported since its create                     \
	       */

#define HW_MARK_RENAMED 0x1u /* a move changed its ctime */
#define HW_MARK_PINNED 0x2u /* a directory that was found elsewhere, and is open there */
#define HW_MARK_SOURCE 0x4u /* its new name was found */
#define HW_MARK_HOLDS 0x8u /* a directory with something in it that is still to move out */
#define HW_MARK_MODIFY                                                                             \
	0x10u /* in the list of modified entries, with the other names of its inode */
#define HW_MARK_ATTRIB 0x20u /* the same of changed attributes */
#define HW_MARK_UPDATED 0x40u /* has the state of its inode that another name showed */
#define HW_MARK_REPORTED 0x80u /* its change was reported for all names of its inode */

/*
 * 80 bytes: a million of them are held. Times, size and ino are as of the last look. What a search
 * by name reads is in one cache line, and so is what a search by inode reads.
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
	uint8_t last_kind;
	uint8_t renamed; /* HW_MARK_*, marks of an observation in progress */

	int64_t mtime_ns;
	int64_t ctime_ns;
	union {
		uint64_t size; /* not of directories */
		struct {
			uint32_t first_child;
			uint32_t serial; /* the upper half of its token */
		} dir;
	};
	uint32_t attr;
	uint32_t ident;
	uint32_t next_sibling, prev_sibling;
	uint32_t last_seq; /* low half: of the last event about it */
	uint16_t nlink; /* cut to 16 bits */
	uint8_t watcher; /* of a directory: who watches it, HW_WATCHER_NONE */
	uint8_t active; /* of a directory: a listing is under way */
};
_Static_assert(sizeof(struct hw_entry) == 80, "five times 16 bytes: no group spans two lines");

#define HW_TREE_CHUNK_BITS 12u
#define HW_TREE_CHUNK (1u << HW_TREE_CHUNK_BITS)

struct hw_tree {
	struct hw_entry **chunks; /* owned */
	uint32_t chunk_count, chunk_room;
	uint32_t used; /* ids handed out so far */
	uint32_t free; /* list of freed ids */
	uint32_t serial; /* for tokens */
	uint32_t entries; /* in the tree, root included */
	uint32_t directories;
	uint32_t places; /* changes when a path may have changed: moves, swaps and removals */
	uint64_t seed;
	struct hw_names names;
	struct hw_index by_name;
	struct hw_index by_ino;
};

int hw_tree_init(struct hw_tree *tree); /* 0 or -ENOMEM; makes the root, a directory */
void hw_tree_free(struct hw_tree *tree);

/* The entry of a live id. */
static inline struct hw_entry *hw_tree_entry(const struct hw_tree *tree, uint32_t id)
{
	return &tree->chunks[id >> HW_TREE_CHUNK_BITS][id & (HW_TREE_CHUNK - 1)];
}

/* 0 when there is no such child. */
uint32_t hw_tree_find(const struct hw_tree *tree, uint32_t dir, const char *name, size_t len);
/* Adds an absent child; 0 when out of memory. Copies stat. */
uint32_t hw_tree_add(struct hw_tree *tree, uint32_t dir, const char *name, size_t len,
		     const struct hw_stat *stat);
/* Removes a childless entry that is not the root. */
void hw_tree_remove(struct hw_tree *tree, uint32_t id);
/* Puts an entry under another, absent name. 0 or -ENOMEM, then nothing changed. */
int hw_tree_move(struct hw_tree *tree, uint32_t id, uint32_t dir, const char *name, size_t len);
/* Exchanges the places of two entries, neither below the other. */
void hw_tree_swap(struct hw_tree *tree, uint32_t a, uint32_t b);
/* Takes over what the disk says; the type must not change between directory and other. */
void hw_tree_update(struct hw_tree *tree, uint32_t id, const struct hw_stat *stat);

/* Fetches from memory, without waiting, what hw_tree_same_inode() reads first. */
void hw_tree_prefetch_inode(const struct hw_tree *tree, uint16_t fs, uint64_t ino);
/* Entries with this inode, one after the other: 0 starts, 0 ends. */
uint32_t hw_tree_same_inode(const struct hw_tree *tree, uint16_t fs, uint64_t ino, uint32_t after);
const char *hw_tree_name(const struct hw_tree *tree, uint32_t id); /* name_len bytes */
bool hw_tree_is_below(const struct hw_tree *tree, uint32_t id, uint32_t dir); /* or is it */
/* Writes the path into the last bytes of buf, which has `size`; returns where it begins, NULL when
 * it does not fit. */
char *hw_tree_path(const struct hw_tree *tree, uint32_t id, char *buf, size_t size,
		   size_t *ret_len);
/* Order of paths: component by component, in byte order; a directory before what is below it. */
int hw_tree_compare(const struct hw_tree *tree, uint32_t a, uint32_t b);
/* The same of a name in a directory, whether or not the tree has it. */
int hw_tree_compare_places(const struct hw_tree *tree, uint32_t dir_a, const char *name_a,
			   size_t len_a, uint32_t dir_b, const char *name_b, size_t len_b);
/* The children in byte order, in an array that the caller frees; the count or -ENOMEM. */
int hw_tree_children(const struct hw_tree *tree, uint32_t dir, uint32_t **ret_ids);

hw_token hw_tree_token(const struct hw_tree *tree, uint32_t dir);
uint32_t hw_tree_by_token(const struct hw_tree *tree, hw_token token); /* 0: no longer there */
size_t hw_tree_bytes(const struct hw_tree *tree);

/* The part of ident that an inode keeps: copy-up changes the lower half on overlayfs. */
static inline uint32_t hw_lasting_ident(uint8_t identity, uint32_t ident)
{
	return identity == HW_BY_HANDLE ? ident & 0xffff0000 : ident;
}
static inline uint32_t hw_tree_ident(const struct hw_entry *entry)
{
	return hw_lasting_ident(entry->identity, entry->ident);
}
/* Is this the same inode, of the same kind? */
bool hw_tree_is_same(const struct hw_entry *entry, const struct hw_stat *stat);
/* Are these two entries, with the same ino, names of one inode? */
bool hw_tree_are_links(const struct hw_entry *a, const struct hw_entry *b);

#endif
