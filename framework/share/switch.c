/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replaces the watchers of a running share. */
#include "arm.h"
#include "history.h"
#include "scan.h"
#include "share_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFUSALS_MAX 8u /* walks with a refusal before the switch fails */
/* Walks for directories that moved while they were to be armed. Each walk arms most of those that
 * are left, so only a tree whose directories never rest needs so many. */
#define ROUNDS_MAX 4096u

static bool is_candidate(const struct hw_share *share, uint8_t index)
{
	return hw_arm_rank(share, index) < share->watchers.order_count;
}

/* ---- the new candidates ---- */

/* Removes the watcher; the instance stays with its owner. */
static void uninstall(struct hw_watcher *watcher)
{
	watcher->instance->watcher = NULL;
	watcher->instance->slices = NULL;
	free(watcher->tops);
	*watcher = (struct hw_watcher){ .index = watcher->index };
}

static void uninstall_all(struct hw_watcher *const *added, size_t count)
{
	for (size_t i = 0; i < count; i++)
		uninstall(added[i]);
}

static int install_all(struct hw_share *share, const struct hw_switch *to,
		       struct hw_watcher *ret_added[HW_WATCHERS_MAX])
{
	if (to->count > HW_WATCHERS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < to->count; i++) {
		ret_added[i] = hw_watcher_install(share, to->instances[i]);
		if (!ret_added[i]) {
			uninstall_all(ret_added, i);
			return -E2BIG;
		}
	}
	return 0;
}

/* Returns 0 if it can watch the root; otherwise the reason is in its instance. */
static int try_watcher(struct hw_watcher *watcher)
{
	struct hw_instance *instance = watcher->instance;
	int r = hw_arm_start_watcher(watcher);

	if (r == 0)
		r = hw_instance_probe(instance, hw_disk_root(&watcher->share->disk));
	if (r < 0 && !*instance->reason)
		(void)snprintf(instance->reason, sizeof(instance->reason), "%s", strerror(-r));
	if (r == 0)
		instance->reason[0] = '\0'; /* not a reason for later failures */
	return r;
}

/* Returns 0 if one of them can. */
static int try_all(struct hw_watcher *const *added, size_t count)
{
	int r = -ENODEV;

	for (size_t i = 0; i < count && r < 0; i++)
		r = try_watcher(added[i]);
	return r;
}

static bool is_new_plugin(const struct hw_plugin *plugin, struct hw_watcher *const *added,
			  size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (added[i]->plugin == plugin)
			return true;
	return false;
}

/* Sets the order of candidates: the new watchers, then the old ones that scan, for directories that
 * the new ones cannot watch. */
static void put_first(struct hw_share *share, struct hw_watcher *const *added, size_t added_count)
{
	struct hw_switching *s = &share->switching;
	uint8_t order[HW_WATCHERS_MAX], count = 0;

	for (size_t i = 0; i < added_count; i++)
		order[count++] = added[i]->index;
	for (uint8_t i = 0; i < share->watchers.order_count; i++) {
		const struct hw_watcher *old = &share->watchers.list[share->watchers.order[i]];

		if (old->plugin->flags & HW_PLUGIN_SCANS &&
		    !is_new_plugin(old->plugin, added, added_count))
			order[count++] = old->index;
	}
	memcpy(s->old_order, share->watchers.order, sizeof(s->old_order));
	s->old_order_count = share->watchers.order_count;
	s->old_explicit = share->watchers.named;
	memcpy(share->watchers.order, order, sizeof(share->watchers.order));
	share->watchers.order_count = count;
}

static void put_back(struct hw_share *share)
{
	const struct hw_switching *s = &share->switching;

	memcpy(share->watchers.order, s->old_order, sizeof(share->watchers.order));
	share->watchers.order_count = s->old_order_count;
	share->watchers.named = s->old_explicit;
	(void)hw_arm_choose(share); /* succeeds: they have been working here */
}

static void begin(struct hw_share *share, const struct hw_switch *to)
{
	struct hw_switching *s = &share->switching;

	s->done = to->done;
	s->arg = to->arg;
	s->error = 0;
	s->reason[0] = '\0';
	s->rounds = s->refusals = 0;
	share->scan.refused = 0;
	share->scan.fell_back = false;
	s->seq = hw_journal_last_seq(&share->journal);
	s->begun_ns = hw_loop_now_ns(share->loop);
	hw_scan_rearm(share);
	hw_share_kick(share);
}

static int try_switch(struct hw_share *share, const struct hw_switch *to)
{
	struct hw_watcher *added[HW_WATCHERS_MAX];
	int r;

	if (share->switching.done || share->state != HW_SHARE_ONLINE || share->scan.rearm)
		return -EBUSY;
	if (hw_disk_root(&share->disk) < 0)
		return -EBUSY; /* it goes offline */
	r = install_all(share, to, added);
	if (r < 0)
		return r;
	r = try_all(added, to->count);
	if (r < 0) {
		uninstall_all(added, to->count);
		return r;
	}
	put_first(share, added, to->count);
	share->watchers.named = !to->automatic;
	r = hw_arm_choose(share);
	if (r < 0) {
		put_back(share);
		uninstall_all(added, to->count);
		return r;
	}
	begin(share, to);
	return 0;
}

static void report(struct hw_share *share, int error)
{
	struct hw_switching *s = &share->switching;
	const struct hw_switch_result result = {
		.error = error,
		.reason = s->reason,
		.entries = share->scan.rearmed,
		.events = hw_journal_last_seq(&share->journal) - s->seq,
		.elapsed_ns = hw_loop_now_ns(share->loop) - s->begun_ns,
	};
	hw_share_switch_fn *done = s->done;

	s->done = NULL;
	if (done)
		done(s->arg, share, &result);
}

void hw_switch_cancel(struct hw_share *share)
{
	report(share, -ECANCELED);
}

/* hw_share_switch() has returned 0, so the instances belong to the share. */
static void fail_late(struct hw_share *share, int error)
{
	struct hw_switching *s = &share->switching;
	const char *reason = s->request.count ? s->instances[0]->reason : "";

	(void)snprintf(s->reason, sizeof(s->reason), "%s", *reason ? reason : strerror(-error));
	for (size_t i = 0; i < s->request.count; i++)
		hw_instance_destroy(s->instances[i]);
	report(share, error);
}

static void switch_in_work(void *arg)
{
	struct hw_share *share = arg;
	struct hw_switching *s = &share->switching;

	s->tried = try_switch(share, &s->request);
	if (s->late && s->tried < 0)
		fail_late(share, s->tried);
	s->late = false;
}

int hw_share_switch(struct hw_share *share, const struct hw_switch *to)
{
	struct hw_switching *s = &share->switching;

	if (!hw_share_finish_work(share))
		return -EAGAIN;
	if (!share->work.thread || s->done || to->count > HW_WATCHERS_MAX)
		return try_switch(share, to);
	s->request = *to;
	for (size_t i = 0; i < to->count; i++)
		s->instances[i] = to->instances[i];
	s->request.instances = s->instances;
	if (hw_share_run(share, switch_in_work))
		return s->tried;
	s->late = true;
	s->done = to->done;
	s->arg = to->arg;
	s->seq = hw_journal_last_seq(&share->journal);
	s->begun_ns = hw_loop_now_ns(share->loop);
	return 0;
}

/* ---- the end of a switch ---- */

/* Returns whether the directory belongs to a watcher that is to be destroyed: it was elsewhere when
 * the walk passed, or no new watcher took it. */
static bool is_left(const struct hw_share *share, uint32_t dir)
{
	uint8_t watcher = hw_tree_entry(&share->tree, dir)->watcher;

	return watcher != HW_WATCHER_NONE && !is_candidate(share, watcher);
}

/* Returns whether the directory is left, or with a watcher that stays, although no better one has
 * refused a directory. */
static bool is_passed_over(const struct hw_share *share, uint32_t dir)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, dir);
	uint8_t chosen = share->disk.filesystems[e->fs].watcher;

	if (is_left(share, dir))
		return true;
	return e->watcher != HW_WATCHER_NONE && chosen != HW_WATCHER_NONE &&
	       share->switching.done && !share->scan.fell_back &&
	       hw_arm_rank(share, chosen) < hw_arm_rank(share, e->watcher);
}

typedef bool test_fn(const struct hw_share *share, uint32_t dir);

/* Counts the directories for which the test is true, and calls fn for each. */
static uint32_t each_dir(struct hw_share *share, test_fn *test,
			 void (*fn)(struct hw_share *, uint32_t))
{
	uint32_t count = 0;

	for (uint32_t id = HW_ROOT; id < share->tree.used; id++) {
		if (hw_tree_entry(&share->tree, id)->type != HW_TYPE_DIR || !test(share, id))
			continue;
		if (fn)
			fn(share, id);
		count++;
	}
	return count;
}

/* A directory below another one is armed with that one. Its entry may be stale. */
static void arm_again(struct hw_share *share, uint32_t dir)
{
	if (dir != HW_ROOT && is_passed_over(share, hw_tree_entry(&share->tree, dir)->parent))
		return;
	hw_unverified_entry(share, dir);
	hw_scan_below(share, dir);
}

static void forget_it(struct hw_share *share, uint32_t dir)
{
	hw_arm_forget(share, dir);
	hw_unarmed_add(share, dir);
	hw_history_rescan(share, dir);
}

/* Returns why the directories that are left could not be armed. */
static const char *explain(const struct hw_share *share, int error)
{
	const char *reason = share->watchers.list[share->watchers.order[0]].instance->reason;

	if (error == -EBUSY)
		return "they moved whenever they were to be armed";
	return *reason ? reason : strerror(-error);
}

static void give_up(struct hw_share *share, uint32_t left)
{
	struct hw_switching *s = &share->switching;

	s->error = share->scan.refused ? share->scan.refused : -EBUSY;
	(void)snprintf(s->reason, sizeof(s->reason), "%u of %u directories could not be armed: %s",
		       left, share->tree.directories, explain(share, s->error));
	s->rounds = s->refusals = 0;
	put_back(share);
	hw_scan_below(share, HW_ROOT);
}

static bool may_go_on(struct hw_share *share)
{
	struct hw_switching *s = &share->switching;

	s->refusals += share->scan.refused != 0;
	return s->refusals < REFUSALS_MAX && s->rounds++ < ROUNDS_MAX;
}

/* Returns whether all directories have been armed or given up. False: another walk has begun. */
static bool is_rearmed(struct hw_share *share)
{
	struct hw_switching *s = &share->switching;
	uint32_t left = each_dir(share, is_left, NULL);

	if (!left && !each_dir(share, is_passed_over, NULL))
		return true;
	if (may_go_on(share)) {
		share->scan.refused = 0;
		(void)each_dir(share, is_passed_over, arm_again);
		return false;
	}
	if (!left || !s->done || s->error)
		return true;
	give_up(share, left);
	return false;
}

static void retire(struct hw_share *share)
{
	(void)each_dir(share, is_left, forget_it);
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers.list[i].state != HW_WATCHER_ABSENT && !is_candidate(share, i))
			hw_watcher_destroy(&share->watchers.list[i]);
}

bool hw_switch_walked(struct hw_share *share)
{
	if (!is_rearmed(share))
		return false;
	share->scan.rearm = false;
	share->switching.rounds = share->switching.refusals = 0;
	retire(share);
	report(share, share->switching.error);
	return true;
}
