/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of an iteration. */
#include "turn.h"

#include "observe.h"
#include "share_private.h"
#include "stage.h"

#include <malloc.h>

#define LARGE_TREE 100000u /* entries */

/* ---- a walk has ended ---- */

static bool must_settle_first(const struct hw_share *share)
{
	return share->settle.window_ns && !share->barriers && share->state == HW_SHARE_ONLINE &&
	       !share->scan.rearm;
}

/* Listings of a large tree leave free memory in many places, which the allocator would keep. */
static void return_memory(const struct hw_share *share)
{
#ifdef __GLIBC__
	if (share->tree.entries >= LARGE_TREE)
		(void)malloc_trim(0); /* whether anything was returned does not matter */
#else
	(void)share;
#endif
}

/* Called when the names that the walk found have been verified. */
static void verified(struct hw_share *share)
{
	if (!hw_scan_is_idle(share))
		return; /* the observation requires more listings */
	if (hw_unarmed_walk(share))
		return;
	hw_watchers_walked(share);
	share->scan.identified = false;
	if (share->state != HW_SHARE_ARMING || !hw_scan_is_idle(share))
		return;
	return_memory(share);
	hw_share_set_state(share, HW_SHARE_ONLINE);
}

static void end_walk_round(struct hw_share *share)
{
	if (!share->verify.walked)
		return;
	share->verify.walked = false;
	verified(share);
}

/* Called when the walk has ended: nothing is queued or being listed. */
static void walked(struct hw_share *share)
{
	int64_t since = hw_watchers_since(share);

	share->scan.lost_ns = 0;
	if (share->silent) {
		hw_observe(share, 0); /* changes made while it was being listed */
		if (!hw_scan_is_idle(share))
			return;
		hw_share_begin_history(share);
		if (share->scan.lost_while_arming)
			hw_scan_lost(share, HW_ROOT);
	} else if (must_settle_first(share)) {
		if (hw_unverified_any(&share->unverified)) {
			if (!share->unverified.since_ns)
				share->unverified.since_ns = since;
			share->verify.walk_waits = true;
			/* A scan finds the names of the one before again: they do not prolong it.
			 */
			if (!share->settle.first_ns)
				hw_settle_begin(share);
			hw_settle_advance(share);
		}
	} else {
		if (share->unverified.since_ns && share->unverified.since_ns < since)
			since = share->unverified.since_ns;
		share->unverified.since_ns = 0;
		share->settle.first_ns = 0;
		hw_verify_begin(share, since, true);
		end_walk_round(share);
		return;
	}
	verified(share);
}

/* ---- iterations of the loop ---- */

static void tell_listeners(struct hw_share *share)
{
	uint64_t seq;

	hw_keep_publish(share);
	seq = hw_keep_last_seq(share);
	if (seq == share->turn.announced_seq && !share->turn.state_changed)
		return;
	share->turn.announced_seq = seq;
	share->turn.state_changed = false;
	HW_STAGE(HW_STAGE_SINK);
	HW_PROBE2(wake, share->name, seq);
	for (uint32_t i = share->listeners.count; i-- > 0;)
		if (i < share->listeners.count)
			share->listeners.list[i].fn(share->listeners.list[i].arg, share);
}

/* Most events are reported by hints: receivers do not wait for the steps that follow. */
static void tell_early(struct hw_share *share)
{
	if (share->work.running)
		return; /* a receiver may call functions that finish the work */
	tell_listeners(share);
	hw_share_begin_turn(share);
}

static void end_walk(struct hw_share *share)
{
	if (share->scan.walking && hw_scan_is_idle(share) && !hw_verify_is_active(share) &&
	    !share->shortage.waiting) {
		share->scan.walking = false;
		hw_scan_trim(share);
		walked(share);
	}
}

/* Not while hints arrive, which would contradict the result again. */
static void compare_below(struct hw_share *share)
{
	bool hinted = share->turn.hinted;
	uint32_t dir;

	share->turn.hinted = false;
	if (!share->unverified.dir)
		return;
	if (hw_verify_is_active(share))
		return; /* the end of the round is followed by another iteration */
	if (hinted || hw_unverified_any(&share->unverified) || share->scan.walking) {
		hw_share_kick(share);
		return;
	}
	dir = hw_unverified_take_dir(share);
	if (!dir)
		return;
	hw_scan_below(share, dir);
	hw_share_kick(share); /* it may have ended already: the directory is not there */
}

/* A share without a settle window verifies names now, those of a walk at its end. A created name
 * that is held belongs to the same round. */
static bool is_round_due(const struct hw_share *share)
{
	return hw_unverified_any(&share->unverified) && !share->settle.window_ns &&
	       !share->scan.walking && share->state == HW_SHARE_ONLINE &&
	       !hw_verify_is_active(share) && !share->shortage.waiting &&
	       !share->hints.held_name.dir;
}

/* Handles a batch of hints, listings or timers. */
static void take_turn(void *arg)
{
	struct hw_share *share = arg;

	HW_STAGE(HW_STAGE_TURN);
	HW_PROBE1(turn_begin, share->name);
	hw_scan_land(share);
	hw_presence_turn(share);
	if ((share->presence.check || share->disk.left) && !hw_presence_check(share))
		return;
	hw_hint_expire_name(share);
	hw_hint_expire_move(share);
	tell_early(share);
	hw_refresh(share); /* brings entries that were reported in this iteration up to date */
	hw_mark_roll(share);
	hw_verify_advance(share);
	end_walk_round(share);
	hw_settle_advance(share);
	hw_retry_turn(share);
	end_walk(share);
	hw_watchers_begin_scans(share);
	hw_unverified_add_lost(share, false);
	if (is_round_due(share))
		hw_verify_begin(share, 0, false);
	compare_below(share);
	hw_unarmed_turn(share);
	hw_quiet_try_found(share);
	if (hw_barrier_begins(share))
		(void)hw_presence_check(share); /* false: hw_barrier_advance() waits */
	hw_barrier_advance(share);
	hw_disk_release(&share->disk);
	if (share->disk.left)
		hw_share_kick(share); /* it is checked in the next iteration */
	if (share->marks.armed || (share->keep.on && !hw_mark_covers_tree(share)))
		hw_mark_roll(share); /* directories that were armed, entries that changed since */
	hw_share_begin_turn(share);
	share->turn.ended_ns = hw_now_coarse_ns();
	share->fill.budget = HW_FILL_BUDGET;
	HW_PROBE2(turn_end, share->name, hw_journal_last_seq(&share->journal));
}

/* Returns whether an iteration may be long. A short one needs no stack of its own. */
static bool is_long(const struct hw_share *share)
{
	return share->unverified.names.count + share->unverified.entries.count +
			       share->verify.names.count + share->refresh.stale.count +
			       share->quiet.count + share->quiet.found.count >
		       HW_SLICES_SHORT / 2 ||
	       share->scan.walking || !hw_scan_is_idle(share) || share->barriers;
}

void hw_share_turn(void *arg)
{
	struct hw_share *share = arg;

	if (share->presence.state_waits) {
		hw_presence_await_state(share);
		return;
	}
	share->turn.state_changed |= hw_silence_check(share);
	if (is_long(share) || hw_slices_is_resting(&share->work) || share->work.thread)
		(void)hw_loop_call(share->loop, &share->work, take_turn, share);
	else
		take_turn(share);
	if (hw_slices_is_resting(&share->work))
		hw_share_begin_turn(share);
	tell_listeners(share);
	if (hw_slices_is_resting(&share->work))
		hw_keep_turn_at_rest(share);
	else
		hw_keep_turn(share);
}
