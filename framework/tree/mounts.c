/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mounts.h"

#include "apart.h"
#include "remote.h"
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

struct mount {
	uint64_t id;
	char *path; /* owned */
	char *type; /* owned */
	char *options; /* owned: of an overlay, as in mountinfo; otherwise NULL */
};

struct mounts {
	struct mount *list; /* owned */
	size_t count;
};

/* The kernel writes space, tab, newline and backslash as \ooo. */
static char *unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in;) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		    in[3] >= '0' && in[3] <= '7') {
			*out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 4;
		} else {
			*out++ = *in++;
		}
	}
	*out = '\0';
	return text;
}

/* "36 35 98:0 /root /mount/point options optional... - type source superoptions", split in place */
static bool parse_line(char *line, struct mount *ret)
{
	char *path = NULL, *word, *end;

	ret->id = strtoull(line, &end, 10);
	for (int i = 0; i < 5; i++) {
		path = strsep(&line, " ");
		if (!path)
			return false;
	}
	while ((word = strsep(&line, " ")) && strcmp(word, "-") != 0)
		;
	ret->path = unescape(path);
	ret->type = strsep(&line, " ");
	(void)strsep(&line, " "); /* the source */
	ret->options = line ? line : "";
	return word && ret->type;
}

static bool is_overlay(const struct mount *mount)
{
	return strcmp(mount->type, "overlay") == 0;
}

static int add_mount(struct mounts *mounts, const struct mount *mount)
{
	struct mount *list;

	if (mounts->count == HW_MOUNTS_MAX)
		return -E2BIG;
	list = reallocarray(mounts->list, mounts->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	mounts->list = list;
	list += mounts->count;
	*list = (struct mount){ mount->id, strdup(mount->path), strdup(mount->type), NULL };
	if (is_overlay(mount))
		list->options = strdup(mount->options);
	mounts->count++;
	return list->path && list->type && (list->options || !is_overlay(mount)) ? 0 : -ENOMEM;
}

static int read_mounts(struct mounts *mounts)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	struct mount mount;
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	if (!file)
		return -errno;
	while (r == 0 && getline(&line, &room, file) > 0) {
		if (parse_line(line, &mount))
			r = add_mount(mounts, &mount);
	}
	free(line);
	(void)fclose(file); /* read only */
	return r;
}

static void free_mounts(struct mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		free(mounts->list[i].path);
		free(mounts->list[i].type);
		free(mounts->list[i].options);
	}
	free(mounts->list);
}

/* Returns whether path is dir or below it. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return true;
	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* ---- those that may hang ---- */

#define STACK_MAX 2u /* FILESYSTEM_MAX_STACK_DEPTH (include/linux/fs.h): overlays on overlays */

static bool may_hang(const struct mounts *mounts, const struct mount *mount, unsigned depth);

/* Returns whether the filesystem that this path leads to may hang; also if one that is hidden
 * there may, or if the path is relative to an unknown directory. */
static bool path_may_hang(const struct mounts *mounts, const char *path, unsigned depth)
{
	const struct mount *end = mounts->list + mounts->count;
	bool may = path[0] != '/';
	size_t longest = 0;

	for (const struct mount *mount = mounts->list; mount < end; mount++)
		if (strlen(mount->path) > longest && is_below(path, mount->path))
			longest = strlen(mount->path);
	for (const struct mount *mount = mounts->list; mount < end && !may; mount++)
		may = strlen(mount->path) == longest && is_below(path, mount->path) &&
		      may_hang(mounts, mount, depth);
	return may;
}

/* Takes the first layer of "one:two"; overlayfs writes colons in names as "\:". */
static char *next_layer(char **layers)
{
	char *in = *layers, *out = in, *layer = in;

	while (*in && *in != ':') {
		if (in[0] == '\\' && in[1])
			in++;
		*out++ = *in++;
	}
	*layers = *in ? in + 1 : NULL;
	*out = '\0';
	return layer;
}

/* Returns the layers that an option names, NULL if it names none. */
static char *layers_of(char *option)
{
	static const char *const names[] = { "lowerdir=", "lowerdir+=", "datadir+=", "upperdir=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(option, names[i], strlen(names[i])) == 0)
			return unescape(option + strlen(names[i]));
	return NULL;
}

/* "lowerdir=one:two,upperdir=three": mountinfo writes commas in names as \054. */
static bool layer_may_hang(const struct mounts *mounts, char *options, unsigned depth)
{
	char *option, *layers, *layer;
	bool may = false;

	while (!may && (option = strsep(&options, ",\n"))) {
		layers = layers_of(option);
		while (!may && layers) {
			layer = next_layer(&layers);
			may = *layer && path_may_hang(mounts, layer, depth);
		}
	}
	return may;
}

static bool may_hang(const struct mounts *mounts, const struct mount *mount, unsigned depth)
{
	char *options;
	bool may;

	if (!is_overlay(mount) || depth > STACK_MAX)
		return hw_remote_may_hang(mount->type);
	options = strdup(mount->options);
	may = !options || layer_may_hang(mounts, options, depth + 1);
	free(options);
	return may;
}

bool hw_mounts_may_hang(const char *dir)
{
	return hw_mounts_find_aparts(dir, NULL);
}

bool hw_mounts_find_aparts(const char *dir, struct hw_aparts *aparts)
{
	struct hw_aparts now = { 0 };
	struct mounts mounts = { 0 };
	bool may = read_mounts(&mounts) < 0;

	for (size_t i = 0; i < mounts.count && (aparts || !may); i++) {
		const struct mount *mount = &mounts.list[i];
		bool below = is_below(mount->path, dir);

		if ((!below && !is_below(dir, mount->path)) || !may_hang(&mounts, mount, 0))
			continue;
		may = true;
		if (aparts && below && strcmp(mount->path, dir) != 0)
			(void)hw_aparts_add(&now, mount->id, mount->path); /* the share waits */
	}
	if (aparts)
		hw_aparts_replace(aparts, &now);
	free_mounts(&mounts);
	return may;
}

/* Gets the ID of the mount that is visible at a path. Other mounts may be hidden below it. The
 * order of mountinfo does not show this, because mounts can be moved. */
static bool seen_at(const char *path, uint64_t *ret_id)
{
	struct statx st;
	int r = hw_apart_statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID,
			       &st);

	if (r == -ETIMEDOUT) /* it does not answer, so it is there */
		return true;
	if (r < 0 || !(st.stx_mask & STATX_MNT_ID))
		return false;
	*ret_id = st.stx_mnt_id;
	return true;
}

static const char *type_of(const struct mounts *mounts, const char *dir, uint64_t *ret_id)
{
	for (size_t i = 0; i < mounts->count && seen_at(dir, ret_id); i++) {
		if (mounts->list[i].id == *ret_id)
			return mounts->list[i].type;
	}
	return "unknown";
}

static int walk(const struct mounts *mounts, const char *dir, hw_mount_fn *fn, void *arg)
{
	uint64_t id = 0;
	const char *type = type_of(mounts, dir, &id);
	int r = fn(arg, id, dir, type);

	for (size_t i = 0; i < mounts->count && r >= 0; i++) {
		const struct mount *below = &mounts->list[i];

		id = below->id;
		if (is_below(below->path, dir) && strcmp(below->path, dir) != 0 &&
		    seen_at(below->path, &id) && id == below->id)
			r = fn(arg, id, below->path, below->type);
	}
	return r;
}

int hw_mounts_walk(const char *dir, hw_mount_fn *fn, void *arg)
{
	struct mounts mounts = { 0 };
	char *resolved;
	struct stat st;
	int r;

	hw_away_begin();
	resolved = realpath(dir, NULL);
	r = !resolved || stat(resolved, &st) < 0 ? -errno : 0;
	hw_away_end();
	if (!resolved)
		return r;
	if (r == 0)
		r = S_ISDIR(st.st_mode) ? read_mounts(&mounts) : -ENOTDIR;
	if (r == 0)
		r = walk(&mounts, resolved, fn, arg);
	free_mounts(&mounts);
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
	list->is_file = hw_apart_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
				       STATX_TYPE, &st) == 0 &&
			!S_ISDIR(st.stx_mode);
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

	if (!hw_mount_watch_poll(watch))
		return;
	watch->changed = false;
	if (read_points(watch->dir, &now) < 0)
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
