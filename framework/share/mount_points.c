/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems that are mounted and unmounted below the root of a share. */
#include "settle.h"
#include "share_private.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Returns the directory of a path and leaves the last component in *path; 0: it is not in the
 * tree. */
static uint32_t find_dir(const struct hw_share *share, const char **path)
{
	uint32_t dir = HW_ROOT;
	const char *slash;

	while (dir && (slash = strchr(*path, '/'))) {
		dir = hw_tree_find(&share->tree, dir, *path, (size_t)(slash - *path));
		*path = slash + 1;
	}
	return dir && hw_tree_entry(&share->tree, dir)->type == HW_TYPE_DIR ? dir : 0;
}

static void examine(struct hw_share *share, uint32_t dir, const char *name)
{
	if (share->settle.window_ns && !share->silent)
		hw_settle_name(share, dir, name, strlen(name), 0, 0);
	else
		hw_unverified_name(share, dir, name, strlen(name));
	hw_share_kick(share);
}

/* A mount may have changed which directory is visible at this place. */
static void mount_changed(void *arg, const char *path)
{
	struct hw_share *share = arg;
	uint32_t dir = find_dir(share, &path);

	if (!dir) /* excluded, or below another mount that changed */
		return;
	/* If out of memory: the age of the directory decides as elsewhere. */
	(void)hw_notes_add(&share->mount_names.changed, hw_tree_token(&share->tree, dir), path,
			   strlen(path), HW_HINT_ARRIVED, 0);
	examine(share, dir, path);
}

/*
 * The kernel reports changes of a file that is mounted over a name for the directory that the file
 * is in, elsewhere. So the file is compared with the tree, unless the directory of the name is
 * scanned.
 */
static void check_mounted_file(void *arg, const char *path)
{
	struct hw_share *share = arg;
	uint32_t dir = find_dir(share, &path);
	uint8_t watcher = dir ? hw_tree_entry(&share->tree, dir)->watcher : HW_WATCHER_NONE;
	uint32_t id = dir ? hw_tree_find(&share->tree, dir, path, strlen(path)) : 0;
	struct hw_stat stat;

	if (!id || watcher == HW_WATCHER_NONE ||
	    share->watchers.list[watcher].plugin->flags & HW_PLUGIN_SCANS)
		return;
	const struct hw_entry *e = hw_tree_entry(&share->tree, id);

	if (hw_disk_stat(&share->disk, dir, path, strlen(path), &stat) < 0 ||
	    !hw_tree_is_same(e, &stat) || hw_history_compare(e, &stat, false))
		examine(share, dir, path);
}

void hw_mount_points_check(struct hw_share *share)
{
	struct hw_mount_names *names = &share->mount_names;
	int64_t now = hw_now_coarse_ns();

	if (!names->changed.count)
		names->since_ns = names->checked_ns;
	hw_mount_watch_check(&share->mounts, mount_changed, share);
	hw_notes_compact(&names->changed);
	names->checked_ns = now;
	if (share->state == HW_SHARE_ONLINE)
		hw_mount_watch_each_file(&share->mounts, check_mounted_file, share);
}

int64_t hw_mount_points_since(const struct hw_share *share, hw_token dir, const char *name,
			      size_t len)
{
	const struct hw_notes *changed = &share->mount_names.changed;

	return changed->count && hw_notes_find(changed, dir, name, len)
		       ? share->mount_names.since_ns
		       : 0;
}

/* The path of the open root is the resolved one, also where that cannot be read as a path. */
void hw_mount_points_begin(struct hw_share *share)
{
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)], path[PATH_MAX];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", share->disk.root);
	ssize_t len = readlink(link, path, sizeof(path) - 1);

	if (len < 0 || path[0] != '/')
		return;
	path[len] = '\0';
	hw_silence_end(share);
	share->mount_names.checked_ns = hw_now_coarse_ns();
	hw_mount_watch_begin(&share->mounts, path);
	hw_silence_begin(share);
	hw_disk_share_root(&share->disk);
}
