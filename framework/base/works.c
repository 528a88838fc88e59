/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "works.h"

#include <utlist.h>

static void on_idle(uv_idle_t *handle)
{
	(void)handle; /* the handle only keeps the loop from sleeping */
}

void hw_works_init(struct hw_works *works, uv_loop_t *uv)
{
	(void)uv_idle_init(uv, &works->idle); /* always 0 */
}

static void rests(struct hw_works *works, struct hw_slices *slices)
{
	if (!works->resting)
		(void)uv_idle_start(&works->idle, on_idle); /* fails only without a callback */
	DL_APPEND(works->resting, slices);
}

static void ended(struct hw_works *works, struct hw_slices *slices)
{
	DL_DELETE(works->resting, slices);
	if (!works->resting)
		(void)uv_idle_stop(&works->idle); /* always 0 */
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

bool hw_works_resume(struct hw_works *works)
{
	bool any = works->resting;

	for (struct hw_slices *slices = works->resting, *next; slices; slices = next) {
		next = slices->next;
		hw_slices_resume(slices);
		if (!hw_slices_is_resting(slices))
			ended(works, slices);
	}
	return any;
}

void hw_works_finish(struct hw_works *works, struct hw_slices *slices)
{
	if (!hw_slices_is_resting(slices))
		return;
	hw_slices_finish(slices);
	ended(works, slices);
}
