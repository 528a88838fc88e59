/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One watcher of the demonstration, with its own share on the common directory. */
#ifndef HW_DEMO_LANE_H
#define HW_DEMO_LANE_H

#include "loader.h"
#include "share.h"

#define HW_DEMO_EVENTS_MAX 256u /* events of one step; more end the demonstration */

/* An event as text, as displayed and compared: everything except its time and its sequence number,
 * which must be consecutive. */
struct hw_demo_event {
	uint8_t kind;
	char *text; /* owned: "move docs/ -> papers/", "create notes.txt"; begins with the kind */
};

struct hw_demo_lane {
	const char *name; /* borrowed: name of the watcher */
	struct hw_share *share; /* owned; NULL: this watcher does not work on this system */
	struct hw_journal_cursor cursor;
	bool scans; /* this watcher detects changes by scanning only */
	bool flushed;
	struct hw_demo_event events[HW_DEMO_EVENTS_MAX]; /* events of this step */
	size_t count;
};

/* Starts a share that acts only when it is flushed. Returns -ENODEV if the watcher does not work on
 * this system; -errno after logging another error. The caller stops the share in any case. */
int hw_demo_lane_start(struct hw_demo_lane *lane, struct hw_loop *loop, struct hw_loader *loader,
		       const char *root);
/* Removes the last step's events and flushes the watcher; `flushed` is set when that is done. */
int hw_demo_lane_flush(struct hw_demo_lane *lane);
/* Reads the events. Returns -ESTALE, -E2BIG, -ENOMEM; -EPROTO if a sequence number is missing. */
int hw_demo_lane_collect(struct hw_demo_lane *lane);
void hw_demo_lane_stop(struct hw_demo_lane *lane);

/* Returns whether both lanes have the same events in this step. */
bool hw_demo_lane_equals(const struct hw_demo_lane *a, const struct hw_demo_lane *b);

/* Returns whether a scanning lane found deleted entries, and nothing else. */
bool hw_demo_lane_found_gone(const struct hw_demo_lane *lane);

#endif
