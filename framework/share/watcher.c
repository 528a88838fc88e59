/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watcher.h"

#include "arm.h"
#include "history.h"
#include "lock.h"
#include "scan.h"
#include "share_private.h"
#include "verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct hw_watcher *free_place(struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		if (share->watchers.list[i].state != HW_WATCHER_ABSENT)
			continue;
		share->watchers.list[i] = (struct hw_watcher){ .index = i };
		return &share->watchers.list[i];
	}
	return NULL;
}

static int lock_dir(struct hw_watcher *watcher, hw_token token)
{
	struct hw_share *share = watcher->share;
	uint32_t dir = hw_tree_by_token(&share->tree, token);

	return dir ? hw_disk_lock(&share->disk, dir) : -ENOENT;
}

static const struct hw_watcher_services services = {
	.hint = hw_watcher_hint,
	.lost = hw_watcher_lost,
	.scan = hw_watcher_scan,
	.lock = lock_dir,
	.locate = hw_watcher_locate,
};

struct hw_watcher *hw_watcher_install(struct hw_share *share, struct hw_instance *instance)
{
	struct hw_watcher *watcher = free_place(share);

	if (!watcher)
		return NULL;
	watcher->share = share;
	watcher->instance = instance;
	watcher->plugin = instance->plugin;
	watcher->state = HW_WATCHER_IDLE;
	watcher->serial = ++share->watchers.serial;
	watcher->polled_ns = share->settle.since_ns;
	instance->watcher = watcher;
	instance->watcher_services = &services;
	return watcher;
}

int hw_share_add_watcher(struct hw_share *share, struct hw_instance *instance)
{
	struct hw_watcher *watcher = hw_watcher_install(share, instance);

	if (!watcher)
		return -E2BIG;
	share->watchers.order[share->watchers.order_count++] = watcher->index;
	return 0;
}

void hw_watcher_get_stats(const struct hw_watcher *watcher, struct hw_watcher_stats *ret)
{
	*ret = (struct hw_watcher_stats){ .struct_size = sizeof(*ret) };
	if (watcher->state == HW_WATCHER_RUNNING && watcher->plugin->stats)
		watcher->plugin->stats(watcher->instance->self, ret);
}

void hw_watcher_destroy(struct hw_watcher *watcher)
{
	struct hw_watcher_stats stats;

	hw_watcher_get_stats(watcher, &stats);
	watcher->share->watchers.past_events += stats.kernel_events;
	watcher->share->watchers.past_overflows += stats.overflows;
	hw_instance_destroy(watcher->instance);
	free(watcher->tops);
	*watcher = (struct hw_watcher){ .index = watcher->index };
}

void hw_watchers_destroy(struct hw_share *share)
{
	hw_switch_cancel(share);
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers.list[i].state != HW_WATCHER_ABSENT)
			hw_watcher_destroy(&share->watchers.list[i]);
	share->watchers.order_count = 0;
}

/* ---- requests of watchers ---- */

/* One walk at a time: all losses while it runs are covered by one more walk after it. */
static void compare_all(struct hw_watcher *watcher)
{
	if (watcher->comparing) {
		watcher->lost_again = true;
		return;
	}
	watcher->comparing = true;
	watcher->share->history.rescans++;
	hw_scan_watcher(watcher->share, watcher->index);
}

static void compare_again(struct hw_watcher *watcher)
{
	bool again = watcher->lost_again;

	watcher->comparing = watcher->lost_again = false;
	if (again && watcher->share->state != HW_SHARE_OFFLINE)
		compare_all(watcher);
}

void hw_watcher_lost(struct hw_watcher *watcher, hw_token token)
{
	struct hw_share *share = watcher->share;
	uint32_t dir = token == HW_NO_DIR ? 0 : hw_tree_by_token(&share->tree, token);

	if (share->state == HW_SHARE_OFFLINE || (token != HW_NO_DIR && !dir))
		return;
	if (share->silent) {
		share->scan.lost_while_arming = true;
		return;
	}
	hw_info("share %s: %s lost events; scanning for changes", share->name,
		watcher->instance->name);
	hw_verify_void(share);
	if (dir)
		hw_scan_lost(share, dir);
	else
		compare_all(watcher);
}

static void begin_scan(struct hw_watcher *watcher, hw_token token)
{
	struct hw_share *share = watcher->share;
	uint32_t dir = token == HW_NO_DIR ? 0 : hw_tree_by_token(&share->tree, token);

	watcher->scans_begun++;
	watcher->scan_running = true;
	watcher->scan_start_ns = hw_loop_now_ns(share->loop);
	watcher->scan_start_coarse_ns = hw_now_coarse_ns();
	watcher->scan_entries = share->scan.entries;
	watcher->scan_seq = hw_journal_last_seq(&share->journal);
	/* Even if there is no directory to list, the end of this iteration ends the scan. */
	share->scan.walking = true;
	if (dir)
		hw_scan_below(share, dir);
	else if (token == HW_NO_DIR)
		hw_scan_watcher(share, watcher->index);
}

int hw_watcher_scan(struct hw_watcher *watcher, hw_token token)
{
	struct hw_share *share = watcher->share;

	if (token != HW_NO_DIR && !hw_tree_by_token(&share->tree, token))
		return -ENOENT;
	/* Requests for two different directories become a scan of the whole share. */
	if (watcher->scan_pending && watcher->scan_dir != token)
		token = HW_NO_DIR;
	watcher->scan_pending = true;
	watcher->scan_dir = token;
	hw_watchers_begin_scans(share);
	return 0;
}

void hw_watchers_begin_scans(struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		struct hw_watcher *watcher = &share->watchers.list[i];

		if (share->scan.walking || (hw_verify_is_active(share) && share->verify.walk) ||
		    share->state != HW_SHARE_ONLINE)
			return;
		if (!watcher->scan_pending)
			continue;
		watcher->scan_pending = false;
		begin_scan(watcher, watcher->scan_dir);
	}
}

int64_t hw_watchers_since(const struct hw_share *share)
{
	int64_t since = share->settle.since_ns;

	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers.list[i].scan_running &&
		    share->watchers.list[i].polled_ns > since)
			since = share->watchers.list[i].polled_ns;
	return since;
}

static void tell_scanned(struct hw_watcher *watcher)
{
	struct hw_share *share = watcher->share;
	struct hw_scan_result result = {
		.struct_size = sizeof(result),
		.entries = share->scan.entries - watcher->scan_entries,
		.changes = hw_journal_last_seq(&share->journal) - watcher->scan_seq,
		.elapsed_ns = hw_loop_now_ns(share->loop) - watcher->scan_start_ns,
	};

	watcher->scan_running = false;
	watcher->scans_ended++;
	watcher->polled_ns = watcher->scan_start_coarse_ns;
	if (watcher->plugin->scanned)
		watcher->plugin->scanned(watcher->instance->self, &result);
}

/* ---- the end of a walk ---- */

bool hw_watchers_have_unread(const struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers.list[i];

		if (watcher->state != HW_WATCHER_RUNNING)
			continue;
		for (unsigned j = 0; j < HW_INPUTS_MAX; j++)
			if (watcher->instance->inputs[j] &&
			    hw_io_is_readable(watcher->instance->inputs[j]))
				return true;
	}
	return false;
}

void hw_watchers_walked(struct hw_share *share)
{
	if (share->scan.rearm && !hw_switch_walked(share))
		return;
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers.list[i].scan_running)
			tell_scanned(&share->watchers.list[i]);
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		compare_again(&share->watchers.list[i]);
}
