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
	int64_t since_ns; /* CLOCK_REALTIME before this time was seen first */
};

/* CLOCK_REALTIME in nanoseconds: they did nothing from one to the other. */
struct hw_rest {
	int64_t since_ns, until_ns; /* both 0: it is not known */
};

int hw_activity_init(struct hw_activity *activity, struct hw_loop *loop);
void hw_activity_free(struct hw_activity *activity);
/* A process was started. */
void hw_activity_begin(struct hw_activity *activity);
/* It has ended: processes that it has left may go on. */
void hw_activity_note_end(struct hw_activity *activity);
/* Nothing is asked for now. */
void hw_activity_end(struct hw_activity *activity);

/* Their rest that lasts. */
struct hw_rest hw_activity_rest(struct hw_activity *activity);

#endif
