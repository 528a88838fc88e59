/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes of inodes that the tree has under no name. The record that gives such an inode its name
 * may follow: fanotify(7) merges the record of a close into that of an earlier write, which was
 * queued before the file got its name by linkat(2). The changes are reported when that record has
 * been read. They are kept until all records have been read that were queued when they were noted,
 * and their number is limited: the oldest are dropped.
 */
#ifndef HW_NAMELESS_H
#define HW_NAMELESS_H

#include "fold.h"

#include <stdint.h>

struct hw_share;

#define HW_NAMELESS_SETS 512u /* a power of two */
#define HW_NAMELESS_WAYS 8u /* inodes in one set */

struct hw_nameless_inode {
	struct hw_fold_number number; /* ino 0: free */
	uint32_t count; /* rolling_count of struct hw_marks when it was noted */
	uint32_t order; /* order of arrival */
	uint32_t what; /* HW_HINT_MODIFIED, ... */
	uint16_t fs;
};

struct hw_nameless {
	struct hw_nameless_inode *inodes; /* owned; NULL until the first one is noted */
	uint32_t last_count; /* of the inode that was noted last */
	uint32_t arrivals;
};

/* Notes changes of an inode that has no name in the tree. Ignored if out of memory, and without a
 * generation, since the number alone may belong to another file later. */
void hw_nameless_note(struct hw_share *share, uint16_t fs, const struct hw_fold_number *number,
		      uint32_t what);
/* Returns the changes that were noted, and forgets them; 0: none. */
uint32_t hw_nameless_take(struct hw_share *share, uint16_t fs, const struct hw_fold_number *number);
void hw_nameless_free(struct hw_nameless *nameless);

#endif
