/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories of a watcher. */
#include "arm.h"

#include <errno.h>
#include <stdlib.h>

static bool is_top(const struct hw_share *share, uint32_t dir)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, dir);

	return dir == HW_ROOT || hw_tree_entry(&share->tree, e->parent)->watcher != e->watcher;
}

static int compare_tokens(const void *a, const void *b)
{
	hw_token x = *(const hw_token *)a, y = *(const hw_token *)b;

	return (x > y) - (x < y);
}

/* Keeps each top once, and only directories that still are tops: a moved directory is noted each
 * time. Scans of the watcher begin at its tops. */
void hw_arm_compact_tops(struct hw_watcher *watcher)
{
	const struct hw_share *share = watcher->share;
	uint32_t kept = 0;

	if (watcher->top_count)
		qsort(watcher->tops, watcher->top_count, sizeof(*watcher->tops), compare_tokens);
	for (uint32_t i = 0; i < watcher->top_count; i++) {
		uint32_t dir = hw_tree_by_token(&share->tree, watcher->tops[i]);

		if (!dir || hw_tree_entry(&share->tree, dir)->watcher != watcher->index ||
		    !is_top(share, dir) || (kept && watcher->tops[kept - 1] == watcher->tops[i]))
			continue;
		watcher->tops[kept++] = watcher->tops[i];
	}
	watcher->top_count = kept;
}

static int grow_tops(struct hw_watcher *watcher)
{
	uint32_t room = watcher->top_room ? watcher->top_room * 2 : 4;
	hw_token *tops = realloc(watcher->tops, room * sizeof(*tops));

	if (!tops)
		return -ENOMEM;
	watcher->tops = tops;
	watcher->top_room = room;
	return 0;
}

void hw_arm_note_top(struct hw_share *share, uint32_t dir)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, dir);

	if (e->watcher == HW_WATCHER_NONE || !is_top(share, dir))
		return;
	struct hw_watcher *watcher = &share->watchers.list[e->watcher];

	if (watcher->top_count == watcher->top_room) {
		hw_arm_compact_tops(watcher);
		if (watcher->top_count >= watcher->top_room / 2 && grow_tops(watcher) < 0) {
			watcher->tops_lost = true;
			return;
		}
	}
	watcher->tops[watcher->top_count++] = hw_tree_token(&share->tree, dir);
}

void hw_arm_leave_watcher(struct hw_share *share, uint32_t dir)
{
	struct hw_entry *e = hw_tree_entry(&share->tree, dir);

	if (e->watcher == HW_WATCHER_NONE)
		return;
	struct hw_watcher *watcher = &share->watchers.list[e->watcher];

	e->watcher = HW_WATCHER_NONE;
	watcher->directories--;
	if (watcher->state == HW_WATCHER_RUNNING)
		watcher->plugin->forget_dir(watcher->instance->self,
					    hw_tree_token(&share->tree, dir));
}

void hw_arm_forget(struct hw_share *share, uint32_t dir)
{
	hw_disk_forget_dir(&share->disk, dir);
	hw_arm_leave_watcher(share, dir);
}
