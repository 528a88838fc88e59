/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long work of a share, and work that may wait for a filesystem. */
#include "cross.h"
#include "remote.h"
#include "share_private.h"

#include <string.h>

void hw_share_begin_turn(struct hw_share *share)
{
	share->turn.first_seq = hw_journal_last_seq(&share->journal) + 1;
}

bool hw_share_finish_work(struct hw_share *share)
{
	if (!hw_slices_is_resting(&share->work))
		return true;
	hw_share_begin_turn(share);
	hw_share_kick(share);
	return hw_loop_finish(share->loop, &share->work);
}

bool hw_share_run(struct hw_share *share, hw_slices_fn *fn)
{
	int r = hw_remote_any() ? hw_loop_use_thread(share->loop, &share->work) : 0;

	hw_cross_guard(r == 0);
	if (r < 0)
		hw_warning("share %s: cannot create a thread: %s; a filesystem that does not "
			   "answer will stop hostwatch",
			   share->name, strerror(-r));
	hw_aparts_turn(&share->disk.aparts, share->work.thread);
	(void)hw_loop_call(share->loop, &share->work, fn, share); /* none rests */
	return hw_share_finish_work(share);
}

int hw_share_add_timer(struct hw_share *share, hw_timer_fn *fn, struct hw_timer **ret)
{
	int r = hw_timer_add(share->loop, fn, share, ret);

	if (r == 0)
		hw_timer_set_slices(*ret, &share->work);
	return r;
}
