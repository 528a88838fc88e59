/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000u
#endif

/* The type and source follow " - " in a line of mountinfo: proc(5). */
static bool read_line(char *line, unsigned long long id, struct hw_mountinfo *info)
{
	char *tail = strstr(line, " - ");
	char *end;

	if (strtoull(line, &end, 10) != id || *end != ' ' || !tail)
		return false;
	return sscanf(tail + 3, "%255s %255s", info->type, info->source) == 2;
}

static void read_names(unsigned long long id, struct hw_mountinfo *info)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return;
	while (getline(&line, &size, file) > 0)
		if (read_line(line, id, info))
			break;
	free(line);
	(void)fclose(file); /* only read from */
}

static int look(int dir, const char *path, struct statx *ret)
{
	const unsigned mask = STATX_TYPE | STATX_INO | STATX_MNT_ID;

	if (statx(dir, path, AT_STATX_DONT_SYNC | (*path ? 0 : AT_EMPTY_PATH), mask, ret) < 0)
		return -errno;
	return S_ISDIR(ret->stx_mode) ? 0 : -ENOTDIR;
}

static uint64_t dev_of(const struct statx *stx)
{
	return (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor;
}

/* The inode number of the root of a FUSE mount is 1 until the server was asked for it. */
static bool is_same(const struct statx *stx, const struct hw_mountinfo *before)
{
	if (dev_of(stx) != before->dev)
		return false;
	return before->is_root ? (stx->stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0
			       : stx->stx_ino == before->ino;
}

bool hw_mountinfo_same(const char *path, const struct hw_mountinfo *before)
{
	struct statx stx;

	return look(AT_FDCWD, path, &stx) == 0 && is_same(&stx, before);
}

int hw_mountinfo_open(const char *path, const struct hw_mountinfo *before)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statx stx;

	if (fd < 0)
		return -ENODEV;
	if (look(fd, "", &stx) == 0 && is_same(&stx, before))
		return fd;
	(void)close(fd); /* nothing was written */
	return -ENODEV;
}

int hw_mountinfo_get(const char *path, struct hw_mountinfo *ret)
{
	struct hw_mountinfo info = { 0 };
	struct statvfs vfs;
	struct statx stx;

	int r = look(AT_FDCWD, path, &stx);

	if (r < 0)
		return r;
	if (statvfs(path, &vfs) < 0)
		return -errno;
	info.read_only = (vfs.f_flag & ST_RDONLY) != 0;
	info.is_root = (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
	info.dev = dev_of(&stx);
	info.ino = stx.stx_ino;
	if (stx.stx_mask & STATX_MNT_ID)
		read_names(stx.stx_mnt_id, &info);
	*ret = info;
	return 0;
}
