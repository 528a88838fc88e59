/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Goes to a directory below another, which is closed. */
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
			       path); /* cut: ENAMETOOLONG */
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

int hw_world_create(struct hw_world *world, const char *parent)
{
	*world = (struct hw_world){ .fd = -1 };
	world->base = hw_scratch_create(parent);
	if (!world->base || asprintf(&world->root, "%s/share", world->base) < 0)
		return -ENOMEM;
	world->fd = open(world->base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (world->fd < 0 || mkdirat(world->fd, "share", 0755) ||
	    mkdirat(world->fd, "outside", 0755))
		return -errno;
	return 0;
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

		(void)umount2(at, MNT_DETACH); /* a failed mount is not there */
		free(at);
	}
	if (world->fd >= 0)
		(void)close(world->fd); /* O_PATH */
	if (world->base)
		hw_scratch_remove(world->base);
	free(world->root);
}
