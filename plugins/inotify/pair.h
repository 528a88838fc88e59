/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Joins the two halves of a rename. The kernel queues MOVED_FROM and MOVED_TO separately, with one
 * cookie, while it holds the locks of both parent directories (fsnotify_move() in vfs_rename()).
 * Records of other directories and of children may be queued between them; other entry records of
 * these two directories may not.
 */
#ifndef HW_INOTIFY_PAIR_H
#define HW_INOTIFY_PAIR_H

#include "queue.h"

/* All zero: no half was examined. */
struct hw_pair {
	uint64_t half; /* position of the MOVED_FROM that was examined last, plus one */
	uint64_t looked; /* no partner exists before this position */
	uint64_t locked; /* position of the half whose directory was locked, plus one */
	uint64_t mark; /* end of the queue after that lock */
	uint64_t ripe; /* halves before this position have waited long enough */
	uint64_t ripening; /* position that becomes ripe when the timer expires; 0 if the timer is
			    * not set */
};

enum hw_pair_verdict {
	HW_PAIR_ALONE, /* no partner exists, and none can follow */
	HW_PAIR_FOUND,
	HW_PAIR_OPEN, /* the partner may still be in the kernel's queue */
};

/* Searches the buffer for the partner of the MOVED_FROM at `position`. Another call for the same
 * half continues where the last one stopped. Adds the number of records examined to *steps. */
enum hw_pair_verdict hw_pair_find(struct hw_pair *pair, const struct hw_queue *queue,
				  uint64_t position, uint64_t *ret_partner, uint32_t *steps);

/* The directory of the half at `position` was locked and unlocked, and the queue then ended at
 * `mark`. If a partner exists, it is before the mark. */
void hw_pair_lock(struct hw_pair *pair, uint64_t position, uint64_t mark);
bool hw_pair_is_locked(const struct hw_pair *pair, uint64_t position);

/* The half at `position` must wait, because its directory cannot be locked. Returns true if the
 * caller must set its timer now. All records read so far share this wait, so any number of
 * one-sided halves costs at most two waits. */
bool hw_pair_wait(struct hw_pair *pair, const struct hw_queue *queue);
void hw_pair_timeout(struct hw_pair *pair);
bool hw_pair_is_ripe(const struct hw_pair *pair, uint64_t position);

#endif
