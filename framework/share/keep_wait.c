/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events that wait until the disk says where they are. */
#include "keep.h"
#include "share_private.h"

#define QUICK_NS (HW_SEC / 20) /* a slower disk is not asked to hold a scope */

static bool can_copy(const struct hw_keep *keep)
{
	return keep->snapshot_bytes && !keep->warned && !keep->copy.warned;
}

static void end_waiting(struct hw_share *share)
{
	struct hw_keep_scope *scope = &share->keep.scope;

	if (!scope->waits_from)
		return;
	scope->waits_from = 0;
	hw_share_kick(share);
}

void hw_keep_wait_check(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_scope *scope = &keep->scope;

	if (!keep->on || !scope->pending || scope->changed ||
	    !hw_keep_copy_has(&keep->copy, scope->generation, scope->bytes))
		return;
	scope->sure = scope->now;
	scope->pending = false;
	end_waiting(share);
}

/* No scope was logged for the new numbers. The log says that before receivers get the events. */
static void renumber(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	uint64_t after = keep->scope.waits_from - 1, next_seq = keep->scope.end + 1;

	if (next_seq > after + 1) {
		if (hw_keep_log_shift(share, after, next_seq) < 0)
			return;
		hw_journal_shift(&share->journal, after, next_seq);
		keep->seq += next_seq - (after + 1);
		keep->logged.seq = 0; /* it is placed again */
	}
	end_waiting(share);
}

/* A scope that no event leaves costs nothing. */
static void narrow(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_scope *scope = &keep->scope;
	uint64_t last = keep->seq;
	bool deeper =
		!scope->now.len || scope->now.end <= last || scope->recent.len > scope->now.len;

	if (scope->any && scope->recent.len && deeper && last + 1 < keep->limit) {
		scope->now = scope->recent;
		scope->now.end = last + 1;
		scope->changed = true;
		hw_keep_publish(share);
	}
	scope->any = false;
	scope->since_ns = hw_loop_now_ns(share->loop);
}

void hw_keep_wait_turn(struct hw_share *share)
{
	struct hw_keep *keep = &share->keep;
	struct hw_keep_scope *scope = &keep->scope;
	uint64_t now_ns = hw_loop_now_ns(share->loop);

	hw_keep_wait_check(share);
	if (!keep->on)
		return;
	if (scope->waits_from) {
		if (!can_copy(keep) || now_ns - scope->waits_ns >= scope->patience_ns)
			renumber(share);
		return;
	}
	if (!scope->pending && !scope->changed && can_copy(keep) && !keep->copy.running &&
	    keep->copy.took_ns < QUICK_NS && now_ns - scope->since_ns >= scope->every_ns)
		narrow(share);
}
