/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look into a directory that is new to the tree, before it is told. */
#ifndef HW_AHEAD_H
#define HW_AHEAD_H

#include "share_private.h"

#define HW_AHEAD_MAX                                                                               \
	16384u /* entries looked at in one observation; what is behind left, and arrived */

/* Does the directory `name` in `parent`, or one below it, hold what the tree has under a name that
 * the disk no longer has? *budget: entries that may be looked at. */
bool hw_ahead_holds_moved(struct hw_share *share, int parent, const char *name, uint32_t *budget);

#endif
