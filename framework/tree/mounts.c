/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mounts.h"

#include "apart.h"
#include "cross.h"
#include "mountinfo.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool hw_mounts_may_hang(const char *dir)
{
	return hw_mounts_find_aparts(dir, NULL);
}

bool hw_mounts_find_aparts(const char *dir, struct hw_aparts *aparts)
{
	struct hw_aparts now = { 0 };
	struct hw_mountinfo mounts = { 0 };
	bool may = hw_mountinfo_read(&mounts) < 0;

	for (size_t i = 0; i < mounts.count && (aparts || !may); i++) {
		const struct hw_mount *mount = &mounts.list[i];
		bool below = hw_mountinfo_is_below(mount->path, dir);

		if ((!below && !hw_mountinfo_is_below(dir, mount->path)) ||
		    !hw_mountinfo_may_hang(&mounts, mount))
			continue;
		may = true;
		if (aparts && below && strcmp(mount->path, dir) != 0)
			(void)hw_aparts_add(&now, mount->id, mount->path); /* the share waits */
	}
	if (aparts)
		hw_aparts_replace(aparts, &now);
	hw_mountinfo_free(&mounts);
	return may;
}

/* The path is absolute and resolved. */
static int look_at(const char *path, unsigned mask, struct statx *ret)
{
	if (hw_cross_is_guarded())
		return hw_cross_statx(path, mask, ret);
	return hw_apart_statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, mask, ret);
}

/* Gets the ID of the mount that is visible at a path. Other mounts may be hidden below it. The
 * order of mountinfo does not show this, because mounts can be moved. */
static bool seen_at(const char *path, uint64_t *ret_id)
{
	struct statx st;
	int r = look_at(path, STATX_MNT_ID, &st);

	if (r == -ETIMEDOUT) /* it does not answer, so it is there */
		return true;
	if (r < 0 || !(st.stx_mask & STATX_MNT_ID))
		return false;
	*ret_id = st.stx_mnt_id;
	return true;
}

static const char *type_of(const struct hw_mountinfo *mounts, const char *dir, uint64_t *ret_id)
{
	for (size_t i = 0; i < mounts->count && seen_at(dir, ret_id); i++) {
		if (mounts->list[i].id == *ret_id)
			return mounts->list[i].type;
	}
	return "unknown";
}

static int walk(const struct hw_mountinfo *mounts, const char *dir, hw_mount_fn *fn, void *arg)
{
	uint64_t id = 0;
	const char *type = type_of(mounts, dir, &id);
	int r = fn(arg, id, dir, type);

	for (size_t i = 0; i < mounts->count && r >= 0; i++) {
		const struct hw_mount *below = &mounts->list[i];

		id = below->id;
		if (hw_mountinfo_is_below(below->path, dir) && strcmp(below->path, dir) != 0 &&
		    seen_at(below->path, &id) && id == below->id)
			r = fn(arg, id, below->path, below->type);
	}
	return r;
}

static int resolve(const char *dir, char **ret)
{
	char *resolved;
	struct stat st;
	int r;

	hw_away_begin();
	resolved = realpath(dir, NULL);
	r = !resolved || stat(resolved, &st) < 0 ? -errno : 0;
	hw_away_end();
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r == 0)
		*ret = resolved;
	else
		free(resolved);
	return r;
}

/* Without following links: the path had none, and symbolic links may lead anywhere. */
static int check_resolved(const char *dir, char **ret)
{
	struct statx st;
	int r = hw_cross_statx(dir, STATX_TYPE, &st);

	if (r < 0)
		return r;
	if (!S_ISDIR(st.stx_mode))
		return -ENOTDIR;
	*ret = strdup(dir);
	return *ret ? 0 : -ENOMEM;
}

int hw_mounts_walk(const char *dir, hw_mount_fn *fn, void *arg)
{
	struct hw_mountinfo mounts = { 0 };
	char *resolved = NULL;
	int r = hw_cross_is_guarded() ? check_resolved(dir, &resolved) : resolve(dir, &resolved);

	if (r == 0)
		r = hw_mountinfo_read(&mounts);
	if (r == 0)
		r = walk(&mounts, resolved, fn, arg);
	hw_mountinfo_free(&mounts);
	free(resolved);
	return r;
}

/* ---- those that come and go ---- */

struct hw_mount_point {
	char *path; /* owned: below the directory */
	bool is_file; /* any type except directory */
};

struct points {
	const char *dir;
	struct hw_mount_point *list;
	size_t count;
};

static void free_points(struct hw_mount_point *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i].path);
	free(list);
}

static int add_point(void *arg, uint64_t id, const char *path, const char *type)
{
	struct points *points = arg;
	size_t skip = strlen(points->dir);
	struct hw_mount_point *list;
	struct statx st;
	char *below;

	(void)type;
	(void)id;
	/* Skips the directory itself, which its owner checks, and paths through a symbolic link. */
	if (strncmp(path, points->dir, skip) != 0)
		return 0;
	skip += path[skip] == '/';
	if (path[skip] == '\0')
		return 0;
	below = strdup(path + skip);
	list = reallocarray(points->list, points->count + 1, sizeof(*list));
	if (list)
		points->list = list;
	if (!list || !below) {
		free(below);
		return -ENOMEM;
	}
	list += points->count++;
	list->path = below;
	list->is_file = look_at(path, STATX_TYPE, &st) == 0 && !S_ISDIR(st.stx_mode);
	return 0;
}

/* Sorts parents before their descendants. */
static int by_path(const void *a, const void *b)
{
	const struct hw_mount_point *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int read_points(const char *dir, struct points *ret)
{
	struct points points = { .dir = dir };
	int r = hw_mounts_walk(dir, add_point, &points);

	if (r < 0) {
		free_points(points.list, points.count);
		return r;
	}
	if (points.count)
		qsort(points.list, points.count, sizeof(*points.list), by_path);
	*ret = points;
	return 0;
}

/* Both lists are sorted. Reports all mount points: a mount that replaced another may have its ID,
 * which the kernel reuses. */
static void tell_changes(const struct hw_mount_watch *old, const struct points *now,
			 hw_mount_changed_fn *fn, void *arg)
{
	size_t i = 0, j = 0;

	while (i < old->count || j < now->count) {
		int order = i == old->count   ? 1
			    : j == now->count ? -1
					      : strcmp(old->points[i].path, now->list[j].path);

		fn(arg, order < 0 ? old->points[i].path : now->list[j].path);
		i += order <= 0;
		j += order >= 0;
	}
}

static void keep_points(struct hw_mount_watch *watch, const struct points *now)
{
	free_points(watch->points, watch->count);
	watch->points = now->list;
	watch->count = now->count;
}

void hw_mount_watch_init(struct hw_mount_watch *watch, struct hw_aparts *aparts)
{
	*watch = (struct hw_mount_watch){ .fd = -1, .aparts = aparts };
}

void hw_mount_watch_look(struct hw_mount_watch *watch)
{
	if (!watch->dir)
		return;
	watch->may_hang = hw_mounts_find_aparts(watch->dir, watch->aparts);
	if (watch->aparts)
		hw_aparts_use(watch->aparts);
}

void hw_mount_watch_begin(struct hw_mount_watch *watch, const char *dir)
{
	struct points now;

	hw_mount_watch_end(watch);
	watch->dir = strdup(dir);
	watch->fd = watch->dir ? open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) : -1;
	hw_mount_watch_look(watch); /* before read_points() waits for one of them */
	if (watch->fd >= 0 && read_points(dir, &now) == 0)
		keep_points(watch, &now);
}

bool hw_mount_watch_poll(struct hw_mount_watch *watch)
{
	struct pollfd changed = { .fd = watch->fd, .events = POLLPRI };

	/* proc(5): a change is an exceptional condition, reported once to each open file. */
	if (watch->fd < 0 || (poll(&changed, 1, 0) <= 0 && !watch->changed))
		return false;
	watch->changed = true;
	hw_mount_watch_look(watch);
	return true;
}

void hw_mount_watch_check(struct hw_mount_watch *watch, hw_mount_changed_fn *fn, void *arg)
{
	struct points now;
	int r;

	if (!hw_mount_watch_poll(watch))
		return;
	watch->changed = false;
	r = read_points(watch->dir, &now);
	watch->changed = r == -ETIMEDOUT; /* when it is known which mounts may hang */
	if (r < 0)
		return;
	tell_changes(watch, &now, fn, arg);
	keep_points(watch, &now);
}

void hw_mount_watch_each_file(const struct hw_mount_watch *watch, hw_mount_changed_fn *fn,
			      void *arg)
{
	for (size_t i = 0; i < watch->count; i++)
		if (watch->points[i].is_file)
			fn(arg, watch->points[i].path);
}

bool hw_mount_watch_has_file(const struct hw_mount_watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		if (watch->points[i].is_file)
			return true;
	return false;
}

void hw_mount_watch_end(struct hw_mount_watch *watch)
{
	free_points(watch->points, watch->count);
	free(watch->dir);
	if (watch->fd >= 0)
		(void)close(watch->fd); /* used for polling only */
	*watch = (struct hw_mount_watch){ .fd = -1,
					  .may_hang = watch->may_hang,
					  .aparts = watch->aparts };
}
