/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start and end of a share, the steps of an iteration, root and mounts. */
#include "access.h"
#include "arm.h"
#include "barrier.h"
#include "fill.h"
#include "observe.h"
#include "quiet.h"
#include "refresh.h"
#include "remote.h"
#include "retry.h"
#include "scan.h"
#include "settle.h"
#include "verify.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define FILL_BUDGET 2048u /* entries listed at once in one iteration */

/* ---- state and root ---- */

void hw_share_set_state(struct hw_share *share, enum hw_share_state state)
{
	if (share->state == state)
		return;
	share->state = state;
	share->turn.state_changed = true;
	hw_share_kick(share);
}

static void forget_all(struct hw_share *share, uint32_t dir)
{
	uint32_t id = dir;

	/* Depth first without recursion. */
	for (;;) {
		struct hw_entry *e = hw_tree_entry(&share->tree, id);

		hw_share_rest(share);
		if (e->type == HW_TYPE_DIR) {
			hw_arm_forget(share, id);
			if (e->dir.first_child) {
				id = e->dir.first_child;
				continue;
			}
		}
		while (id != dir && !hw_tree_entry(&share->tree, id)->next_sibling)
			id = hw_tree_entry(&share->tree, id)->parent;
		if (id == dir)
			return;
		id = hw_tree_entry(&share->tree, id)->next_sibling;
	}
}

static void go_offline(struct hw_share *share)
{
	char quoted[300];

	hw_warning("share %s: %s was deleted, moved or unmounted; waiting for it to reappear",
		   share->name, hw_quote(quoted, sizeof(quoted), share->path, strlen(share->path)));
	hw_verify_void(share);
	if (share->disk.left)
		share->unverified.entries.count = 0; /* nothing is left to compare */
	else
		hw_observe(share, share->unverified.since_ns);
	share->unverified.since_ns = 0;
	share->settle.first_ns = 0;
	share->settle.ending = false;
	hw_history_rescan(share, HW_ROOT);
	forget_all(share, HW_ROOT);
	hw_disk_close_root(&share->disk);
	hw_suspects_clear(&share->unverified.names);
	hw_fold_free(&share->settle.fold);
	hw_retry_clear(share);
	hw_share_set_state(share, HW_SHARE_OFFLINE);
}

static bool root_is_there(struct hw_share *share)
{
	int fd = hw_disk_root(&share->disk);
	int r = fd < 0 ? fd : hw_root_is_at(&share->root, fd);

	return r > 0 || hw_disk_is_refusal(r);
}

static int open_root(struct hw_share *share, int fd)
{
	int r = fd < 0 ? fd : hw_disk_open_root(&share->disk, fd, ".");

	if (fd >= 0)
		close(fd);
	return r;
}

/* ---- a root that reappears ---- */

/* Logs an error once: the root is tried again every interval. */
static void log_root_error(struct hw_share *share, int error)
{
	char text[1024];

	if (error == share->presence.error || error == -ENOENT || error == -ENOTDIR)
		return;
	share->presence.error = error;
	hw_access_explain_root(share, error, text, sizeof(text));
	if (*share->root.refusal)
		hw_error("share %s: %s", share->name, text);
	else
		hw_warning("share %s: %s", share->name, text);
}

static void come_back(struct hw_share *share)
{
	struct hw_stat stat;
	char quoted[300];
	int r = open_root(share, hw_root_return(&share->root));

	if (r == 0)
		r = hw_disk_stat_fd(&share->disk, share->disk.root, &stat);
	if (r < 0) {
		log_root_error(share, r);
		return;
	}
	share->presence.error = 0;
	hw_mark_flush(share); /* while records are ignored: the directory is about to be listed */
	hw_info("share %s: %s has reappeared; scanning it", share->name,
		hw_quote(quoted, sizeof(quoted), share->path, strlen(share->path)));
	hw_mount_points_begin(share);
	hw_tree_update(&share->tree, HW_ROOT, &stat);
	hw_share_set_state(share, HW_SHARE_ARMING);
	share->history.rescans++;
	hw_scan_rearm(share);
}

static void start(void *arg);

static void check_root(struct hw_share *share)
{
	share->presence.check = false;
	if (share->presence.start_error)
		start(share);
	else if (share->state == HW_SHARE_OFFLINE)
		come_back(share);
	else if (root_is_there(share))
		hw_mount_points_check(share);
	else
		go_offline(share);
}

static void root_fired(void *arg, struct hw_timer *timer)
{
	struct hw_share *share = arg;

	check_root(share);
	hw_timer_set(timer, share->interval_ns);
}

/* ---- a walk has ended ---- */

static void begin_history(struct hw_share *share)
{
	share->silent = false;
	share->settle.since_ns = share->settle.drained_ns = share->begun_ns;
	hw_mark_begin_history(share);
	for (uint32_t i = 0; i < HW_WATCHERS_MAX; i++)
		share->watchers.list[i].polled_ns = share->begun_ns;
}

static bool must_settle_first(const struct hw_share *share)
{
	return share->settle.window_ns && !share->barriers && share->state == HW_SHARE_ONLINE &&
	       !share->scan.rearm;
}

/* Called when the names that the walk found have been verified. */
static void verified(struct hw_share *share)
{
	if (!hw_scan_is_idle(share))
		return; /* the observation requires more listings */
	hw_watchers_walked(share);
	share->scan.identified = false;
	if (share->state == HW_SHARE_ARMING && hw_scan_is_idle(share))
		hw_share_set_state(share, HW_SHARE_ONLINE);
}

static void end_walk_round(struct hw_share *share)
{
	if (!share->verify.walked)
		return;
	share->verify.walked = false;
	verified(share);
}

/* Called when the walk has ended: nothing is queued or being listed. */
static void walked(struct hw_share *share)
{
	int64_t since = hw_watchers_since(share);

	if (share->silent) {
		hw_observe(share, 0); /* changes made while it was being listed */
		if (!hw_scan_is_idle(share))
			return;
		begin_history(share);
		if (share->scan.lost_while_arming)
			hw_scan_lost(share, HW_ROOT);
	} else if (must_settle_first(share)) {
		if (hw_unverified_any(&share->unverified)) {
			if (!share->unverified.since_ns)
				share->unverified.since_ns = since;
			share->verify.walk_waits = true;
			hw_settle_begin(share);
		}
	} else {
		if (share->unverified.since_ns && share->unverified.since_ns < since)
			since = share->unverified.since_ns;
		share->unverified.since_ns = 0;
		share->settle.first_ns = 0;
		hw_verify_begin(share, since, true);
		end_walk_round(share);
		return;
	}
	verified(share);
}

/* ---- iterations of the loop ---- */

static void tell_listeners(struct hw_share *share)
{
	uint64_t seq;

	hw_keep_publish(share);
	seq = hw_keep_last_seq(share);
	if (seq == share->turn.announced_seq && !share->turn.state_changed)
		return;
	share->turn.announced_seq = seq;
	share->turn.state_changed = false;
	for (uint32_t i = share->listeners.count; i-- > 0;)
		if (i < share->listeners.count)
			share->listeners.list[i].fn(share->listeners.list[i].arg, share);
}

/* Most events are reported by hints: receivers do not wait for the steps that follow. */
static void tell_early(struct hw_share *share)
{
	if (share->work.running)
		return; /* a receiver may call functions that finish the work */
	tell_listeners(share);
	hw_share_begin_turn(share);
}

static void end_walk(struct hw_share *share)
{
	if (share->scan.walking && hw_scan_is_idle(share) && !hw_verify_is_active(share)) {
		share->scan.walking = false;
		walked(share);
	}
}

/* Not while hints arrive, which would contradict the result again. */
static void compare_below(struct hw_share *share)
{
	bool hinted = share->turn.hinted;
	uint32_t dir;

	share->turn.hinted = false;
	if (!share->unverified.dir)
		return;
	if (hw_verify_is_active(share))
		return; /* the end of the round is followed by another iteration */
	if (hinted || hw_unverified_any(&share->unverified) || share->scan.walking) {
		hw_share_kick(share);
		return;
	}
	dir = hw_unverified_take_dir(share);
	if (dir)
		hw_scan_below(share, dir);
}

/* Handles a batch of hints, listings or timers. */
static void take_turn(void *arg)
{
	struct hw_share *share = arg;

	hw_scan_land(share);
	if (share->presence.check || share->disk.left)
		check_root(share);
	hw_hint_expire_name(share);
	(void)hw_hint_release_move(share, NULL);
	tell_early(share);
	hw_refresh(share); /* brings entries that were reported in this iteration up to date */
	hw_mark_roll(share);
	hw_verify_advance(share);
	end_walk_round(share);
	hw_settle_advance(share);
	hw_retry_turn(share);
	end_walk(share);
	hw_watchers_begin_scans(share);
	hw_unverified_add_lost(share, false);
	/* A share without a settle window verifies names now, those of a walk at its end. */
	if (hw_unverified_any(&share->unverified) && !share->settle.window_ns &&
	    !share->scan.walking && share->state == HW_SHARE_ONLINE && !hw_verify_is_active(share))
		hw_verify_begin(share, 0, false);
	compare_below(share);
	hw_quiet_try_found(share);
	if (hw_barrier_begins(share))
		check_root(share);
	hw_barrier_advance(share);
	hw_disk_release(&share->disk);
	if (share->disk.left)
		hw_share_kick(share); /* it is checked in the next iteration */
	if (share->marks.armed)
		hw_mark_roll(share); /* directories that were armed since */
	hw_share_begin_turn(share);
	share->turn.ended_ns = hw_now_coarse_ns();
	share->fill.budget = FILL_BUDGET;
}

/* Returns whether an iteration may be long. A short one needs no stack of its own. */
static bool is_long(const struct hw_share *share)
{
	return share->unverified.names.count + share->unverified.entries.count +
			       share->verify.names.count + share->refresh.stale.count +
			       share->quiet.count + share->quiet.found.count >
		       HW_SLICES_SHORT / 2 ||
	       share->scan.walking || !hw_scan_is_idle(share) || share->barriers;
}

/* Called at the end of each iteration, also while work rests: receivers may have read its events,
 * so later ones must not be merged with these. */
static void turn(void *arg)
{
	struct hw_share *share = arg;

	share->turn.state_changed |= hw_silence_check(share);
	if (is_long(share) || hw_slices_is_resting(&share->work) || share->work.thread)
		(void)hw_loop_call(share->loop, &share->work, take_turn, share);
	else
		take_turn(share);
	if (hw_slices_is_resting(&share->work))
		hw_share_begin_turn(share);
	tell_listeners(share);
	if (!hw_slices_is_resting(&share->work))
		hw_keep_turn(share);
}

static void kicked(void *arg, struct hw_timer *timer)
{
	(void)arg;
	(void)timer; /* its firing ends an iteration */
}

/* ---- create, start, destroy ---- */

static uint64_t random_epoch(void)
{
	uint64_t epoch = 0;

	while (!epoch)
		if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
			return 0;
	return epoch;
}

static int init_filter(struct hw_share *share, const struct hw_share_config *config)
{
	const char *reason;
	char quoted[200];
	size_t bad;
	int r = hw_filter_init(&share->filter, config->excludes, config->exclude_count, &bad,
			       &reason);

	if (r == -EINVAL)
		hw_error("share %s: exclude: %s: %s", config->name,
			 hw_quote(quoted, sizeof(quoted), config->excludes[bad],
				  strlen(config->excludes[bad])),
			 reason);
	return r;
}

static int init_parts(struct hw_share *share, const struct hw_share_config *config)
{
	int r = init_filter(share, config);

	if (r == 0)
		r = hw_tree_init(&share->tree);
	share->tree.work = &share->work;
	if (r == 0)
		r = hw_journal_init(&share->journal,
				    config->journal_bytes ? config->journal_bytes : 16u << 20);
	if (r == 0)
		r = hw_quiet_init(share);
	if (r == 0)
		r = hw_retry_init(share);
	if (r == 0)
		r = hw_share_add_timer(share, hw_settle_fired, &share->settle.timer);
	if (r == 0)
		r = hw_share_add_timer(share, root_fired, &share->presence.timer);
	if (r == 0)
		r = hw_timer_add(share->loop, kicked, share, &share->turn.kick);
	if (r == 0)
		r = hw_turn_add(share->loop, turn, share);
	return r;
}

int hw_share_create(struct hw_loop *loop, const struct hw_share_config *config,
		    struct hw_share **ret)
{
	struct hw_share *share = calloc(1, sizeof(*share));
	int r = -ENOMEM;

	if (!share)
		return -ENOMEM;
	share->loop = loop;
	hw_disk_init(&share->disk, &share->tree);
	hw_watchers_init(share);
	hw_mount_watch_init(&share->mounts);
	share->unverified.names.work = share->unverified.spare.work = &share->work;
	share->verify.names.work = share->verify.touched.work = &share->work;
	share->name = strdup(config->name);
	share->path = strdup(config->path);
	share->interval_ns = config->interval_ns ? config->interval_ns : HW_SEC;
	share->settle.window_ns = config->settle_ns;
	share->settle.max_ns =
		config->settle_max_ns ? config->settle_max_ns : 10 * config->settle_ns;
	share->watchers.named = config->explicit_watcher;
	share->pseudo = config->pseudo;
	share->silent = true;
	share->epoch = random_epoch();
	share->fill.budget = FILL_BUDGET;
	share->turn.first_seq = 1;
	/* Leases are released at once, so the signal that the kernel sends for a broken lease is
	 * not needed. */
	(void)signal(SIGIO, SIG_IGN);
	r = hw_keep_init(share, config->state_dir, config->state_log_dir);
	if (r == 0 && !(share->name && share->path && share->epoch))
		r = -ENOMEM;
	if (r == 0)
		r = init_parts(share, config);
	if (r < 0) {
		hw_share_destroy(share);
		return r;
	}
	*ret = share;
	return 0;
}

int hw_share_open(struct hw_share *share)
{
	int r = open_root(share, hw_root_resolve(&share->root, share->path));

	if (r == 0)
		return hw_arm_choose(share);
	hw_access_explain_root(share, r, share->why, sizeof(share->why));
	return r;
}

/* The tree is that of the last run: the difference becomes events, as if the root had been away. */
static void resume(struct hw_share *share, const struct hw_stat *root)
{
	hw_keep_bind(share);
	if (!hw_tree_is_same(hw_tree_entry(&share->tree, HW_ROOT), root))
		hw_tree_update(&share->tree, HW_ROOT, root);
	share->scan.identified = hw_tree_entry(&share->tree, HW_ROOT)->identity == root->identity;
	hw_mount_points_begin(share);
	share->begun_ns = share->keep.known_ns;
	begin_history(share);
	hw_scan_rearm(share);
}

static void first_listing(struct hw_share *share, const struct hw_stat *root)
{
	hw_tree_update(&share->tree, HW_ROOT, root);
	hw_mount_points_begin(share); /* before anything is listed */
	share->begun_ns = hw_now_coarse_ns();
	hw_scan_fill(share, HW_ROOT, -1, HW_ARRIVED_NEW);
}

static int begin(struct hw_share *share)
{
	struct hw_stat stat;
	int r = hw_share_open(share);

	if (r == 0)
		r = hw_disk_stat_fd(&share->disk, share->disk.root, &stat);
	if (r < 0)
		return r;
	hw_keep_check(share);
	hw_timer_set(share->presence.timer, share->interval_ns);
	if (share->keep.loaded)
		resume(share, &stat);
	else
		first_listing(share, &stat);
	if (hw_tree_entry(&share->tree, HW_ROOT)->watcher == HW_WATCHER_NONE)
		return -ENODEV;
	hw_share_kick(share);
	return 0;
}

/* Tried again at each check of the root, if the filesystem answered too late for the caller of
 * hw_share_start(). */
static void start(void *arg)
{
	struct hw_share *share = arg;
	int before = share->presence.start_error, r = begin(share);

	share->presence.start_error = r;
	if (!share->presence.late)
		return;
	if (r == 0) {
		hw_share_set_state(share, HW_SHARE_ARMING);
		return;
	}
	if (r != before)
		hw_warning("share %s: %s; waiting for it", share->name, share->why);
	forget_all(share, HW_ROOT);
	hw_disk_close_root(&share->disk);
	hw_share_set_state(share, HW_SHARE_OFFLINE);
}

int hw_share_start(struct hw_share *share)
{
	share->presence.start_error = -EINPROGRESS;
	hw_keep_begin(share);
	share->mounts.may_hang = hw_remote_any(); /* until its mounts are known */
	if (hw_share_run(share, start))
		return share->presence.start_error;
	share->presence.late = true;
	hw_timer_set(share->presence.timer, share->interval_ns);
	return 0;
}

static void destroy(void *arg)
{
	struct hw_share *share = arg;

	hw_turn_del(share->loop, turn, share);
	hw_keep_end(share);
	hw_scan_cancel(share);
	hw_switch_cancel(share);
	hw_watchers_destroy(share);
	hw_barrier_free(share);
	hw_silence_end(share);
	hw_quiet_free(share);
	hw_retry_free(share);
	hw_timer_del(share->settle.timer);
	hw_timer_del(share->presence.timer);
	hw_timer_del(share->turn.kick);
	hw_mount_watch_end(&share->mounts);
	hw_disk_free(&share->disk);
	hw_root_free(&share->root);
	hw_tree_free(&share->tree);
	hw_filter_free(&share->filter);
	hw_journal_free(&share->journal);
	hw_suspects_free(&share->unverified.names);
	hw_suspects_free(&share->unverified.spare);
	hw_verify_free(share);
	hw_ids_free(&share->unverified.entries);
	hw_fold_free(&share->settle.fold);
	hw_former_free(&share->hints.former);
	hw_ids_free(&share->unverified.lost);
	hw_ids_free(&share->refresh.stale);
	hw_ids_free(&share->refresh.renamed);
	hw_ids_free(&share->refresh.touched);
	hw_ids_free(&share->refresh.touched_later);
	hw_ids_free(&share->fill.modified);
	hw_ids_free(&share->fill.moved);
	hw_ids_free(&share->fill.files);
	hw_slices_free(&share->work);
	free(share->listeners.list);
	free(share->name);
	free(share->path);
	free(share);
}

/* The caller does not wait for a filesystem that does not answer. */
void hw_share_destroy(struct hw_share *share)
{
	if (!share)
		return;
	if (hw_share_finish_work(share)) {
		destroy(share);
		return;
	}
	hw_warning("share %s: a filesystem does not answer; its watchers stop when it does",
		   share->name);
	hw_turn_del(share->loop, turn, share);
	share->listeners.count = 0;
	hw_switch_cancel(share);
	hw_barrier_free(share);
	hw_loop_drop(&share->work, destroy, share);
}
