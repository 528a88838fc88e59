/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a settle window. */
#include "settle.h"

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

void hw_settle_advance(struct hw_share *share)
{
	if (!share->settle.ending || !hw_mark_is_reached(share, &share->settle.mark) ||
	    hw_verify_is_active(share))
		return;
	share->settle.drained_ns = share->settle.ending_ns;
	if (share->state != HW_SHARE_ONLINE) {
		share->settle.ending = false;
		hw_timer_set(share->settle.timer, share->settle.window_ns);
	} else if (hw_scan_is_idle(share)) {
		hw_settle_now(share);
	} /* else at the end of the scan */
}
