/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Updates entries whose change was reported from a record alone. */
#ifndef HW_REFRESH_H
#define HW_REFRESH_H

#include "ids.h"

struct hw_share;

struct hw_refresh {
	struct hw_ids stale; /* entries to examine at the end of the iteration */
	struct hw_ids renamed; /* exchanged entries whose ctime changed, likewise */
};

/* Call it at the end of an iteration of the loop, and of a flush: examines each of these entries
 * once and updates the tree. */
void hw_refresh(struct hw_share *share);

#endif
