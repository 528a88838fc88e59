/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Searches a directory that is new to the tree before it is reported. */
#ifndef HW_AHEAD_H
#define HW_AHEAD_H

#include "share_private.h"

#define HW_AHEAD_MAX                                                                               \
	16384u /* entries examined in one observation; entries beyond are not found as moved */

struct hw_ahead_place {
	uint32_t dir;
	const char *name;
	uint8_t len;
};

struct hw_ahead {
	/* Called for an entry of the directory that is open as `dir`. Returns whether to end the
	 * walk. */
	bool (*visit)(void *arg, int dir, const char *name, const struct hw_stat *stat);
	void *arg;
};

/* Visits the entries below the directory at `place` that are not excluded; the entries of a
 * directory come before those below them. *budget: number of entries that may be examined. */
void hw_ahead_walk(struct hw_share *share, const struct hw_ahead_place *place,
		   const struct hw_ahead *how, uint32_t *budget);

#endif
