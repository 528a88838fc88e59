/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long work of a share. */
#include "share_private.h"

void hw_share_begin_turn(struct hw_share *share)
{
	share->turn.first_seq = hw_journal_last_seq(&share->journal) + 1;
}

void hw_share_finish_work(struct hw_share *share)
{
	if (!hw_slices_is_resting(&share->work))
		return;
	hw_share_begin_turn(share);
	hw_loop_finish(share->loop, &share->work);
	hw_share_kick(share);
}

int hw_share_add_timer(struct hw_share *share, hw_timer_fn *fn, struct hw_timer **ret)
{
	int r = hw_timer_add(share->loop, fn, share, ret);

	if (r == 0)
		hw_timer_set_slices(*ret, &share->work);
	return r;
}
