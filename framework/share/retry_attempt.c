/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attempts to read what could not be read. */
#include "retry.h"

#include "access.h"
#include "fill.h"
#include "retry_private.h"
#include "scan.h"
#include "settle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 256u /* in one iteration */

/* ---- successful attempts ---- */

/* Dropped items may also work: scans the share, at most once per interval. */
static void compare_left_out(struct hw_share *share)
{
	struct hw_retry *retry = &share->retry;
	uint64_t now = hw_loop_now_ns(share->loop);

	if (!retry->left_out || share->silent || share->scan.walking ||
	    (retry->compared_ns && now < retry->compared_ns + share->interval_ns))
		return;
	retry->left_out = 0;
	retry->compared_ns = now;
	hw_scan_lost(share, HW_ROOT);
}

/* ---- attempts ---- */

/* An entry that was born since the first attempt is new, whenever it is found. */
static void note_since(struct hw_share *share, int64_t since_ns)
{
	if (since_ns && (!share->unverified.since_ns || since_ns < share->unverified.since_ns))
		share->unverified.since_ns = since_ns;
}

static void try_dir(struct hw_share *share, uint32_t dir, struct hw_retry_item *item)
{
	enum hw_arrival how = (enum hw_arrival)item->how;
	enum hw_retry_kind kind = (enum hw_retry_kind)item->kind;
	const struct hw_entry *e = hw_tree_entry(&share->tree, dir);

	if (e->active) { /* it is being listed, which is an attempt */
		item->due_ns = hw_loop_now_ns(share->loop) + 10 * HW_MS;
		return;
	}
	item->flying = true;
	item->due_ns = hw_loop_now_ns(share->loop) + share->interval_ns;
	if (kind == HW_RETRY_FILL || !(e->flags & HW_ENTRY_LISTED)) {
		hw_fill_dir(share, dir, how);
		return;
	}
	note_since(share, item->since_ns);
	hw_scan_again(share, dir, kind == HW_RETRY_BELOW);
}

/* Notes it as unverified, like any other name. */
static void note_name(struct hw_share *share, hw_token dir, const struct hw_retry_item *item)
{
	if (share->settle.window_ns && !share->silent) {
		hw_settle_note_since(share);
		hw_settle_begin(share);
	}
	if (!item->arrived)
		note_since(share, item->since_ns);
	int r = hw_notes_add(&share->unverified.names, dir, item->name, item->name_len,
			     item->arrived ? HW_HINT_ARRIVED : 0, 0);

	if (r < 0)
		hw_unverified_left_out(share, r);
}

/* Adds the entry as if the listing had found it. */
static void fill(struct hw_share *share, uint32_t dir, const struct hw_retry_item *item,
		 const struct hw_stat *stat)
{
	const struct hw_retry_name found = {
		.dir = dir,
		.name = item->name,
		.len = item->name_len,
		.how = (enum hw_arrival)item->how,
		.since_ns = item->since_ns,
	};

	hw_fill_found(share, &found, stat);
}

static void log_worked(struct hw_share *share, uint32_t dir, const struct hw_retry_item *item)
{
	char quoted[600], path[600];

	if (item->logged)
		hw_info("share %s: %s in %s can be examined again", share->name,
			hw_quote(quoted, sizeof(quoted), item->name, item->name_len),
			hw_access_path(share, dir, path, sizeof(path)));
}

static void try_name(struct hw_share *share, uint32_t dir, uint32_t i)
{
	struct hw_retry *retry = &share->retry;
	struct hw_retry_item item = retry->items[i];
	hw_token token = retry->dirs[i];
	struct hw_stat stat;
	int r = hw_disk_stat(&share->disk, dir, item.name, item.name_len, &stat);

	if (hw_disk_is_refusal(r)) {
		hw_retry_refused_again(share, &retry->items[i]);
		return;
	}
	retry->items[i].name = NULL; /* item owns it now */
	hw_retry_remove(retry, i);
	log_worked(share, dir, &item);
	if (r == 0 && item.found && !hw_tree_find(&share->tree, dir, item.name, item.name_len))
		fill(share, dir, &item, &stat);
	else
		note_name(share, token, &item);
	free(item.name);
	retry->worked = true;
}

static bool is_due(const struct hw_share *share, struct hw_retry_item *item)
{
	bool due = !item->fresh && item->due_ns <= hw_loop_now_ns(share->loop);

	item->fresh = false;
	return due;
}

/* An attempt may add and remove items. */
static bool try_one(struct hw_share *share, uint32_t i)
{
	struct hw_retry *retry = &share->retry;
	uint32_t dir = hw_tree_by_token(&share->tree, retry->dirs[i]);

	if (!dir) { /* the directory is gone */
		hw_retry_remove(retry, i);
		return false;
	}
	if (!is_due(share, &retry->items[i]))
		return false;
	if (retry->items[i].name)
		try_name(share, dir, i);
	else
		try_dir(share, dir, &retry->items[i]);
	return true;
}

static void set_timer(struct hw_share *share)
{
	const struct hw_retry *retry = &share->retry;
	uint64_t now = hw_loop_now_ns(share->loop), next = UINT64_MAX;

	for (uint32_t i = 0; i < retry->count; i++)
		if (retry->items[i].due_ns < next)
			next = retry->items[i].due_ns;
	if (retry->count)
		hw_timer_set(retry->timer, next > now ? next - now : 1);
}

void hw_retry_turn(struct hw_share *share)
{
	struct hw_retry *retry = &share->retry;
	uint32_t tries = 0;

	if (share->state == HW_SHARE_OFFLINE)
		return;
	/* Backwards, because a removed item is replaced by one that was tried. */
	for (uint32_t i = retry->count; i-- > 0 && tries < TRIES_MAX;)
		if (i < retry->count)
			tries += try_one(share, i);
	set_timer(share);
	hw_shortage_turn(share);
	if (retry->worked)
		compare_left_out(share);
	retry->worked = false;
}
