/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle.h"

#include "observe.h"
#include "scan.h"

#define DOUBT_NS UINT64_C(2000000) /* longer than a watcher rests between reads under load */
#define DOUBT_MAX_NS UINT64_C(100000000) /* where hints go on coming; the same again to be read */
#define SLACK_NS INT64_C(1000000000) /* what is younger belongs to what happens now */

/* ---- the window of a share that settles ---- */

/* All that happened before was found: by the hints that were read, and by scans. */
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
	share->settle_start_ns = 0;
	hw_timer_set(share->settle_timer, 0);
	if (!hw_share_has_doubts(share))
		return;
	int64_t since = share->observe_since_ns;

	share->observe_since_ns = 0;
	hw_observe(share, since);
	share->since_ns = found_until(share);
}

void hw_settle_drain(struct hw_share *share)
{
	int64_t begun = hw_now_coarse_ns();

	for (uint8_t i = 0; i < HW_WATCHERS_MAX && share->state == HW_SHARE_ONLINE; i++) {
		struct hw_watcher *watcher = &share->watchers[i];

		if (watcher->state == HW_WATCHER_RUNNING && watcher->plugin->flush &&
		    !(watcher->plugin->flags & HW_PLUGIN_SCANS))
			(void)watcher->plugin->flush(
				watcher->instance->self); /* what fails now is read later */
	}
	share->drained_ns = begun;
}

/* What is born before the queues were last read to their end, before an observation, is not new.
 * Nor is what the kernel says has arrived and is older than what happens now. */
void hw_settle_note_since(struct hw_share *share)
{
	if (share->observe_since_ns)
		return;
	share->observe_since_ns = share->since_ns;
	share->arrived_since_ns = share->turn_ns - SLACK_NS;
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
	hw_settle_drain(share);
	if (share->state == HW_SHARE_ONLINE && hw_scan_is_idle(share))
		hw_settle_now(share);
	else
		hw_timer_set(timer, share->settle_ns);
}

/* ---- doubts of one that does not ---- */

/*
 * The disk is ahead of the hints: a name that is gone from it was renamed or removed, and the
 * kernel's word of that is in a queue still, or just about to be. Taken for itself it would be a
 * delete here and a create there.
 */
static bool is_too_early(struct hw_share *share, uint64_t now, uint64_t last)
{
	uint64_t due = share->hinted_ns + DOUBT_NS;

	if (due > last)
		due = last;
	if (now < due) {
		share->doubted_polls = 0;
		hw_timer_set(share->kick_timer, due - now);
		return true;
	}
	/* This process may have slept for longer, and timers run before anything is read. */
	if (!share->doubted_polls)
		share->doubted_polls = hw_loop_polls(share->loop) + 1;
	if (hw_loop_polls(share->loop) >= share->doubted_polls)
		return false;
	hw_share_kick(share);
	return true;
}

void hw_settle_doubts(struct hw_share *share)
{
	uint64_t now = hw_loop_now_ns(share->loop), last;

	if (share->hinted)
		share->hinted_ns = now;
	if (!share->doubted_ns)
		share->doubted_ns = now;
	last = share->doubted_ns + DOUBT_MAX_NS;
	if (is_too_early(share, now, last))
		return;
	if (now >= last + DOUBT_MAX_NS) {
		hw_observe(share, 0);
	} else if (hw_watchers_have_unread(share) || !hw_observe_at_rest(share)) {
		share->doubted_polls = 0;
		hw_timer_set(share->kick_timer, DOUBT_NS);
		return;
	}
	share->doubted_ns = share->doubted_polls = 0;
}
