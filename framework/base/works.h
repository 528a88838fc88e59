/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The works of a loop that rest (slices.h): each gets one slice in each iteration, and the loop
 * does not sleep meanwhile. Used by loop.c. */
#ifndef HW_WORKS_H
#define HW_WORKS_H

#include "slices.h"

#include <uv.h>

struct hw_works {
	uv_idle_t idle; /* runs while works rest, except for those that are away */
	uv_async_t wake; /* one of these can continue */
	struct hw_slices *resting; /* borrowed list */
	struct hw_slices *next; /* the one after that which hw_works_resume() resumes */
};

int hw_works_init(struct hw_works *works, uv_loop_t *uv);
/* Makes the loop run another iteration. The only function here that any thread may call. */
void hw_works_wake(void *works);
/* Runs fn(arg) as a work of these slices, none of which may rest. Inside of their work, and without
 * slices (NULL), it runs to its end. */
void hw_works_call(struct hw_works *works, struct hw_slices *slices, hw_slices_fn *fn, void *arg);
/* Runs one slice of each work that rests. Returns whether there was one. */
bool hw_works_resume(struct hw_works *works);
/* Runs the work of these slices, if it rests, to its end. Returns false as hw_slices_finish(). */
bool hw_works_finish(struct hw_works *works, struct hw_slices *slices);
/* For a work that is away: when its system call has returned, ends it where it is, and calls
 * fn(arg), which may free the slices. */
void hw_works_drop(struct hw_slices *slices, hw_slices_fn *fn, void *arg);
/* Returns whether there is such a work. */
bool hw_works_are_dropped(const struct hw_works *works);

#endif
