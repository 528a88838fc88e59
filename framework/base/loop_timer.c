/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The timers of a loop. */
#include "loop_private.h"

#include <errno.h>
#include <stdlib.h>

struct hw_timer {
	uv_timer_t timer;
	struct hw_loop *loop; /* borrowed */
	hw_timer_fn *fn;
	void *arg; /* borrowed from the caller of hw_timer_add() */
	bool deleted;
	bool running; /* as in struct hw_io */
	struct hw_slices *slices; /* likewise */
};

int hw_timer_add(struct hw_loop *loop, hw_timer_fn *fn, void *arg, struct hw_timer **ret)
{
	struct hw_timer *timer;

	if (!fn)
		return -EINVAL;
	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	*timer = (struct hw_timer){ .loop = loop, .fn = fn, .arg = arg };
	(void)uv_timer_init(&loop->uv, &timer->timer); /* always 0 */
	timer->timer.data = timer;
	loop->timer_count++;
	*ret = timer;
	return 0;
}

static void call_timer(void *arg)
{
	struct hw_timer *timer = arg;

	timer->running = true;
	timer->fn(timer->arg, timer);
	timer->running = false;
	if (!timer->fn)
		free(timer);
}

static void on_timer(uv_timer_t *handle)
{
	struct hw_timer *timer = handle->data;

	timer->loop->timer_ran = true;
	if (hw_loop_must_wait(timer->slices))
		hw_timer_set(timer,
			     hw_loop_is_away(timer->slices) ? HW_LOOP_AWAY_MS * HW_MS : HW_MS);
	else
		hw_works_call(&timer->loop->works, timer->slices, call_timer, timer);
}

void hw_timer_set_slices(struct hw_timer *timer, struct hw_slices *slices)
{
	timer->slices = slices;
}

static void free_timer(uv_handle_t *handle)
{
	struct hw_timer *timer = handle->data;

	timer->fn = NULL;
	if (!timer->running)
		free(timer);
}

void hw_timer_set(struct hw_timer *timer, uint64_t delay_ns)
{
	uint64_t due_ms, now_ms = uv_now(&timer->loop->uv);

	if (delay_ns == 0) {
		(void)uv_timer_stop(&timer->timer);
		return;
	}
	/* libuv counts whole milliseconds from the start of this iteration. Update its time, so
	 * that the timer never expires early. */
	if (delay_ns > INT64_MAX)
		delay_ns = INT64_MAX;
	due_ms = (uv_hrtime() + delay_ns + HW_MS - 1) / HW_MS;
	(void)uv_timer_start(&timer->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

void hw_timer_del(struct hw_timer *timer)
{
	if (!timer || timer->deleted)
		return;
	timer->deleted = true;
	timer->loop->timer_count--;
	uv_close((uv_handle_t *)&timer->timer, free_timer);
}
