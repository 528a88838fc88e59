/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look into a directory that is new to the tree, before it is told. */
#ifndef HW_AHEAD_H
#define HW_AHEAD_H

#include "share_private.h"

#define HW_AHEAD_MAX                                                                               \
	16384u /* entries looked at in one observation; what is behind left, and arrived */

struct hw_ahead_place {
	uint32_t dir;
	const char *name;
	uint8_t len;
};

struct hw_ahead {
	/* An entry of the directory that `dir` has open. Returns whether the walk is to end. */
	bool (*visit)(void *arg, int dir, const char *name, const struct hw_stat *stat);
	void *arg;
};

/* Visits what is below the directory at `place`, the entries of a directory before those below
 * them. *budget: entries that may be looked at. */
void hw_ahead_walk(struct hw_share *share, const struct hw_ahead_place *place,
		   const struct hw_ahead *how, uint32_t *budget);

#endif
