/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The works of a loop that rest (slices.h): each gets one slice in each iteration, and the loop
 * does not sleep meanwhile. Used by loop.c. */
#ifndef HW_WORKS_H
#define HW_WORKS_H

#include "slices.h"

#include <uv.h>

struct hw_works {
	uv_idle_t idle; /* runs while works rest */
	struct hw_slices *resting; /* borrowed list */
};

void hw_works_init(struct hw_works *works, uv_loop_t *uv);
/* Runs fn(arg) as a work of these slices, none of which may rest. Inside of their work, and without
 * slices (NULL), it runs to its end. */
void hw_works_call(struct hw_works *works, struct hw_slices *slices, hw_slices_fn *fn, void *arg);
/* Runs one slice of each work that rests. Returns whether there was one. */
bool hw_works_resume(struct hw_works *works);
/* Runs the work of these slices, if it rests, to its end. */
void hw_works_finish(struct hw_works *works, struct hw_slices *slices);

#endif
