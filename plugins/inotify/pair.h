/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Joins the two halves of a rename. The kernel queues MOVED_FROM and MOVED_TO separately, with one
 * cookie, while it holds the locks of both parent directories (fsnotify_move() in vfs_rename()):
 * events of other directories and of children may stand between them, other entry events of these
 * two directories may not.
 */
#ifndef HW_INOTIFY_PAIR_H
#define HW_INOTIFY_PAIR_H

#include "queue.h"

/* All zero is a fresh one. */
struct hw_pair {
	uint64_t half; /* position of the MOVED_FROM looked at last, plus one */
	uint64_t looked; /* no partner stands before this position */
	uint64_t locked; /* the half whose directory was locked, plus one */
	uint64_t mark; /* the end of the queue after that */
	uint64_t ripe; /* halves before this position have waited long enough */
	uint64_t ripening; /* becomes ripe when the timer fires; 0 when it is not set */
};

enum hw_pair_verdict {
	HW_PAIR_ALONE, /* there is no partner and none will come */
	HW_PAIR_FOUND,
	HW_PAIR_OPEN, /* it may still be in the kernel */
};

/* Looks for the partner of the MOVED_FROM at `position` in what has been read. Continues where it
 * stopped when called again for the same half. *steps grows by the records looked at. */
enum hw_pair_verdict hw_pair_find(struct hw_pair *pair, const struct hw_queue *queue,
				  uint64_t position, uint64_t *ret_partner, uint32_t *steps);

/* The directory of the half at `position` has been locked and unlocked, and the queue ended at
 * `mark` afterwards: a partner that exists is before it. */
void hw_pair_lock(struct hw_pair *pair, uint64_t position, uint64_t mark);
bool hw_pair_is_locked(const struct hw_pair *pair, uint64_t position);

/* A half at `position`, whose directory cannot be locked, must wait: true when the caller has to
 * set its timer now. All that is read so far waits with it, so any number of lonely halves costs
 * two windows at most, not one window each. */
bool hw_pair_wait(struct hw_pair *pair, const struct hw_queue *queue);
void hw_pair_timeout(struct hw_pair *pair);
bool hw_pair_is_ripe(const struct hw_pair *pair, uint64_t position);

#endif
