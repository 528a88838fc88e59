/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arm.h"

#include "access.h"
#include "history.h"
#include "retry.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *reason_of(const struct hw_watcher *watcher, int error)
{
	return *watcher->instance->reason ? watcher->instance->reason : strerror(-error);
}

int hw_arm_start_watcher(struct hw_watcher *watcher)
{
	if (watcher->state == HW_WATCHER_RUNNING)
		return 0;
	if (watcher->state != HW_WATCHER_IDLE)
		return -ENODEV;
	int r = hw_instance_open(watcher->instance);

	if (r >= 0)
		r = hw_instance_start(watcher->instance);
	watcher->state = r < 0 ? HW_WATCHER_FAILED : HW_WATCHER_RUNNING;
	return r < 0 ? r : 0;
}

static int probe(struct hw_watcher *watcher, int dirfd)
{
	int r = hw_arm_start_watcher(watcher);

	return r == 0 ? hw_instance_probe(watcher->instance, dirfd) : r;
}

uint8_t hw_arm_next(struct hw_share *share, uint8_t rank, int dirfd, hw_arm_refused_fn *refused,
		    void *arg)
{
	for (; rank < share->watchers.order_count; rank++) {
		struct hw_watcher *watcher = &share->watchers.list[share->watchers.order[rank]];
		int r = probe(watcher, dirfd);

		if (r == 0)
			break;
		hw_debug("share %s: %s cannot watch a filesystem: %s", share->name,
			 watcher->instance->name, reason_of(watcher, r));
		if (refused)
			refused(arg, watcher, reason_of(watcher, r));
	}
	return rank;
}

static void add_why(void *arg, const struct hw_watcher *watcher, const char *reason)
{
	struct hw_share *share = arg;
	size_t len = strlen(share->why);

	snprintf(share->why + len, sizeof(share->why) - len, "%s%s: %s", len ? "; " : "",
		 watcher->instance->name, reason);
}

/* Returns the first candidate that works for the filesystem of this directory; HW_WATCHER_NONE if
 * there is none. */
static uint8_t choose(struct hw_share *share, int dirfd, hw_arm_refused_fn *refused)
{
	uint8_t rank = hw_arm_next(share, 0, dirfd, refused, share);

	if (rank == share->watchers.order_count)
		return HW_WATCHER_NONE;
	/* The text of a successful probe is not a reason for later failures. */
	share->watchers.list[share->watchers.order[rank]].instance->reason[0] = '\0';
	return share->watchers.order[rank];
}

uint8_t hw_arm_rank(const struct hw_share *share, uint8_t index)
{
	uint8_t i = 0;

	while (i < share->watchers.order_count && share->watchers.order[i] != index)
		i++;
	return i;
}

int hw_arm_choose(struct hw_share *share)
{
	char quoted[200], reasons[sizeof(share->why)];

	share->why[0] = '\0';
	uint8_t first = choose(share, hw_disk_root(&share->disk), add_why);

	if (first == HW_WATCHER_NONE) {
		memcpy(reasons, share->why, sizeof(reasons));
		snprintf(share->why, sizeof(share->why), "no watcher can watch %s: %.800s",
			 hw_quote(quoted, sizeof(quoted), share->path, strlen(share->path)),
			 reasons);
		return -ENODEV;
	}
	if (!share->why[0])
		snprintf(share->why, sizeof(share->why), "%s",
			 share->watchers.named ? "as requested" : "best available");
	share->disk.generations |= share->watchers.list[first].plugin->flags & HW_PLUGIN_SCANS;
	for (uint32_t i = 0; i < share->disk.filesystem_count; i++)
		share->disk.filesystems[i].watcher = HW_WATCHER_NONE;
	return 0;
}

/* Returns the rank to begin with: that of the filesystem's watcher or, below a directory that was
 * given up, that of the parent's watcher. */
static uint8_t first_rank(struct hw_share *share, uint32_t dir, int dirfd, bool anew)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, dir);
	struct hw_filesystem *fs = &share->disk.filesystems[e->fs];
	uint8_t above = 0, first;

	if (fs->watcher == HW_WATCHER_NONE)
		fs->watcher = choose(share, dirfd, NULL);
	first = hw_arm_rank(share, fs->watcher);
	if (dir != HW_ROOT && !anew && hw_tree_entry(&share->tree, e->parent)->fs == e->fs)
		above = hw_arm_rank(share, hw_tree_entry(&share->tree, e->parent)->watcher);
	return above < share->watchers.order_count && above > first ? above : first;
}

static bool are_one_inode(const struct hw_share *share, uint32_t a, uint32_t b)
{
	const struct hw_entry *x = hw_tree_entry(&share->tree, a);
	const struct hw_entry *y = hw_tree_entry(&share->tree, b);

	return a && b && a != b && x->ino == y->ino && x->fs == y->fs;
}

/* Returns 0 if it is unknown. */
static uint64_t mount_of(struct hw_share *share, uint32_t dir)
{
	int fd = hw_disk_dir(&share->disk, dir);

	return fd < 0 ? 0 : hw_mount_of(fd);
}

bool hw_arm_is_one_place(struct hw_share *share, uint32_t a, uint32_t b)
{
	uint64_t mount = mount_of(share, a);

	return mount && mount == mount_of(share, b);
}

/* Of two entries of one directory inode, returns the stale one, or the ancestor that was moved with
 * it; 0 if both exist. */
static uint32_t find_left_over(struct hw_share *share, uint32_t a, uint32_t b)
{
	while (are_one_inode(share, a, b)) {
		if (!hw_disk_has(&share->disk, a))
			return a;
		if (!hw_disk_has(&share->disk, b))
			return b;
		if (hw_arm_is_one_place(share, a, b))
			return a;
		a = hw_tree_entry(&share->tree, a)->parent;
		b = hw_tree_entry(&share->tree, b)->parent;
	}
	return 0;
}

/* The inode is watched as another entry. If both exist, the directory is at two places (bind
 * mount). Otherwise one of them is stale: notes it as unverified and returns true. */
static bool is_left_over(struct hw_share *share, uint32_t dir)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, dir);
	uint32_t id = 0;

	while ((id = hw_tree_same_inode(&share->tree, e->fs, e->ino, id))) {
		uint32_t old = hw_tree_entry(&share->tree, id)->type == HW_TYPE_DIR
				       ? find_left_over(share, id, dir)
				       : 0;
		const struct hw_entry *left = hw_tree_entry(&share->tree, old);

		if (!old)
			continue;
		hw_unverified_entry(share, old);
		hw_unverified_entry(share, dir);
		hw_unverified_below(share, left->parent);
		hw_unverified_below(share, e->parent);
		return true;
	}
	return false;
}

/* Returns whether the error comes neither from a limit of watches nor from the filesystem. */
static bool is_transient(int error)
{
	return error == -EIO || error == -ENOMEM || error == -EMFILE || error == -ENFILE ||
	       error == -EINTR || error == -EAGAIN;
}

int hw_arm_dir(struct hw_share *share, uint32_t dir, int dirfd, bool anew)
{
	struct hw_entry *e = hw_tree_entry(&share->tree, dir);
	hw_token token = hw_tree_token(&share->tree, dir);
	struct hw_access_refusals refusals = { .len = 0 };
	uint8_t old = e->watcher, next;
	bool transient = false;

	/* The plugins make their calls themselves. */
	if (hw_apart_any() && hw_apart_type(dirfd) == -ETIMEDOUT)
		return -ETIMEDOUT;
	anew |= share->scan.rearm; /* the watcher of its parent may be about to end */
	for (uint8_t i = first_rank(share, dir, dirfd, anew); i < share->watchers.order_count;
	     i = next) {
		struct hw_watcher *watcher = &share->watchers.list[share->watchers.order[i]];

		if (watcher->index == old)
			return 0;
		int r = hw_arm_start_watcher(watcher);

		if (r == 0)
			r = hw_instance_watch_dir(watcher->instance, token, dirfd);
		if (r >= 0) {
			if (old != HW_WATCHER_NONE)
				hw_arm_leave_watcher(share, dir);
			e->watcher = watcher->index;
			watcher->directories++;
			hw_arm_note_top(share, dir);
			hw_mark_armed(share);
			hw_access_log_refusals(&refusals, share, watcher);
			if (transient) /* a better watcher may work later */
				hw_retry_dir(share, dir, HW_RETRY_BELOW, HW_ARRIVED_NEW, 0);
			return 0;
		}
		if (r == -EEXIST && is_left_over(share, dir))
			return -ESTALE;
		if (r == -ENOENT)
			return r;
		transient |= is_transient(r);
		hw_share_refused(share, r);
		next = hw_arm_next(share, (uint8_t)(i + 1), dirfd, NULL, NULL);
		/* That the directory cannot be read was logged. */
		if (r != -EACCES || !(e->flags & HW_ENTRY_LOCKED))
			hw_access_refused(&refusals, watcher, dir, r);
		if (next < share->watchers.order_count)
			share->watchers.list[share->watchers.order[next]].instance->reason[0] =
				'\0';
	}
	hw_access_log_refusals(&refusals, share, NULL);
	return -ENODEV;
}
