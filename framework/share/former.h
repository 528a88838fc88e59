/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names that lost their inode, by deletion or replacement. inotify(7) reports a change of such an
 * inode, through a descriptor that is still open, under the lost name, which may now be
 * that of another file. Bounded: of too many names the oldest are forgotten.
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
#define HW_FORMER_WAYS 4u /* inodes of one name, and of all names with the same set */

/* One inode that had a name. */
struct hw_former_inode {
	uint64_t key; /* hash of the directory's token and the name */
	uint64_t ino; /* 0: free */
	uint32_t ident; /* as in struct hw_entry */
	uint32_t order; /* of arrival */
	uint16_t fs;
};

struct hw_former {
	struct hw_former_inode *slots; /* owned; NULL until the first name is lost */
	uint32_t arrivals;
};

/* The inode has lost this name. Without memory nothing is remembered. */
void hw_former_add(struct hw_share *share, const struct hw_fold_at *at,
		   const struct hw_former_inode *inode);
/* An entry is about to lose its name: its inode is remembered. */
void hw_former_add_entry(struct hw_share *share, uint32_t id);
/* The inodes that lost this name, but for the one of `now`, which may be NULL. Returns how many. */
unsigned hw_former_find(struct hw_share *share, const struct hw_fold_at *at,
			const struct hw_entry *now, struct hw_former_inode ret[HW_FORMER_WAYS]);
void hw_former_free(struct hw_former *former);

#endif
