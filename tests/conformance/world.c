/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a directory below `dir`, and closes `dir`. */
static int enter(int dir, const char *name, bool make)
{
	int next = -1;

	if (!make || !mkdirat(dir, name, 0755) || errno == EEXIST)
		next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int saved = errno;
	(void)close(dir); /* O_PATH */
	errno = saved;
	return next;
}

int hw_world_resolve(const struct hw_world *world, bool outside, const char *path, bool make,
		     struct hw_spot *ret)
{
	int dir =
		openat(world->fd, outside ? "outside" : "share", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *slash;

	while (dir >= 0 && (slash = strchr(path, '/'))) {
		char name[HW_LEAF_MAX];

		(void)snprintf(name, sizeof(name), "%.*s", (int)(slash - path),
			       path); /* truncated if too long: ENAMETOOLONG */
		dir = enter(dir, name, make);
		path = slash + 1;
	}
	if (dir < 0)
		return -errno;
	ret->dir = dir;
	(void)snprintf(ret->leaf, sizeof(ret->leaf), "%s", *path ? path : ".");
	(void)snprintf(ret->proc, sizeof(ret->proc), "/proc/self/fd/%d/%s", dir, ret->leaf);
	return 0;
}

static int make_both(struct hw_world *world, const char *where)
{
	world->fd = open(where, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (world->fd < 0 || mkdirat(world->fd, "share", 0755) ||
	    mkdirat(world->fd, "outside", 0755))
		return -errno;
	return 0;
}

/* Makes the directories of the layers. Only the lower layer may be on another filesystem. */
static int make_layers(struct hw_world *world)
{
	static const char *const names[] = { "upper", "work", "merged" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", world->base, names[i]);
		if (mkdir(path, 0755))
			return -errno;
	}
	world->lower = hw_scratch_create(world->place->lower);
	return world->lower ? 0 : -ENOMEM;
}

int hw_world_create(struct hw_world *world, const struct hw_place *place)
{
	*world = (struct hw_world){ .fd = -1, .place = place };
	world->base = hw_scratch_create(place->path);
	if (!world->base ||
	    asprintf(&world->root, "%s%s/share", world->base, place->lower ? "/merged" : "") < 0)
		return -ENOMEM;
	if (!place->lower)
		return make_both(world, world->base);
	int r = make_layers(world);

	if (!r)
		r = make_both(world, world->lower);
	return r || place->in_lower ? r : hw_world_merge(world);
}

int hw_world_merge(struct hw_world *world)
{
	char *options, *merged;
	int r = 0;

	if (!world->lower || world->merged)
		return 0;
	if (asprintf(&options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work%s", world->lower,
		     world->base, world->base, world->place->options) < 0)
		return -ENOMEM;
	if (asprintf(&merged, "%s/merged", world->base) < 0) {
		free(options);
		return -ENOMEM;
	}
	if (mount("hwtest", merged, "overlay", 0, options))
		r = -errno;
	world->merged = !r;
	(void)close(world->fd); /* O_PATH */
	world->fd = open(merged, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (world->fd < 0)
		r = r ? r : -errno;
	free(options);
	free(merged);
	return r;
}

static void unmerge(struct hw_world *world)
{
	char merged[PATH_MAX];

	(void)snprintf(merged, sizeof(merged), "%s/merged", world->base);
	if (world->merged && umount2(merged, MNT_DETACH))
		perror(merged);
	if (world->lower)
		hw_scratch_remove(world->lower);
}

void hw_world_remove(struct hw_world *world)
{
	for (unsigned i = 0; i < HW_WORLD_HANDLES; i++)
		if (world->handles[i].name) {
			(void)close(world->handles[i].fd); /* the test is over */
			free(world->handles[i].name);
		}
	while (world->mount_count) {
		char *at = world->mounts[--world->mount_count];

		(void)umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW); /* fails if the mount failed */
		free(at);
	}
	if (world->fd >= 0)
		(void)close(world->fd); /* O_PATH */
	if (world->base) {
		unmerge(world);
		hw_scratch_remove(world->base);
	}
	free(world->root);
}
