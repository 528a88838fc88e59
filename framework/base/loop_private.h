/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Internal interface of loop.c, loop_io.c (descriptors) and loop_timer.c (timers). */
#ifndef HW_LOOP_PRIVATE_H
#define HW_LOOP_PRIVATE_H

#include "loop.h"
#include "turns.h"
#include "works.h"

#define HW_LOOP_AWAY_MS 20 /* between two looks whether a system call of a work has returned */

struct hw_loop {
	uv_loop_t uv;
	uv_prepare_t prepare; /* runs before the loop sleeps, after the timers */
	uv_check_t check; /* runs after the descriptors and finished work */
	uv_timer_t timeout; /* of hw_loop_turn() */
	uv_timer_t pace; /* wakes the descriptors in `paced` */
	struct hw_works works; /* that rest */
	struct hw_io *paced; /* borrowed, linked through next and prev */
	struct hw_io **by_fd; /* owned array of borrowed pointers: the hw_io of each fd */
	size_t by_fd_len;
	struct hw_turns turns;
	struct hw_places *places; /* owned: places.c; NULL: none */
	unsigned io_count, timer_count;
	uint64_t polled_ns; /* CLOCK_MONOTONIC when descriptors had been polled */
	uint64_t busy_ns; /* from then until they were polled again */
	bool served; /* a descriptor without slices was handled in this iteration */
	unsigned served_count; /* number of such iterations since the last slice */
	bool timer_ran; /* a timer or a slice ran since the turn functions were last called */
};

/* Returns how long ago the time of the loop was taken. libuv takes it when the descriptors have
 * been polled, before it calls anything, and before the timers. Nothing else may take it between
 * the two: that would hide how long callbacks took. */
static inline uint64_t hw_loop_elapsed_ns(const struct hw_loop *loop)
{
	return uv_hrtime() - uv_now(&loop->uv) * HW_MS;
}

/* Returns whether a system call of the work has not returned. */
static inline bool hw_loop_is_away(const struct hw_slices *slices)
{
	return slices && hw_slices_away_since(slices);
}

/* Returns whether a callback with these slices has to wait, because a work of them rests. */
static inline bool hw_loop_must_wait(const struct hw_slices *slices)
{
	return slices && hw_slices_is_resting(slices);
}

#endif
