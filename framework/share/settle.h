/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When what waits is looked at: at the end of a share's settle window, or, of a share that does not
 * settle, when the hints have had time to say what the disk shows already. */
#ifndef HW_SETTLE_H
#define HW_SETTLE_H

#include "share_private.h"

void hw_settle_now(struct hw_share *share); /* observes what waits */
void hw_settle_drain(struct hw_share *share); /* the watchers tell all that the kernel has queued */
void hw_settle_note_since(struct hw_share *share); /* before the first of what waits is noted */
void hw_settle_begin(struct hw_share *share);
/* Of share->settle_timer; `arg` is the share. */
void hw_settle_fired(void *arg, struct hw_timer *timer);

/* At the end of a turn with doubts: observes them, or has share->kick_timer end another turn. */
void hw_settle_doubts(struct hw_share *share);

#endif
