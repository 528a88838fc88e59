/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions that are called at the end of each iteration of a loop. Used by loop.c. */
#ifndef HW_TURNS_H
#define HW_TURNS_H

#include <stdbool.h>
#include <stddef.h>

struct hw_turns {
	struct hw_turns_item *list; /* owned */
	size_t count, room;
	bool running;
};

typedef void hw_turns_fn(void *arg);

/* A zeroed structure is ready for use. All may be called by the functions. */
int hw_turns_add(struct hw_turns *turns, hw_turns_fn *fn, void *arg); /* -ENOMEM */
void hw_turns_del(struct hw_turns *turns, hw_turns_fn *fn, void *arg);
void hw_turns_run(struct hw_turns *turns);
void hw_turns_free(struct hw_turns *turns);

#endif
