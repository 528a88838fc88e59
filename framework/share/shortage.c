/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shortage.h"

#include "share_private.h"

#define QUICK_TRIES 3u /* attempts before the interval is used */
#define SLOWEST 6u /* 2^6 intervals */
#define LONGEST (30 * HW_SEC)

static void fired(void *arg, struct hw_timer *timer)
{
	(void)arg;
	(void)timer; /* its firing ends an iteration, which is enough */
}

int hw_shortage_init(struct hw_share *share)
{
	return hw_timer_add(share->loop, fired, share, &share->shortage.timer);
}

void hw_shortage_clear(struct hw_share *share)
{
	struct hw_shortage *shortage = &share->shortage;

	shortage->incomplete = shortage->waiting = shortage->reported = false;
	shortage->since_ns = 0;
	shortage->tries = 0;
}

void hw_shortage_free(struct hw_share *share)
{
	if (share->shortage.timer)
		hw_timer_del(share->shortage.timer);
	share->shortage.timer = NULL;
}

static uint64_t delay_ns(const struct hw_share *share)
{
	static const uint64_t quick[QUICK_TRIES] = { 1, 10 * HW_MS, 100 * HW_MS };
	unsigned tries = share->shortage.tries;
	uint64_t delay;

	if (tries < QUICK_TRIES)
		return quick[tries];
	tries -= QUICK_TRIES;
	delay = share->interval_ns << (tries < SLOWEST ? tries : SLOWEST);
	if (delay > LONGEST)
		delay = share->interval_ns > LONGEST ? share->interval_ns : LONGEST;
	return delay;
}

static void found(struct hw_share *share)
{
	struct hw_shortage *shortage = &share->shortage;
	uint64_t now = hw_loop_now_ns(share->loop);

	hw_log_limited(&shortage->limit, now, HW_LOG_WARNING,
		       "share %s: out of memory; its changes are reported when there is more",
		       share->name);
	if (!shortage->since_ns)
		shortage->since_ns = hw_now_coarse_ns();
	shortage->due_ns = now + delay_ns(share);
	hw_timer_set(shortage->timer, shortage->due_ns - now);
}

void hw_shortage_found(struct hw_share *share)
{
	if (!share->shortage.incomplete)
		found(share);
	share->shortage.incomplete = true;
}

void hw_shortage_wait(struct hw_share *share)
{
	if (!share->shortage.waiting)
		found(share);
	share->shortage.waiting = true;
}

void hw_shortage_soon(struct hw_share *share)
{
	struct hw_shortage *shortage = &share->shortage;
	uint64_t now = hw_loop_now_ns(share->loop);

	if (!hw_shortage_is_open(shortage))
		return;
	if (shortage->due_ns > shortage->begun_ns + share->interval_ns)
		shortage->due_ns = shortage->begun_ns + share->interval_ns;
	hw_timer_set(shortage->timer, shortage->due_ns > now ? shortage->due_ns - now : 1);
}

bool hw_shortage_lasts(const struct hw_share *share, uint64_t attempts)
{
	const struct hw_shortage *shortage = &share->shortage;

	return hw_shortage_is_open(shortage) && shortage->tries > QUICK_TRIES &&
	       shortage->attempts > attempts;
}
