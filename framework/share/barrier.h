/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hw_share_flush(): waits until everything that happened before the call has been reported. */
#ifndef HW_BARRIER_H
#define HW_BARRIER_H

#include "share.h"

struct hw_share;

struct hw_barrier {
	struct hw_barrier *next;
	hw_share_flush_fn *done;
	void *arg;
	uint64_t scans[HW_WATCHERS_MAX]; /* number of ended scans to wait for, for each watcher */
	uint64_t round; /* round of verification to wait for, valid if counted */
	bool begun, counted;
	uint8_t retries; /* iterations in which it waited for retry.h */
	uint64_t attempts; /* share->shortage.attempts when it began */
};

/* Returns whether a barrier begins in this iteration: the caller checks the root first. */
bool hw_barrier_begins(const struct hw_share *share);
/* Called at the end of each iteration of the loop. */
void hw_barrier_advance(struct hw_share *share);
void hw_barrier_free(struct hw_share *share);

#endif
