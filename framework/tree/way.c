/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "way.h"

#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Newer than the oldest headers that hostwatch is built with. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif

/* Fills the way except for its path. */
static int describe(int fd, struct hw_way *ret, bool *ret_mount_root)
{
	struct statx stx;
	int r;

	hw_away_begin();
	r = statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID_UNIQUE, &stx) < 0 ? -errno : 0;
	hw_away_end();
	if (r < 0)
		return r;
	if (!(stx.stx_mask & STATX_MNT_ID_UNIQUE))
		return -EOPNOTSUPP;
	ret->mount = stx.stx_mnt_id;
	ret->ino = stx.stx_ino;
	ret->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	*ret_mount_root = stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return 0;
}

static int open_path(const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	long fd;

	hw_away_begin();
	do
		fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	hw_away_end();
	return fd < 0 ? -errno : (int)fd;
}

int hw_way_open(const struct hw_way *way)
{
	struct hw_way found = { 0 };
	bool mount_root;
	int fd = open_path(way->path), r;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
	r = describe(fd, &found, &mount_root);
	if (r == 0 && found.mount == way->mount && found.ino == way->ino && found.dev == way->dev)
		return fd;
	(void)close(fd); /* only described */
	return r < 0 ? r : -ESTALE;
}

/* Reads where an open directory is. The text may be wrong, for example in another mount namespace.
 */
static int find_path(int fd, char path[PATH_MAX])
{
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, PATH_MAX - 1);
	if (len < 0)
		return -errno;
	path[len] = '\0';
	return path[0] == '/' && path[1] != '\0' ? 0 : -EOPNOTSUPP;
}

int hw_way_begin(struct hw_way *way, int fd)
{
	struct hw_way to = { 0 };
	char path[PATH_MAX];
	bool mount_root;
	int r, again;

	hw_way_end(way);
	r = describe(fd, &to, &mount_root);
	if (r == 0 && !mount_root)
		r = -EOPNOTSUPP;
	if (r == 0)
		r = find_path(fd, path);
	if (r < 0)
		return r;
	to.path = path;
	again = hw_way_open(&to);
	if (again < 0)
		return again == -ESTALE ? -EOPNOTSUPP : again;
	(void)close(again); /* read only */
	to.path = strdup(path);
	if (!to.path)
		return -ENOMEM;
	*way = to;
	return 0;
}

void hw_way_end(struct hw_way *way)
{
	free(way->path);
	*way = (struct hw_way){ 0 };
}
