/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watcher.h"

#include "arm.h"
#include "history.h"
#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct hw_watcher *free_place(struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		if (share->watchers[i].state != HW_WATCHER_ABSENT)
			continue;
		share->watchers[i] = (struct hw_watcher){ .index = i };
		return &share->watchers[i];
	}
	return NULL;
}

static const struct hw_watcher_services services = {
	.hint = hw_watcher_hint,
	.lost = hw_watcher_lost,
	.scan = hw_watcher_scan,
};

static struct hw_watcher *install(struct hw_share *share, struct hw_instance *instance)
{
	struct hw_watcher *watcher = free_place(share);

	if (!watcher)
		return NULL;
	watcher->share = share;
	watcher->instance = instance;
	watcher->plugin = instance->plugin;
	watcher->state = HW_WATCHER_IDLE;
	watcher->polled_ns = share->since_ns;
	instance->watcher = watcher;
	instance->watcher_services = &services;
	return watcher;
}

int hw_share_add_watcher(struct hw_share *share, struct hw_instance *instance)
{
	struct hw_watcher *watcher = install(share, instance);

	if (!watcher)
		return -E2BIG;
	share->order[share->order_count++] = watcher->index;
	return 0;
}

void hw_watcher_get_stats(const struct hw_watcher *watcher, struct hw_watcher_stats *ret)
{
	*ret = (struct hw_watcher_stats){ .struct_size = sizeof(*ret) };
	if (watcher->state == HW_WATCHER_RUNNING && watcher->plugin->stats)
		watcher->plugin->stats(watcher->instance->self, ret);
}

static void destroy(struct hw_watcher *watcher)
{
	struct hw_watcher_stats stats;

	hw_watcher_get_stats(watcher, &stats);
	watcher->share->past_events += stats.kernel_events;
	watcher->share->past_overflows += stats.overflows;
	hw_instance_destroy(watcher->instance);
	free(watcher->tops);
	*watcher = (struct hw_watcher){ .index = watcher->index };
}

static void tell_switched(struct hw_share *share, int error)
{
	hw_share_switch_fn *done = share->switched;

	share->switched = NULL;
	if (done)
		done(share->switched_arg, share, error);
}

void hw_watchers_destroy(struct hw_share *share)
{
	tell_switched(share, -ECANCELED);
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers[i].state != HW_WATCHER_ABSENT)
			destroy(&share->watchers[i]);
	share->order_count = 0;
}

/* ---- what a watcher asks for ---- */

/* One walk at a time: what is lost while it runs is found by one more behind it, however often that
 * happens. */
static void compare_all(struct hw_watcher *watcher)
{
	if (watcher->comparing) {
		watcher->lost_again = true;
		return;
	}
	watcher->comparing = true;
	watcher->share->rescans++;
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
		share->lost_while_arming = true;
		return;
	}
	hw_info("share %s: %s lost events: comparing with the disk", share->name,
		watcher->instance->name);
	if (dir)
		hw_scan_lost(share, dir);
	else
		compare_all(watcher);
}

int hw_watcher_scan(struct hw_watcher *watcher, hw_token token)
{
	struct hw_share *share = watcher->share;
	uint32_t dir = token == HW_NO_DIR ? 0 : hw_tree_by_token(&share->tree, token);

	if (token != HW_NO_DIR && !dir)
		return -ENOENT;
	if (share->walking || share->state != HW_SHARE_ONLINE)
		return -EBUSY;
	watcher->scans_begun++;
	watcher->scan_running = true;
	watcher->scan_start_ns = hw_loop_now_ns(share->loop);
	watcher->scan_start_coarse_ns = hw_now_coarse_ns();
	watcher->scan_entries = share->scan.entries;
	watcher->scan_seq = hw_share_seq(share);
	/* Also without a directory to list: the end of the turn ends the walk and tells. */
	share->walking = true;
	if (dir)
		hw_scan_below(share, dir);
	else
		hw_scan_watcher(share, watcher->index);
	return 0;
}

int64_t hw_watchers_since(const struct hw_share *share)
{
	int64_t since = share->since_ns;

	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers[i].scan_running && share->watchers[i].polled_ns > since)
			since = share->watchers[i].polled_ns;
	return since;
}

static void tell_scanned(struct hw_watcher *watcher)
{
	struct hw_share *share = watcher->share;
	struct hw_scan_result result = {
		.struct_size = sizeof(result),
		.entries = share->scan.entries - watcher->scan_entries,
		.changes = hw_share_seq(share) - watcher->scan_seq,
		.elapsed_ns = hw_loop_now_ns(share->loop) - watcher->scan_start_ns,
	};

	watcher->scan_running = false;
	watcher->scans_ended++;
	watcher->polled_ns = watcher->scan_start_coarse_ns;
	if (watcher->plugin->scanned)
		watcher->plugin->scanned(watcher->instance->self, &result);
}

/* ---- switching ---- */

#define ROUNDS_MAX 8u /* of arming what moved about while it was to be armed */

static bool is_candidate(const struct hw_share *share, uint8_t index)
{
	for (uint8_t i = 0; i < share->order_count; i++)
		if (share->order[i] == index)
			return true;
	return false;
}

/* Gives the place back; the instance is its owner's. */
static void uninstall(struct hw_watcher *watcher)
{
	watcher->instance->watcher = NULL;
	free(watcher->tops);
	*watcher = (struct hw_watcher){ .index = watcher->index };
}

static int try_instance(struct hw_watcher *watcher)
{
	struct hw_share *share = watcher->share;
	int r = hw_arm_start_watcher(watcher);

	if (r == 0)
		r = hw_instance_probe(watcher->instance, share->disk.root);
	if (r >= 0) {
		watcher->instance->reason[0] = '\0'; /* how it watches is no reason for later */
		return 0;
	}
	hw_error("share %s: %s cannot take over: %s", share->name, watcher->instance->name,
		 *watcher->instance->reason ? watcher->instance->reason : strerror(-r));
	return r;
}

/* The new one first; then those that scan, which take what it cannot. */
static void put_first(struct hw_share *share, const struct hw_watcher *watcher)
{
	uint8_t order[HW_WATCHERS_MAX] = { watcher->index }, count = 1;

	for (uint8_t i = 0; i < share->order_count; i++) {
		const struct hw_watcher *old = &share->watchers[share->order[i]];

		if (old->plugin->flags & HW_PLUGIN_SCANS && old->plugin != watcher->plugin)
			order[count++] = old->index;
	}
	memcpy(share->old_order, share->order, sizeof(share->old_order));
	share->old_order_count = share->order_count;
	memcpy(share->order, order, sizeof(share->order));
	share->order_count = count;
}

static void put_back(struct hw_share *share)
{
	memcpy(share->order, share->old_order, sizeof(share->order));
	share->order_count = share->old_order_count;
	(void)hw_arm_choose(share); /* they work here: they did all the time */
}

int hw_share_switch(struct hw_share *share, struct hw_instance *instance, hw_share_switch_fn *done,
		    void *arg)
{
	struct hw_watcher *watcher;
	int r;

	if (share->switched || share->state != HW_SHARE_ONLINE || share->scan.rearm)
		return -EBUSY;
	watcher = install(share, instance);
	if (!watcher)
		return -E2BIG;
	r = try_instance(watcher);
	if (r < 0) {
		uninstall(watcher);
		return r;
	}
	put_first(share, watcher);
	share->explicit_watcher = true;
	r = hw_arm_choose(share);
	if (r < 0) {
		put_back(share);
		uninstall(watcher);
		return r;
	}
	share->switched = done;
	share->switched_arg = arg;
	share->switch_error = 0;
	share->switch_rounds = 0;
	hw_scan_rearm(share);
	hw_share_kick(share);
	return 0;
}

static bool is_left(const struct hw_share *share, uint32_t dir)
{
	uint8_t watcher = hw_tree_entry(&share->tree, dir)->watcher;

	return watcher != HW_WATCHER_NONE && !is_candidate(share, watcher);
}

/* Directories that a watcher which is to go still has: they stood elsewhere when the walk came by,
 * or nobody took them. */
static uint32_t each_left(struct hw_share *share, void (*fn)(struct hw_share *, uint32_t))
{
	uint32_t left = 0;

	for (uint32_t id = HW_ROOT; id < share->tree.used; id++) {
		if (hw_tree_entry(&share->tree, id)->type != HW_TYPE_DIR || !is_left(share, id))
			continue;
		if (fn)
			fn(share, id);
		left++;
	}
	return left;
}

/* Below another one it is met on the way. */
static void arm_again(struct hw_share *share, uint32_t dir)
{
	if (dir == HW_ROOT || !is_left(share, hw_tree_entry(&share->tree, dir)->parent))
		hw_scan_below(share, dir);
}

static void forget_it(struct hw_share *share, uint32_t dir)
{
	hw_arm_forget(share, dir);
	hw_history_rescan(share, dir);
}

static void retire(struct hw_share *share)
{
	(void)each_left(share, forget_it);
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers[i].state != HW_WATCHER_ABSENT && !is_candidate(share, i))
			destroy(&share->watchers[i]);
}

/* Has everything found its watcher? False: another walk has begun. */
static bool is_rearmed(struct hw_share *share)
{
	if (!each_left(share, NULL))
		return true;
	if (share->switch_rounds++ < ROUNDS_MAX) {
		(void)each_left(share, arm_again);
		return false;
	}
	if (!share->switched || share->switch_error)
		return true;
	hw_error("share %s: the new watcher cannot watch all of it: the old one goes on",
		 share->name);
	share->switch_error = -ENOSPC;
	share->switch_rounds = 0;
	put_back(share);
	hw_scan_below(share, HW_ROOT);
	return false;
}

/* ---- the end of a walk ---- */

bool hw_watchers_have_unread(const struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers[i];

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
	if (share->scan.rearm) {
		if (!is_rearmed(share))
			return;
		share->scan.rearm = false;
		share->switch_rounds = 0;
		retire(share);
		tell_switched(share, share->switch_error);
	}
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers[i].scan_running)
			tell_scanned(&share->watchers[i]);
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		compare_again(&share->watchers[i]);
}
