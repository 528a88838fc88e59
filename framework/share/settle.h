/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settle window of a share: names wait until nothing has happened for its length, or until the
 * window has lasted too long. */
#ifndef HW_SETTLE_H
#define HW_SETTLE_H

#include "fold.h"
#include "mark.h"

struct hw_share;
struct hw_timer;

struct hw_settle {
	uint64_t window_ns; /* 0: off */
	uint64_t max_ns; /* longest window */
	struct hw_timer *timer; /* owned */
	struct hw_fold fold; /* the facts of the window */
	struct hw_mark mark; /* mark at the end of the window */
	bool ending; /* the end of the window waits for the mark */
	uint64_t first_ns; /* loop time of the first waiting hint; 0: no hint waits */
	uint64_t last_ns; /* loop time of the last one */
	/* CLOCK_REALTIME_COARSE */
	int64_t ending_ns; /* when the mark was set */
	int64_t drained_ns; /* before the queues were last read to their end */
	int64_t since_ns; /* the last observation found all entries that were born before */
};

/* Ends the window: verifies the waiting names. */
void hw_settle_now(struct hw_share *share);
/* Call it at the end of each iteration of the loop. */
void hw_settle_advance(struct hw_share *share);
/* Call it before the first waiting name is noted. */
void hw_settle_note_since(struct hw_share *share);
void hw_settle_begin(struct hw_share *share);
/* Notes a name for the end of the window. ino: of the inode that the hint is about, 0 if
 * unknown. */
void hw_settle_name(struct hw_share *share, uint32_t dir, const char *name, size_t len,
		    uint32_t what, uint64_t ino);
/* Callback of share->settle.timer; `arg` is the share. */
void hw_settle_fired(void *arg, struct hw_timer *timer);

#endif
