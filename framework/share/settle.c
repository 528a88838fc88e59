/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle.h"

#include "scan.h"
#include "verify.h"

/* Returns the time before which all changes have been found, by records and by scans. */
static int64_t found_until(const struct hw_share *share)
{
	int64_t until = share->drained_ns;

	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers[i];

		if (watcher->state == HW_WATCHER_RUNNING && watcher->directories &&
		    watcher->plugin->flags & HW_PLUGIN_SCANS && watcher->polled_ns < until)
			until = watcher->polled_ns;
	}
	return until;
}

void hw_settle_now(struct hw_share *share)
{
	int64_t since = share->observe_since_ns;

	share->settle_start_ns = 0;
	share->settle_ending = false;
	hw_timer_set(share->settle_timer, 0);
	if (!hw_share_has_doubts(share))
		return;
	share->observe_since_ns = 0;
	share->since_ns = found_until(share);
	hw_verify_begin(share, since, false);
}

/* Entries that were born before share->since_ns are not new to this window. */
void hw_settle_note_since(struct hw_share *share)
{
	if (!share->observe_since_ns)
		share->observe_since_ns = share->since_ns;
}

void hw_settle_begin(struct hw_share *share)
{
	uint64_t now = hw_loop_now_ns(share->loop);

	share->settle_last_ns = now;
	if (share->settle_start_ns)
		return;
	share->settle_start_ns = now ? now : 1;
	hw_timer_set(share->settle_timer, share->settle_ns);
}

/* Records that the kernel has queued at this point still belong to the window. */
void hw_settle_fired(void *arg, struct hw_timer *timer)
{
	struct hw_share *share = arg;
	uint64_t now = hw_loop_now_ns(share->loop), end = share->settle_last_ns + share->settle_ns;
	uint64_t longest = share->settle_start_ns + share->settle_max_ns;

	if (end > longest)
		end = longest;
	if (now < end) {
		hw_timer_set(timer, end - now);
		return;
	}
	share->drain_ns = hw_now_coarse_ns();
	share->settle_ending = true;
	hw_mark_set(share, &share->settle_mark);
}

void hw_settle_advance(struct hw_share *share)
{
	if (!share->settle_ending || !hw_mark_is_reached(share, &share->settle_mark) ||
	    hw_verify_is_active(share))
		return;
	share->drained_ns = share->drain_ns;
	if (share->state == HW_SHARE_ONLINE && hw_scan_is_idle(share)) {
		hw_settle_now(share);
		return;
	}
	share->settle_ending = false;
	hw_timer_set(share->settle_timer, share->settle_ns);
}
