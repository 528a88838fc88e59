/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle.h"

#include "scan.h"
#include "share_private.h"
#include "verify.h"

/* Returns the time before which all changes have been found, by records and by scans. */
static int64_t found_until(const struct hw_share *share)
{
	int64_t until = share->settle.drained_ns;

	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers.list[i];

		if (watcher->state == HW_WATCHER_RUNNING && watcher->directories &&
		    watcher->plugin->flags & HW_PLUGIN_SCANS && watcher->polled_ns < until)
			until = watcher->polled_ns;
	}
	return until;
}

void hw_settle_now(struct hw_share *share)
{
	int64_t since = share->unverified.since_ns;

	share->settle.first_ns = 0;
	share->settle.ending = false;
	hw_timer_set(share->settle.timer, 0);
	if (!hw_unverified_any(&share->unverified))
		return;
	share->unverified.since_ns = 0;
	share->settle.since_ns = found_until(share);
	hw_verify_begin(share, since, false);
}

/* Entries that were born before share->settle.since_ns are not new to this window. */
void hw_settle_note_since(struct hw_share *share)
{
	if (!share->unverified.since_ns)
		share->unverified.since_ns = share->settle.since_ns;
}

void hw_settle_begin(struct hw_share *share)
{
	uint64_t now = hw_loop_now_ns(share->loop);

	share->settle.last_ns = now;
	if (share->settle.first_ns)
		return;
	share->settle.first_ns = now ? now : 1;
	hw_timer_set(share->settle.timer, share->settle.window_ns);
}

void hw_settle_name(struct hw_share *share, uint32_t dir, const char *name, size_t len,
		    uint32_t what, uint64_t ino)
{
	hw_settle_note_since(share);
	hw_unverified_add(share, dir, name, len, what, ino);
	hw_settle_begin(share);
}

/* Records that the kernel has queued at this point still belong to the window. */
void hw_settle_fired(void *arg, struct hw_timer *timer)
{
	struct hw_share *share = arg;
	uint64_t now = hw_loop_now_ns(share->loop),
		 end = share->settle.last_ns + share->settle.window_ns;
	uint64_t longest = share->settle.first_ns + share->settle.max_ns;

	if (end > longest)
		end = longest;
	if (now < end) {
		hw_timer_set(timer, end - now);
		return;
	}
	share->settle.ending_ns = hw_now_coarse_ns();
	share->settle.ending = true;
	hw_mark_set(share, &share->settle.mark);
}

void hw_settle_advance(struct hw_share *share)
{
	if (!share->settle.ending || !hw_mark_is_reached(share, &share->settle.mark) ||
	    hw_verify_is_active(share))
		return;
	share->settle.drained_ns = share->settle.ending_ns;
	if (share->state == HW_SHARE_ONLINE && hw_scan_is_idle(share)) {
		hw_settle_now(share);
		return;
	}
	share->settle.ending = false;
	hw_timer_set(share->settle.timer, share->settle.window_ns);
}
