/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start of a share, and a root that disappears and reappears. */
#include "presence.h"

#include "access.h"
#include "arm.h"
#include "observe.h"
#include "openat2.h"
#include "places.h"
#include "pseudo.h"
#include "remote.h"
#include "share_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void hw_share_set_state(struct hw_share *share, enum hw_share_state state)
{
	if (share->state == state)
		return;
	share->state = state;
	share->turn.state_changed = true;
	hw_share_kick(share);
}

/* ---- the next check ---- */

static void make_due(struct hw_share *share)
{
	if (share->presence.due)
		return;
	share->presence.due = true;
	hw_timer_set(share->presence.timer, share->interval_ns);
}

static void path_changed(void *arg)
{
	struct hw_share *share = arg;

	share->presence.changed = true;
	hw_share_kick(share);
}

static int watch_step(void *arg, int fd, size_t below)
{
	struct hw_share *share = arg;
	const char *name = below == 1 ? hw_root_name(&share->root) : NULL;
	/* The attributes of the root are reported by its watcher. */
	bool attributes = below && hw_root_is_exposed(&share->root, below);

	if (hw_pseudo_name(fd))
		return -EOPNOTSUPP; /* such directories vanish without a record */
	return hw_places_add(share->loop, fd, name, attributes, path_changed, share);
}

static void unwatch_path(struct hw_share *share)
{
	if (share->presence.watched)
		hw_places_del(share->loop, share);
	share->presence.watched = false;
}

/* Returns whether the path can be watched: not through a link of procfs, whose target may change,
 * nor on a filesystem that changes elsewhere. */
static bool can_watch(const struct hw_share *share)
{
	for (size_t i = 0; i < share->root.count; i++)
		if (share->root.steps[i].magic)
			return false;
	return !share->mounts.may_hang && !share->presence.unwatchable;
}

/* Another directory may have taken the place of one of them, so they are all watched anew. A check
 * must follow: it finds what happened meanwhile. */
static void watch_path(struct hw_share *share)
{
	unwatch_path(share);
	if (!can_watch(share))
		return;
	share->presence.watched = true;
	if (hw_root_visit(&share->root, watch_step, share) == 0)
		return;
	unwatch_path(share);
	share->presence.unwatchable = true;
}

static bool is_scanned(const struct hw_share *share)
{
	uint8_t watcher = hw_tree_entry(&share->tree, HW_ROOT)->watcher;

	return watcher == HW_WATCHER_NONE ||
	       share->watchers.list[watcher].plugin->flags & HW_PLUGIN_SCANS;
}

/* Returns whether the kernel reports whatever a check could find. */
static bool is_reported(const struct hw_share *share)
{
	return share->presence.watched && share->silence.mounts && !share->mounts.may_hang &&
	       !hw_mount_watch_has_file(&share->mounts) && !is_scanned(share);
}

void hw_presence_turn(struct hw_share *share)
{
	if (!share->presence.changed)
		return;
	share->presence.changed = false;
	make_due(share);
}

void hw_presence_end(struct hw_share *share)
{
	unwatch_path(share);
	hw_timer_del(share->presence.timer);
}

/* ---- a root that disappears ---- */

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
	hw_notes_clear(&share->unverified.names);
	hw_fold_free(&share->settle.fold);
	hw_retry_clear(share);
	unwatch_path(share);
	make_due(share);
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
	share->presence.unwatchable = false;
	hw_mark_flush(share); /* while records are ignored: the directory is about to be listed */
	hw_info("share %s: %s has reappeared; scanning it", share->name,
		hw_quote(quoted, sizeof(quoted), share->path, strlen(share->path)));
	hw_mount_points_begin(share);
	hw_tree_update(&share->tree, HW_ROOT, &stat);
	hw_share_set_state(share, HW_SHARE_ARMING);
	share->history.rescans++;
	hw_scan_rearm(share);
}

/* ---- start ---- */

void hw_share_begin_history(struct hw_share *share)
{
	share->silent = false;
	share->settle.since_ns = share->settle.drained_ns = share->begun_ns;
	hw_mark_begin_history(share);
	for (uint32_t i = 0; i < HW_WATCHERS_MAX; i++)
		share->watchers.list[i].polled_ns = share->begun_ns;
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
	hw_share_begin_history(share);
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
	make_due(share);
	if (share->keep.loaded)
		resume(share, &stat);
	else
		first_listing(share, &stat);
	if (hw_shortage_is_open(&share->shortage)) {
		(void)snprintf(share->why, sizeof(share->why), "out of memory");
		return -ENOMEM;
	}
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

static int start_late(struct hw_share *share)
{
	share->presence.late = true;
	make_due(share);
	return 0;
}

/* Without openat2(2), a share would come online and report nothing. */
static int check_kernel(struct hw_share *share)
{
	int r = hw_openat2_check();

	if (r < 0)
		(void)snprintf(share->why, sizeof(share->why), HW_OPENAT2_REFUSED, strerror(-r));
	return r;
}

int hw_share_start(struct hw_share *share)
{
	int r = check_kernel(share);

	if (r == 0)
		r = hw_keep_begin(share);

	share->presence.start_error = r < 0 ? r : -EINPROGRESS;
	share->presence.state_waits = r == -EINPROGRESS;
	if (share->presence.state_waits)
		return start_late(share);
	if (r < 0)
		return r;
	share->mounts.may_hang = hw_remote_any(); /* until its mounts are known */
	return hw_share_run(share, start) ? share->presence.start_error : start_late(share);
}

void hw_presence_await_state(struct hw_share *share)
{
	int r = share->presence.state_waits ? hw_keep_begin(share) : -EINPROGRESS;

	if (r == -EINPROGRESS)
		return;
	if (r < 0) { /* read again at the next check */
		hw_warning("share %s: %s", share->name, share->why);
		return;
	}
	share->presence.state_waits = false;
	share->mounts.may_hang = hw_remote_any(); /* until its mounts are known */
	(void)hw_share_run(share, start); /* it says itself what fails */
}

/* ---- checks ---- */

/* Returns whether nothing may be looked at before the share has a thread. */
static bool must_wait(struct hw_share *share)
{
	if (!hw_silence_appears(share))
		return false;
	share->presence.check = true;
	hw_share_kick(share);
	return true;
}

bool hw_presence_check(struct hw_share *share)
{
	if (must_wait(share))
		return false;
	share->presence.check = false;
	if (share->presence.state_waits)
		return true;
	if (share->presence.start_error)
		start(share);
	else if (share->state == HW_SHARE_OFFLINE)
		come_back(share);
	else if (root_is_there(share))
		hw_mount_points_check(share);
	else
		go_offline(share);
	return true;
}

void hw_presence_fired(void *arg, struct hw_timer *timer)
{
	struct hw_share *share = arg;

	(void)timer;
	share->presence.due = false;
	if (must_wait(share)) {
		make_due(share);
		return;
	}
	if (share->state == HW_SHARE_ONLINE)
		watch_path(share);
	(void)hw_presence_check(share); /* false: in the next iteration */
	if (share->state != HW_SHARE_ONLINE || !is_reported(share))
		make_due(share);
}
