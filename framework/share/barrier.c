/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "barrier.h"

#include "hint.h"
#include "quiet.h"
#include "refresh.h"
#include "retry.h"
#include "scan.h"
#include "settle.h"
#include "share_private.h"
#include "verify.h"

#include <errno.h>
#include <stdlib.h>

#define RETRIES_MAX 3u /* iterations that wait for failed entries to be tried again */

int hw_share_flush(struct hw_share *share, hw_share_flush_fn *done, void *arg)
{
	struct hw_barrier *barrier = calloc(1, sizeof(*barrier)), **end = &share->barriers;

	if (!barrier)
		return -ENOMEM;
	barrier->done = done;
	barrier->arg = arg;
	while (*end)
		end = &(*end)->next;
	*end = barrier;
	hw_share_kick(share);
	return 0;
}

static void begin(struct hw_share *share, struct hw_barrier *barrier)
{
	barrier->begun = true;
	hw_retry_soon(share);
	barrier->attempts = share->shortage.attempts;
	hw_shortage_soon(share);
	share->settle.drained_ns = hw_now_coarse_ns();
	for (uint8_t i = 0; i < HW_WATCHERS_MAX && share->state == HW_SHARE_ONLINE; i++) {
		struct hw_watcher *watcher = &share->watchers.list[i];
		uint64_t begun = watcher->scans_begun;

		if (watcher->state != HW_WATCHER_RUNNING || !watcher->plugin->flush)
			continue;
		/* 1: waits for the next scan that begins, which may begin in this call. */
		if (watcher->plugin->flush(watcher->instance->self) == 1)
			barrier->scans[i] = begun + 1;
	}
}

static bool is_scanned(const struct hw_share *share, const struct hw_barrier *barrier)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers.list[i].state == HW_WATCHER_RUNNING &&
		    share->watchers.list[i].scans_ended < barrier->scans[i])
			return false;
	return true;
}

/* Does not wait longer for entries that keep failing. */
static bool is_retrying(struct hw_share *share)
{
	if (share->barriers->retries == RETRIES_MAX ||
	    (!hw_unarmed_walk(share) && !hw_retry_is_pending(share)))
		return false;
	share->barriers->retries++;
	share->barriers->counted = false; /* entries that can be examined again are also verified */
	hw_share_kick(share);
	return true;
}

/* Returns whether the round that verifies all current unverified names has ended, and the one that
 * verifies the names which it left. */
static bool is_verified(struct hw_share *share, struct hw_barrier *barrier)
{
	const struct hw_verify *verify = &share->verify;

	if (!barrier->counted) {
		barrier->counted = true;
		/* The active one may leave names to the next one. */
		barrier->round =
			verify->begun +
			(hw_unverified_any(&share->unverified) || hw_verify_is_active(share) ? 1
											     : 0);
	}
	while (!hw_verify_is_active(share) && verify->ended < barrier->round) {
		if (!hw_unverified_any(&share->unverified))
			break; /* no names are left for a round */
		if (share->settle.window_ns)
			hw_settle_now(share);
		else
			hw_verify_begin(share, 0, false);
	}
	if (verify->follows > barrier->round)
		barrier->round = verify->follows;
	return !hw_verify_is_active(share) &&
	       (verify->ended >= barrier->round || !hw_unverified_any(&share->unverified));
}

/* Begins the comparison that is due, if there is one. */
static bool is_comparing(struct hw_share *share)
{
	uint32_t dir = hw_unverified_take_dir(share);

	if (dir)
		hw_scan_below(share, dir);
	return dir;
}

/* Reports everything that waits. Returns false if something has to be listed or verified first. */
static bool report_all(struct hw_share *share, struct hw_barrier *barrier)
{
	hw_hint_finish_name(share);
	hw_hint_finish_move(share);
	hw_refresh(share); /* after the records that flush() passed on */
	if (!barrier->counted)
		hw_unverified_add_lost(share, true);
	if (!is_verified(share, barrier))
		return false;
	if (!hw_scan_is_idle(share) || share->scan.walking)
		return false;
	if (is_comparing(share) || is_retrying(share))
		return false;
	hw_quiet_flush(share);
	return true;
}

static void finish(struct hw_share *share, int error)
{
	struct hw_barrier *barrier = share->barriers;

	share->barriers = barrier->next;
	hw_keep_publish(share);
	barrier->done(barrier->arg, share, error, hw_keep_last_seq(share));
	free(barrier);
}

bool hw_barrier_begins(const struct hw_share *share)
{
	if (share->state == HW_SHARE_ARMING)
		return false;
	for (const struct hw_barrier *b = share->barriers; b; b = b->next)
		if (!b->begun)
			return true;
	return false;
}

void hw_barrier_advance(struct hw_share *share)
{
	if (!share->barriers || share->state == HW_SHARE_ARMING)
		return;
	for (struct hw_barrier *b = share->barriers; b; b = b->next)
		if (!b->begun && share->state != HW_SHARE_ARMING)
			begin(share, b);
	if (share->presence.check) { /* the records that flush() passed on say that it is gone */
		hw_share_kick(share);
		return;
	}
	while (share->barriers && share->barriers->begun && share->state != HW_SHARE_ARMING) {
		if (share->state == HW_SHARE_ONLINE &&
		    hw_shortage_lasts(share, share->barriers->attempts)) {
			finish(share, -ENOMEM);
			continue;
		}
		if (share->state == HW_SHARE_ONLINE &&
		    (share->scan.walking || !hw_scan_is_idle(share) ||
		     !is_scanned(share, share->barriers) || !report_all(share, share->barriers)))
			return;
		if (share->state == HW_SHARE_ONLINE && hw_shortage_is_open(&share->shortage))
			return;
		hw_keep_publish(share);
		if (hw_keep_waits(&share->keep))
			return;
		finish(share, 0);
	}
}

void hw_barrier_free(struct hw_share *share)
{
	while (share->barriers)
		finish(share, -ECANCELED);
}
