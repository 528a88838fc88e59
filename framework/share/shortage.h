/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that is short. Nothing is lost: the tree keeps what receivers know, and names keep waiting
 * to be verified. The share is compared with the disk again in the next iteration, after 10 ms,
 * after 100 ms, after an interval, and then after twice the time before, up to 64 intervals or 30
 * s. The difference is reported when there is enough memory; after some failed attempts, receivers
 * get a rescan, because they may be able to read the share.
 */
#ifndef HW_SHORTAGE_H
#define HW_SHORTAGE_H

#include "log.h"

#include <stdbool.h>
#include <stdint.h>

struct hw_barrier;
struct hw_share;
struct hw_timer;

struct hw_shortage {
	struct hw_timer *timer; /* owned */
	int64_t since_ns; /* CLOCK_REALTIME_COARSE of the first failure; 0: there is enough */
	uint64_t attempts; /* total number */
	uint64_t begun_ns, due_ns; /* loop time of the last and of the next attempt */
	uint8_t tries; /* since the first failure */
	bool incomplete; /* entries are missing until the share is compared */
	bool waiting; /* a round of verification waits: see verify.c */
	bool reported; /* receivers got a rescan */
	struct hw_log_limit limit;
};

int hw_shortage_init(struct hw_share *share);
void hw_shortage_free(struct hw_share *share);
/* The root is gone: everything is compared when it is back. */
void hw_shortage_clear(struct hw_share *share);

/* Something could not be noted, listed or added to the tree. */
void hw_shortage_found(struct hw_share *share);
/* A round could not begin; its names wait for the next attempt. */
void hw_shortage_wait(struct hw_share *share);
static inline bool hw_shortage_is_open(const struct hw_shortage *shortage)
{
	return shortage->incomplete || shortage->waiting;
}

/* Part of hw_retry_turn(): makes the attempt that is due. */
void hw_shortage_turn(struct hw_share *share);
/* The next attempt follows an interval after the last one. */
void hw_shortage_soon(struct hw_share *share);
/* Returns whether memory is still short after several attempts, one of them since there were this
 * many. */
bool hw_shortage_lasts(const struct hw_share *share, uint64_t attempts);

#endif
