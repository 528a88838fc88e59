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

void hw_watchers_init(struct hw_share *share)
{
	share->watchers.services = &services;
}

int hw_share_add_watcher(struct hw_share *share, struct hw_instance *instance)
{
	struct hw_watcher *watcher = hw_watcher_install(share, instance);

	if (!watcher)
		return -E2BIG;
	share->watchers.order[share->watchers.order_count++] = watcher->index;
	return 0;
}

void hw_watchers_destroy(struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers.list[i].state != HW_WATCHER_ABSENT)
			hw_watcher_destroy(&share->watchers.list[i]);
	share->watchers.order_count = 0;
}

/* ---- requests of watchers ---- */

static void note_lost(struct hw_share *share, int64_t since_ns)
{
	if (!share->scan.lost_ns || share->scan.lost_ns > since_ns)
		share->scan.lost_ns = since_ns;
}

/* One walk at a time: all losses while it runs are covered by one more walk after it. */
static void compare_all(struct hw_watcher *watcher)
{
	if (watcher->comparing) {
		if (!watcher->lost_again_ns)
			watcher->lost_again_ns = watcher->share->marks.read_until_ns;
		return;
	}
	watcher->comparing = true;
	note_lost(watcher->share, watcher->share->marks.read_until_ns);
	watcher->share->history.rescans++;
	hw_scan_watcher(watcher->share, watcher->index);
}

static void compare_again(struct hw_watcher *watcher)
{
	int64_t again_ns = watcher->lost_again_ns;

	watcher->comparing = false;
	watcher->lost_again_ns = 0;
	if (!again_ns || watcher->share->state == HW_SHARE_OFFLINE)
		return;
	note_lost(watcher->share, again_ns);
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
	if (dir) {
		note_lost(share, share->marks.read_until_ns);
		hw_scan_lost(share, dir);
	} else {
		compare_all(watcher);
	}
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
	watcher->scan_cpu_ns = share->scan.cpu_ns;
	hw_slices_meter_begin(&share->work);
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

static void tell_scanned(struct hw_watcher *watcher)
{
	struct hw_share *share = watcher->share;
	struct hw_scan_result result = {
		.struct_size = sizeof(result),
		.entries = share->scan.entries - watcher->scan_entries,
		.changes = hw_journal_last_seq(&share->journal) - watcher->scan_seq,
		.elapsed_ns = hw_loop_now_ns(share->loop) - watcher->scan_start_ns,
		.cpu_ns = share->scan.cpu_ns - watcher->scan_cpu_ns +
			  hw_slices_meter_end(&share->work),
	};

	watcher->scan_running = false;
	watcher->scans_ended++;
	watcher->polled_ns = watcher->scan_start_coarse_ns;
	if (watcher->plugin->scanned)
		watcher->plugin->scanned(watcher->instance->self, &result);
}

/* ---- the end of a walk ---- */

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
