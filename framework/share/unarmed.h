/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories that no watcher has. A directory is noted here when it enters the tree, when it
 * leaves its watcher, and when an attempt to arm it fails. It leaves the list when it has a
 * watcher, is gone, waits on the list of retries, or must not be entered. So a directory of an
 * online share is watched, or it is tried again.
 */
#ifndef HW_UNARMED_H
#define HW_UNARMED_H

#include "ids.h"

#include <stdbool.h>

struct hw_share;

struct hw_unarmed {
	struct hw_ids dirs; /* they may have been armed or removed since */
	uint32_t checked_at; /* the length at which it is cleaned up */
	uint64_t since_ns; /* loop time at which the oldest of them was added */
	uint32_t least; /* the fewest that a walk for them has left; 0: none runs */
	bool all; /* the tree is to be searched for them */
};

/* unarmed.c */
void hw_unarmed_add(struct hw_share *share, uint32_t dir);
void hw_unarmed_free(struct hw_share *share);

/* unarmed_walk.c */
/* Call it when nothing is being listed or verified. Walks the directories that no watcher has while
 * each walk leaves fewer of them; the rest is put on the list of retries. Returns whether a walk
 * has begun. */
bool hw_unarmed_walk(struct hw_share *share);
/* Does so at the end of an iteration. In a share that is never at rest it waits one interval, since
 * a round of verification usually arms them. */
void hw_unarmed_turn(struct hw_share *share);

#endif
