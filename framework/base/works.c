/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "works.h"

#include <utlist.h>

static void on_idle(uv_idle_t *handle)
{
	(void)handle; /* the handle only keeps the loop from sleeping */
}

/* The loop does not sleep while a work can continue. */
static void update_idle(struct hw_works *works)
{
	const struct hw_slices *slices = works->resting;

	while (slices && hw_slices_away_since(slices))
		slices = slices->next;
	if (slices)
		(void)uv_idle_start(&works->idle, on_idle); /* fails only without a callback */
	else
		(void)uv_idle_stop(&works->idle); /* always 0 */
}

static void on_wake(uv_async_t *handle)
{
	update_idle(handle->data);
}

int hw_works_init(struct hw_works *works, uv_loop_t *uv)
{
	(void)uv_idle_init(uv, &works->idle); /* always 0 */
	works->wake.data = works;
	return uv_async_init(uv, &works->wake, on_wake);
}

void hw_works_wake(void *works)
{
	(void)uv_async_send(&((struct hw_works *)works)->wake); /* always 0 */
}

static void rests(struct hw_works *works, struct hw_slices *slices)
{
	DL_APPEND(works->resting, slices);
	update_idle(works);
}

static void ended(struct hw_works *works, struct hw_slices *slices)
{
	if (works->next == slices)
		works->next = slices->next;
	DL_DELETE(works->resting, slices);
	update_idle(works);
}

void hw_works_call(struct hw_works *works, struct hw_slices *slices, hw_slices_fn *fn, void *arg)
{
	if (!slices || slices->running) {
		fn(arg);
		return;
	}
	hw_slices_begin(slices, fn, arg);
	if (hw_slices_is_resting(slices))
		rests(works, slices);
}

/* The data is released, and never used again by the work. */
static void drop(struct hw_works *works, struct hw_slices *slices)
{
	hw_slices_fn *fn = slices->dropped;

	ended(works, slices);
	hw_slices_end_thread(slices);
	fn(slices->dropped_arg);
}

bool hw_works_resume(struct hw_works *works)
{
	bool any = false;

	/* A work may end others, and free them. */
	for (struct hw_slices *slices = works->resting; slices; slices = works->next) {
		works->next = slices->next;
		if (hw_slices_away_since(slices))
			continue;
		any = true;
		if (slices->dropped) {
			drop(works, slices);
			continue;
		}
		hw_slices_resume(slices);
		if (!hw_slices_is_resting(slices))
			ended(works, slices);
	}
	update_idle(works);
	return any;
}

bool hw_works_finish(struct hw_works *works, struct hw_slices *slices)
{
	if (!hw_slices_is_resting(slices))
		return true;
	if (!hw_slices_finish(slices))
		return false;
	ended(works, slices);
	return true;
}

void hw_works_drop(struct hw_slices *slices, hw_slices_fn *fn, void *arg)
{
	slices->dropped = fn;
	slices->dropped_arg = arg;
}

bool hw_works_are_dropped(const struct hw_works *works)
{
	const struct hw_slices *slices = works->resting;

	while (slices && !slices->dropped)
		slices = slices->next;
	return slices;
}
