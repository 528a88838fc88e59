/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settle window of a share: names wait until nothing has happened for its length, or until the
 * window has lasted too long. */
#ifndef HW_SETTLE_H
#define HW_SETTLE_H

#include "share_private.h"

/* Ends the window: verifies the waiting names. */
void hw_settle_now(struct hw_share *share);
/* Call it at the end of each iteration of the loop. */
void hw_settle_advance(struct hw_share *share);
/* Call it before the first waiting name is noted. */
void hw_settle_note_since(struct hw_share *share);
void hw_settle_begin(struct hw_share *share);
/* Callback of share->settle_timer; `arg` is the share. */
void hw_settle_fired(void *arg, struct hw_timer *timer);

#endif
