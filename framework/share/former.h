/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names that lost their inode, by deletion or replacement. inotify(7) reports a change of such an
 * inode, made through a descriptor that is still open, under the lost name, which may now belong to
 * another file. Their number is limited: the oldest are dropped.
 */
#ifndef HW_FORMER_H
#define HW_FORMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_share;
struct hw_entry;
struct hw_fold_at;

#define HW_FORMER_SETS 256u /* a power of two */
#define HW_FORMER_WAYS 4u /* inodes of one name, and of all names in one set */
#define HW_FORMER_UNKNOWN UINT64_MAX /* the inode was never examined */

enum hw_former_how {
	HW_FORMER_LOST, /* it has lost the name */
	HW_FORMER_AWAY, /* the same, by a move that was not reported yet */
	HW_FORMER_UNLINKED, /* the same, by a deletion that was not reported yet */
	HW_FORMER_LEFT, /* the same, as a listing has found: the record that says so may be unread,
			 * and earlier ones about its data, too */
	HW_FORMER_PLACED, /* it has the name: hw_former_note_placed() */
	HW_FORMER_FOUND, /* it has the name: hw_former_note_found() */
};

/* One inode that had a name. */
struct hw_former_inode {
	uint64_t key; /* hash of the directory's token and the name */
	uint64_t ino; /* 0: free; or HW_FORMER_UNKNOWN */
	uint32_t ident; /* as in struct hw_entry */
	uint32_t order; /* order of arrival */
	uint16_t fs;
	uint8_t how; /* enum hw_former_how */
	uint64_t seq; /* number of the last event when `how` was noted */
};

struct hw_former {
	struct hw_former_inode *slots; /* owned; NULL until the first name is lost */
	uint32_t arrivals;
};

/* Adds an inode that has lost this name. Does nothing if out of memory. */
void hw_former_add(struct hw_share *share, const struct hw_fold_at *at,
		   const struct hw_former_inode *inode);
/* Adds the inode of an entry that is about to lose its name. If a record placed it there, the file
 * that loses the name may be an earlier one, which was not examined: adds HW_FORMER_UNKNOWN, too.
 */
void hw_former_add_entry(struct hw_share *share, uint32_t id);
/* A record says that this entry was moved away, or deleted; the tree still has it at its name. */
void hw_former_note_away(struct hw_share *share, uint32_t id);
void hw_former_note_unlinked(struct hw_share *share, uint32_t id);
/* Returns how this entry of the tree came to its name or has lost it; -1: nothing was noted. */
int hw_former_of_entry(struct hw_share *share, uint32_t id);
/* A listing has found that this entry has another name. */
void hw_former_add_left(struct hw_share *share, uint32_t id);
/* Notes that a record placed a file at this name, and that the file was found there afterwards. It
 * may be one that came later. */
void hw_former_note_placed(struct hw_share *share, uint32_t id);
/* Returns whether a record placed a file at the name of this entry, and records may be unread that
 * were queued before the entry was examined. If another record places a file there, the first one
 * was about another file. */
bool hw_former_is_placed(struct hw_share *share, uint32_t id);
/* A listing found an old file that may have come to its name after the directory was armed. Records
 * that were queued before it came are about the file that had the name then. */
void hw_former_note_found(struct hw_share *share, uint32_t id);
/* Returns whether a listing found the entry like this, and such records may be unread. */
bool hw_former_is_found(struct hw_share *share, uint32_t id);
/* Returns whether records about this inode may be unread that were queued before it left the
 * name. */
bool hw_former_may_be_meant(const struct hw_share *share, const struct hw_former_inode *former);
/* A record says that this entry has its name, which it may have lost before. id: 0 is allowed. */
void hw_former_forget_entry(struct hw_share *share, uint32_t id);
/* An observation has found this entry at its name, and no record is unread that says otherwise: it
 * has lost it and got it again. */
void hw_former_confirm(struct hw_share *share, uint32_t id);
/* A record says that an inode with this number got this name, again or for the first time. */
void hw_former_forget_number(struct hw_share *share, const struct hw_fold_at *at, uint64_t ino);
/* Finds the inodes that lost this name, except the inode of `now`, which may be NULL. Returns their
 * number. */
unsigned hw_former_find(struct hw_share *share, const struct hw_fold_at *at,
			const struct hw_entry *now, struct hw_former_inode ret[HW_FORMER_WAYS]);
/* Returns whether a record said that this entry has lost its name. It may have it again. */
bool hw_former_has_lost(struct hw_share *share, const struct hw_fold_at *at,
			const struct hw_entry *entry);
void hw_former_free(struct hw_former *former);

#endif
