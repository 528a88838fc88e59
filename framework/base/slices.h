/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Long work in slices of a few milliseconds. The work runs on the thread of its owner, on a stack
 * of its own, so that any loop in it can rest: the owner continues, and resumes the work later.
 * Between two slices the owner must leave alone the data that the work uses. loop.h runs the
 * callbacks of descriptors and timers this way. A work that makes system calls which may wait for
 * ever runs on a thread of its own: hw_slices_use_thread().
 */
#ifndef HW_SLICES_H
#define HW_SLICES_H

#include "thread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void hw_slices_fn(void *arg);

struct hw_slices_stack;

struct hw_slices {
	struct hw_slices *next, *prev; /* in the list of works that rest: loop.c */
	struct hw_slices_stack *stack; /* owned; NULL until the first work begins */
	struct hw_thread *thread; /* owned; NULL: works run on the stack */
	hw_slices_fn *fn;
	void *arg; /* borrowed */
	hw_slices_fn *dropped; /* called instead of continuing the work: hw_works_drop() */
	void *dropped_arg; /* borrowed */
	bool begun; /* there is work that has not ended */
	bool running;
	bool hurry; /* it does not rest again */
	uint64_t steps; /* of this work */
	uint64_t check_at; /* step at which it looks at the clock */
	uint64_t until_ns; /* CLOCK_MONOTONIC: end of this slice */
	uint64_t patience_ns; /* of hw_slices_finish() with each system call; 0: with all of them
				 together 300 ms */
	bool metered; /* between hw_slices_meter_begin() and hw_slices_meter_end() */
	uint64_t cpu_ns; /* of the slices that have ended since then */
	uint64_t cpu_from_ns; /* CPU time of the thread when this slice, or the meter, began */
};

/* A zeroed structure is ready for use. No work may be resting. */
void hw_slices_free(struct hw_slices *slices);

/* Begins fn(arg) and returns when it rests or has ended. None may be resting. Inside a work of the
 * same slices, and if out of memory, fn() runs to its end without rest. */
void hw_slices_begin(struct hw_slices *slices, hw_slices_fn *fn, void *arg);
/* Runs another slice of the work that rests. */
void hw_slices_resume(struct hw_slices *slices);
/* Runs the work that rests, if any, to its end. Returns false if a system call of it does not
 * return for a moment: then it still rests. */
bool hw_slices_finish(struct hw_slices *slices);

static inline bool hw_slices_is_resting(const struct hw_slices *slices)
{
	return slices->begun && !slices->running;
}

/* Measures the CPU time of works, the running one included. Call both in a work, or while none
 * runs. */
void hw_slices_meter_begin(struct hw_slices *slices);
/* Returns the CPU time since hw_slices_meter_begin(); 0 if that was not called. */
uint64_t hw_slices_meter_end(struct hw_slices *slices);

/*
 * Later works run on a thread of their own, in turn with their owner, which continues when a system
 * call between hw_away_begin() and hw_away_end() does not return: the work rests until it has
 * returned; then wake(arg) is called on the thread. No work may be running. Returns 0 or -errno.
 */
int hw_slices_use_thread(struct hw_slices *slices, hw_thread_wake_fn *wake, void *arg);
/* Ends the thread. A work that rests never continues; none may be away. */
void hw_slices_end_thread(struct hw_slices *slices);
/* Time since which a system call of the resting work has not returned; 0: no such call. */
uint64_t hw_slices_away_since(const struct hw_slices *slices);

/*
 * Called in each loop that may be long, for one or more steps: the work rests here if its slice is
 * over. Does nothing unless a work of these slices is running. NULL is allowed. A work of at most
 * HW_SLICES_SHORT steps never rests, however slow the machine is.
 */
#define HW_SLICES_SHORT 256u
#define HW_SLICES_STEPS 16u /* between two looks at the clock */
void hw_slices_check_time(struct hw_slices *slices);
static inline void hw_slices_step(struct hw_slices *slices, unsigned steps)
{
	if (!slices || !slices->running)
		return;
	slices->steps += steps;
	if (slices->steps < slices->check_at)
		return;
	slices->check_at = slices->steps + HW_SLICES_STEPS;
	hw_slices_check_time(slices);
}

static inline void hw_slices_rest(struct hw_slices *slices)
{
	hw_slices_step(slices, 1);
}

#endif
