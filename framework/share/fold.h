/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hints of one settle window, applied in order: they show which inode had a name when a change
 * of data or attributes was reported under it. The observation that ends the window takes over
 * these facts. Their number is limited; changes without facts are found by comparing times and
 * sizes.
 */
#ifndef HW_FOLD_H
#define HW_FOLD_H

#include "slices.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_entry;
struct hw_share;
struct hw_stat;

/* What a record says about which inode was changed. Numbers are used again, so a second fact is
 * needed: the generation from its file handle, or what the tree has as ident. */
struct hw_fold_number {
	uint64_t ino; /* 0: unknown */
	uint32_t generation; /* 0: unknown */
};

/* An inode. It is in the tree, or a file handle identified it, or it was created in the window and
 * is known only by its name until an observation finds it. */
struct hw_fold_inode {
	uint64_t ino; /* 0: unknown */
	uint64_t dir; /* token of the directory in which it was last seen */
	uint64_t came_to; /* key of the name that it came to; 0: none */
	uint32_t ident; /* as in struct hw_entry */
	uint32_t generation; /* from its file handle; 0: unknown */
	uint16_t fs;
	uint8_t what; /* HW_HINTS_OF_DATA that were reported for it */
	uint8_t maybe; /* the same, for it or for another inode */
	bool has_ident;
	bool named; /* according to the hints, it has a name */
	bool present; /* an observation found it on the disk */
	bool arrived; /* the same, and it may be what came into the share */
	bool created; /* a record says that it, or a link to it, was created: it may not be the
		       * inode of the tree with this number */
	bool from_outside; /* the rename `came` is certainly from outside the share */
	uint8_t came_type; /* what came by it, HW_TYPE_* */
	bool strayed; /* it came to different names */
	bool stranger; /* it came into the share before any record said that it had been there */
	bool contested; /* another inode that is present may have been changed in its place */
	uint32_t contester; /* index plus 1 of the inode that took its name; 0: none */
	uint32_t left; /* it was moved out of the share by this rename; 0: no */
	uint32_t out; /* the last rename that moved it, or one of its names, out; 0: none */
	uint32_t proved; /* the last of these that certainly moved it out of the share; 0: none */
	uint32_t came; /* the last rename that moved it into the share; 0: none */
	bool confirmed; /* it was found at its name after the exchange with its rival */
	uint8_t exchanged; /* HW_HINTS_OF_DATA that belong to it if this was an exchange */
	uint32_t
		rival; /* index plus 1 of the inode that it may have been exchanged with; 0: none */
};

/* A name, by its hash; an inode number with its second fact; or an inode number alone. */
struct hw_fold_slot {
	uint64_t key; /* 0: free */
	uint32_t inode; /* index plus 1; 0: the name is gone. Of a number alone: the first inode */
	uint32_t uses; /* of a number alone: how many inodes had it */
	uint32_t former; /* index plus 1 of the last inode that was created in the window and lost
			    this name; 0: none */
	uint32_t left; /* the entry of the tree left the share by this rename; 0: no */
	uint32_t leaver; /* index plus 1 of the inode that did so; 0: unknown */
	bool doubtful; /* that inode may be another one with the number of the entry */
};

struct hw_fold {
	struct hw_fold_slot *slots; /* owned */
	uint32_t slot_room, slot_count; /* room: 0 or a power of two */
	struct hw_fold_inode *inodes; /* owned */
	uint32_t inode_room, inode_count;
	uint64_t moved_from, moved_to; /* keys of the last rename */
	uint32_t displaced; /* inode that the last rename replaced, index plus 1; 0: none, or a
			       name was created or deleted since */
	uint32_t renames; /* number of renames into and out of the share */
	uint32_t lost[2]; /* the last rename that moved an inode into the share which was removed
			     there, of files and of directories; 0: none */
	bool new_left; /* an inode that is not in the tree was moved out of the share */
	bool new_dir; /* a directory was created, or came into the share */
	bool all_examined; /* files without hints are examined as well */
	int64_t since_ns; /* during an observation: as in struct hw_observation */
};

/* A place in the share. */
struct hw_fold_at {
	uint32_t dir; /* 0: outside */
	const char *name;
	size_t len;
};

/* A rename. One place may be outside the share, or in a directory that is not known. */
struct hw_fold_rename {
	struct hw_fold_at from, to;
	struct hw_fold_number number; /* if the record identifies the inode */
	uint8_t type; /* HW_TYPE_DIR, or something else; HW_TYPE_NONE: unknown */
	bool outside; /* it is proved that one place is outside the share */
};

/* Adds a hint about one name. `ordered`: hints are in the order of
 * the changes. Returns the HW_HINT_* that were not filed by inode. */
uint32_t hw_fold_hint(struct hw_share *share, const struct hw_fold_at *at, uint32_t what,
		      const struct hw_fold_number *number, bool ordered);
/* Adds a rename of an inode that its record identifies. Returns whether a move out was filed by
 * inode: false if the tree has this inode at that name. */
bool hw_fold_move_inode(struct hw_share *share, const struct hw_fold_rename *rename);
/* Adds a rename, in the order of changes, like hw_fold_move_inode(). The number is not used. */
bool hw_fold_move(struct hw_share *share, const struct hw_fold_rename *rename);

/* Call it before an observation: notes as unverified the names of all inodes that were changed
 * according to the hints. */
void hw_fold_expand(struct hw_share *share);
/* During an observation: nothing is at this name. `what`: the HW_HINT_* of records about it. */
void hw_fold_absent(struct hw_share *share, struct hw_fold *fold, const struct hw_fold_at *at,
		    uint32_t what);
/* The same: the inode at this name. */
void hw_fold_found(struct hw_share *share, struct hw_fold *fold, const struct hw_fold_at *at,
		   const struct hw_stat *stat);
/* Call it after the last hw_fold_found() and hw_fold_absent(). May rest. */
void hw_fold_all_found(struct hw_share *share, struct hw_fold *fold);
/* After hw_fold_all_found(): returns whether the entry, which left by this rename, may have come
 * back by a later one and have been removed. */
bool hw_fold_may_be_back(const struct hw_fold *fold, const struct hw_entry *entry, uint32_t left);
/* After hw_fold_all_found(): returns false if the record that the entry of this name left the share
 * proves nothing: an inode came later and may have been removed, which may have been that
 * entry; or another inode may have had the number and the name of the entry. `what`: as for
 * hw_fold_absent(). */
bool hw_fold_has_left(struct hw_share *share, const struct hw_fold *fold,
		      const struct hw_fold_at *at, uint32_t what);
/* After hw_fold_all_found(): returns the facts about an inode. */
const struct hw_fold_inode *hw_fold_facts(const struct hw_fold *fold, const struct hw_stat *stat);
void hw_fold_free(struct hw_fold *fold); /* also resets it */

/* ---- between fold.c and fold_end.c: return NULL if there is none ---- */

struct hw_fold_slot *hw_fold_slot_of_name(struct hw_share *share, const struct hw_fold *fold,
					  const struct hw_fold_at *at);
struct hw_fold_slot *hw_fold_slot_of_inode(struct hw_share *share, const struct hw_fold *fold,
					   uint16_t fs, const struct hw_fold_number *number);
/* Returns whether the inode has the number of this entry of the tree and is another one: that one
 * was removed before. A file that came into the share may be a link to the entry if that one had
 * several. */
bool hw_fold_is_number_used_again(const struct hw_fold_inode *inode, const struct hw_entry *entry);
/* Returns the slot of an inode number alone. */
struct hw_fold_slot *hw_fold_slot_of_number(struct hw_share *share, const struct hw_fold *fold,
					    uint16_t fs, uint64_t ino);

#endif
