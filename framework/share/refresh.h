/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Updates entries whose change was reported from a record alone. */
#ifndef HW_REFRESH_H
#define HW_REFRESH_H

#include "ids.h"
#include "mark.h"

struct hw_share;

struct hw_refresh {
	struct hw_ids stale; /* entries to examine at the end of the iteration */
	struct hw_ids renamed; /* exchanged entries whose ctime changed, likewise */
	/* Files whose mtime was set by utimes(2) after the write that was reported. */
	struct hw_ids touched; /* to examine again when the mark has been reached: if there is a
				  record, that was read before */
	struct hw_ids touched_later; /* found since the mark was set */
	struct hw_mark mark;
};

/* Call it at the end of an iteration of the loop, and of a flush: examines each of these entries
 * once and updates the tree. */
void hw_refresh(struct hw_share *share);

#endif
