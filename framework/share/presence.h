/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The presence of a share: it starts, and its root may disappear and reappear. */
#ifndef HW_PRESENCE_H
#define HW_PRESENCE_H

#include "share.h"

struct hw_timer;

/* The root directory, which may disappear and reappear. */
struct hw_presence {
	struct hw_timer *timer; /* owned: of the next check, if one is due */
	bool due;
	bool changed; /* something may have happened to the path or a mount: a check is due within
		       * the interval */
	bool watched, unwatchable; /* the path; whether this failed */
	bool check; /* a hint says that it is gone: checked in the next iteration */
	int error; /* why a root that reappeared cannot be opened, as it was logged */
	int start_error; /* of the start; -EINPROGRESS: it has not ended */
	bool late; /* hw_share_start() has returned: an error of the start is logged */
	bool state_waits; /* the files of its state are being read: nothing else is done */
	bool elsewhere; /* result of hw_share_is_elsewhere() */
};

/* The first step of a start, and of a survey: opens the root and chooses its watcher. Returns as
 * hw_share_start(). */
int hw_share_open(struct hw_share *share);
/* Receivers are notified at the end of the iteration. */
void hw_share_set_state(struct hw_share *share, enum hw_share_state state);
/* From now on changes are reported. */
void hw_share_begin_history(struct hw_share *share);
/* Checks whether the root is still at its path; if the share is offline or has not started, whether
 * it can continue. Returns false, and has to be called again in the next iteration, if
 * hw_silence_appears(). */
bool hw_presence_check(struct hw_share *share);
/* Call it in each iteration while the files of the state are being read; then the share starts. */
void hw_presence_await_state(struct hw_share *share);
/* Call it in each iteration: makes a check due if presence.changed is set. */
void hw_presence_turn(struct hw_share *share);
void hw_presence_end(struct hw_share *share);
/* Of presence.timer; arg: the share. */
void hw_presence_fired(void *arg, struct hw_timer *timer);

#endif
