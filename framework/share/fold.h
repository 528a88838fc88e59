/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hints of one settle window, folded in their order: which inode had a name when a change of
 * data or attributes was reported under it. A window ends with an observation, which takes the
 * facts over. Bounded as the suspects are; facts that find no room are left to the comparison of
 * times and sizes.
 */
#ifndef HW_FOLD_H
#define HW_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_share;
struct hw_stat;

/* An inode: one that the tree has or that a file handle named, or one that was made in the window
 * and is known by its name until an observation finds it. */
struct hw_fold_inode {
	uint64_t ino; /* 0: not known */
	uint64_t dir; /* token of the directory in which it was seen last */
	uint32_t ident; /* as in struct hw_entry */
	uint16_t fs;
	uint8_t what; /* HW_HINTS_OF_DATA that were reported about it */
	uint8_t maybe; /* likewise, about it or about another inode */
	bool has_ident;
	bool named; /* it has a name as far as the hints say */
	bool left; /* a rename took it to where no directory of the share was */
	bool confirmed; /* it was found at the name that the exchange with its rival gave it */
	uint8_t exchanged; /* HW_HINTS_OF_DATA that are about it if that was an exchange */
	uint32_t rival; /* index plus 1; 0: none */
};

/* A name, by hash; also an inode number. */
struct hw_fold_slot {
	uint64_t key; /* 0: free */
	uint32_t inode; /* its index plus 1; 0: the name is gone */
	uint32_t former; /* the last one that was made in the window and lost this name, likewise */
};

struct hw_fold {
	struct hw_fold_slot *slots; /* owned */
	uint32_t slot_room, slot_count; /* room: 0 or a power of two */
	struct hw_fold_inode *inodes; /* owned */
	uint32_t inode_room, inode_count;
	uint64_t moved_from, moved_to; /* keys of the last rename */
	uint32_t displaced; /* the inode that had its new name; 0: none, or not the last hint */
	bool sorted; /* by inode number: only facts are left */
};

/* A place in the share. */
struct hw_fold_at {
	uint32_t dir; /* 0: outside */
	const char *name;
	size_t len;
};

/* A hint about one name. ino: of its file handle, 0. `ordered`: hints come in the order of the
 * changes. Returns the HW_HINT_* that were not filed by inode. */
uint32_t hw_fold_hint(struct hw_share *share, const struct hw_fold_at *at, uint32_t what,
		      uint64_t ino, bool ordered);
/* The inode that a record of a rename named left the share. Returns whether that was filed by
 * inode: not if the tree has this inode at that name. */
bool hw_fold_left(struct hw_share *share, const struct hw_fold_at *from, uint64_t ino);
/* A rename, reported in order. `left`: it is proved that `to` is outside. Returns whether that was
 * filed by inode. */
bool hw_fold_move(struct hw_share *share, const struct hw_fold_at *from,
		  const struct hw_fold_at *to, bool left);

/* Before an observation: names of the tree whose inode was changed under another name are
 * unverified. */
void hw_fold_expand(struct hw_share *share);
/* In an observation: the inode at this name. */
void hw_fold_found(struct hw_share *share, struct hw_fold *fold, const struct hw_fold_at *at,
		   const struct hw_stat *stat);
/* Behind the last of these: the facts about an inode. */
const struct hw_fold_inode *hw_fold_facts(struct hw_fold *fold, const struct hw_stat *stat);
void hw_fold_free(struct hw_fold *fold); /* it is empty then */

#endif
