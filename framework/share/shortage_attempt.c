/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attempts to go on after memory was short. */
#include "scan.h"
#include "share_private.h"

#define REPORTED_TRIES 3u /* failed attempts before receivers get a rescan */

static bool is_idle(const struct hw_share *share)
{
	return !share->scan.walking && hw_scan_is_idle(share) && !hw_verify_is_active(share);
}

static void end(struct hw_share *share)
{
	hw_log_limited(&share->shortage.limit, hw_loop_now_ns(share->loop), HW_LOG_INFO,
		       "share %s: there is enough memory again", share->name);
	hw_shortage_clear(share);
}

static void begin_attempt(struct hw_share *share)
{
	struct hw_shortage *shortage = &share->shortage;

	shortage->attempts++;
	shortage->begun_ns = hw_loop_now_ns(share->loop);
	if (shortage->tries == REPORTED_TRIES && !shortage->reported) {
		shortage->reported = true;
		hw_history_rescan(share, HW_ROOT);
	}
	if (shortage->tries < UINT8_MAX)
		shortage->tries++;
}

void hw_shortage_turn(struct hw_share *share)
{
	struct hw_shortage *shortage = &share->shortage;
	uint64_t now = hw_loop_now_ns(share->loop);

	if (!shortage->since_ns)
		return;
	if (!hw_shortage_is_open(shortage)) {
		if (is_idle(share) && share->state == HW_SHARE_ONLINE)
			end(share);
		return;
	}
	if (now < shortage->due_ns)
		return;
	if (shortage->waiting) { /* the round begins in this iteration */
		shortage->waiting = false;
		begin_attempt(share);
		return;
	}
	if (!is_idle(share) || share->state != HW_SHARE_ONLINE) {
		hw_timer_set(shortage->timer, 10 * HW_MS);
		return;
	}
	shortage->incomplete = false;
	begin_attempt(share);
	hw_scan_below(share, HW_ROOT);
}
