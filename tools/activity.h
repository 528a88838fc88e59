/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Since when the processes that this one has started, and theirs, have rested: while they use no
 * processor time, changes of files are made by somebody else. Any user may ask. Loop thread only.
 */
#ifndef HW_ACTIVITY_H
#define HW_ACTIVITY_H

#include "loop.h"

struct hw_activity {
	struct hw_timer *timer; /* owned: of the next look, while they are busy */
	uint64_t delay_ns; /* to that */
	uint64_t used_ns; /* processor time at the last look; UINT64_MAX: not known */
	int64_t since_ns; /* CLOCK_REALTIME when this time was seen first */
};

int hw_activity_init(struct hw_activity *activity, struct hw_loop *loop);
void hw_activity_free(struct hw_activity *activity);
/* A process was started. */
void hw_activity_begin(struct hw_activity *activity);
/* It has ended: processes that it has left may go on. */
void hw_activity_note_end(struct hw_activity *activity);
/* Nothing is asked for now. */
void hw_activity_end(struct hw_activity *activity);

/* CLOCK_REALTIME in nanoseconds since when they have rested until now; INT64_MAX: they have not. */
int64_t hw_activity_resting_since(struct hw_activity *activity);

#endif
