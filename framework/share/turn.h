/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One iteration of the loop: the order in which the parts of a share run. */
#ifndef HW_TURN_H
#define HW_TURN_H

#include <stdbool.h>
#include <stdint.h>

struct hw_timer;

/* One iteration of the loop. */
struct hw_turn {
	struct hw_timer *kick; /* owned */
	uint64_t first_seq; /* first sequence number of this iteration */
	int64_t ended_ns; /* CLOCK_REALTIME_COARSE at the end of the last one */
	uint64_t announced_seq; /* last sequence number that listeners were notified of */
	bool state_changed;
	bool hinted; /* a hint arrived in this iteration */
};

/* Called at the end of each iteration, also while work rests: receivers may have read its events,
 * so later ones must not be merged with these. arg: the share. */
void hw_share_turn(void *arg);

#endif
