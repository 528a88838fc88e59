/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One watcher of the demonstration: a share of its own on the directory that all of them watch. */
#ifndef HW_DEMO_LANE_H
#define HW_DEMO_LANE_H

#include "loader.h"
#include "share.h"

#define HW_DEMO_EVENTS_MAX 256u /* of one step; more end the demonstration */

/* An event in the words it is shown and compared in: all but its time, and its number, which must
 * be the next one. */
struct hw_demo_event {
	uint8_t kind;
	char *text; /* owned: "move docs/ -> papers/", "create notes.txt"; begins with the kind */
};

struct hw_demo_lane {
	const char *name; /* borrowed: of the watcher */
	struct hw_share *share; /* owned; NULL: this watcher does not work here */
	struct hw_journal_cursor cursor;
	bool scans; /* this watcher only finds differences */
	bool flushed;
	struct hw_demo_event events[HW_DEMO_EVENTS_MAX]; /* of this step */
	size_t count;
};

/* Starts a share that acts only when it is flushed. -ENODEV: the watcher does not work here.
 * -errno, with a line in the log. What was made is the caller's to stop. */
int hw_demo_lane_start(struct hw_demo_lane *lane, struct hw_loop *loop, struct hw_loader *loader,
		       const char *root);
/* Forgets the last step's events and has the watcher hand over what it has seen since; `flushed`
 * says when that is done. */
int hw_demo_lane_flush(struct hw_demo_lane *lane);
/* Draws the events. -ESTALE, -E2BIG, -ENOMEM; -EPROTO when their numbers have a gap. */
int hw_demo_lane_collect(struct hw_demo_lane *lane);
void hw_demo_lane_stop(struct hw_demo_lane *lane);

/* Whether both tell the same in this step. */
bool hw_demo_lane_equals(const struct hw_demo_lane *a, const struct hw_demo_lane *b);

/* Whether a lane that scans found entries gone, and nothing else. */
bool hw_demo_lane_found_gone(const struct hw_demo_lane *lane);

#endif
