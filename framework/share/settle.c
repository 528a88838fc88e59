/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle.h"

#include "scan.h"
#include "share_private.h"
#include "verify.h"

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
