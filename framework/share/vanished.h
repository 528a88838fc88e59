/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inodes that records identified and that had left their names when these were examined. A listing
 * that finds such an inode is ahead of the record that says where it went. Their number is limited:
 * one replaces another.
 */
#ifndef HW_VANISHED_H
#define HW_VANISHED_H

#include "names.h"
#include "tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_share;

#define HW_VANISHED_SLOTS 32u /* a power of two */

struct hw_vanished_inode {
	uint64_t ino; /* 0: free */
	uint32_t id; /* the entry that was transient when it was noted */
	hw_token dir; /* where a listing has found it; 0: nowhere */
	uint16_t fs;
	uint8_t len;
	char name[HW_NAME_MAX];
};

struct hw_vanished {
	struct hw_vanished_inode slots[HW_VANISHED_SLOTS];
	bool any; /* an inode was noted */
};

/* Notes the inode of an entry that is transient now. ino 0: unknown. */
void hw_vanished_note(struct hw_share *share, uint32_t id, uint64_t ino);
/* Returns the transient entry of this inode; 0: none. */
uint32_t hw_vanished_entry(struct hw_share *share, const struct hw_stat *stat);
/* A listing has found this inode under a name. Returns whether a transient entry has it, and it was
 * found for the first time. */
bool hw_vanished_found(struct hw_share *share, const struct hw_stat *stat, uint32_t dir,
		       const char *name, size_t len);
/* Returns where a listing has found the inode, NULL if none has, and forgets it. Valid until the
 * next call of a function of this header. */
const struct hw_vanished_inode *hw_vanished_take(struct hw_share *share, uint16_t fs, uint64_t ino);

#endif
