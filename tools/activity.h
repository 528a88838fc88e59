/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds out since when the descendants of this process have been idle: while they use no processor
 * time, other processes make the changes of files. Needs no privileges. Loop thread only. */
#ifndef HW_ACTIVITY_H
#define HW_ACTIVITY_H

#include "loop.h"

struct hw_activity {
	struct hw_timer *timer; /* owned: for the next check, while they are busy */
	uint64_t delay_ns; /* until the next check */
	uint64_t used_ns; /* processor time at the last check; UINT64_MAX: unknown */
	int64_t since_ns; /* CLOCK_REALTIME before the first check that saw this time */
};

/* An interval of CLOCK_REALTIME in nanoseconds in which they were idle. */
struct hw_rest {
	int64_t since_ns, until_ns; /* both 0: unknown */
};

int hw_activity_init(struct hw_activity *activity, struct hw_loop *loop);
void hw_activity_free(struct hw_activity *activity);
/* Call this when a process was started. */
void hw_activity_begin(struct hw_activity *activity);
/* Call this when it has ended: its descendants may continue. */
void hw_activity_note_end(struct hw_activity *activity);
/* Stops checking. */
void hw_activity_end(struct hw_activity *activity);

/* Returns the current idle interval. */
struct hw_rest hw_activity_rest(struct hw_activity *activity);

#endif
