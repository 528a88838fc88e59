/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a process has a file open for writing. */
#include "disk_private.h"
#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool lease_is_unsupported(int error)
{
	return error == EINVAL || error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS;
}

/* Returns 1, 0 or -EOPNOTSUPP. fd: of a regular file. */
static int try_lease(struct hw_disk *disk, int fd, uint16_t fs)
{
	int error;

	hw_away_begin();
	error = fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? errno : 0;
	hw_away_end();
	if (!error)
		return 1; /* close(2) releases the lease */
	if (error == EAGAIN)
		return 0;
	if (!lease_is_unsupported(error))
		return -EOPNOTSUPP;
	disk->filesystems[fs].leases = false;
	return -EOPNOTSUPP;
}

/* Opens the regular file of an O_PATH descriptor. To open a FIFO or a device may block, wake up a
 * process, or have effects, and what has the name now need not be what was examined. */
static int open_file(struct hw_disk *disk, int path_fd)
{
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	struct stat st;
	int fd, r;

	hw_away_begin();
	r = fstat(path_fd, &st);
	hw_away_end();
	if (r < 0)
		return -EOPNOTSUPP;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd); /* fits */
	fd = hw_disk_openat(disk, AT_FDCWD, link, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -EOPNOTSUPP : fd;
}

static int check_writer(struct hw_disk *disk, const struct hw_spot *at, struct hw_stat *stat)
{
	int r = 0, fd;

	if (stat->type == HW_TYPE_NONE)
		r = hw_disk_stat_at(disk, at, stat);
	if (r < 0)
		return r;
	if (stat->type != HW_TYPE_FILE)
		return -ENOENT;
	if (!disk->filesystems[stat->fs].leases)
		return -EOPNOTSUPP;
	fd = open_file(disk, at->fd);
	if (fd < 0)
		return fd;
	r = try_lease(disk, fd, stat->fs);
	hw_away_begin();
	close(fd); /* a FUSE or network filesystem is informed */
	hw_away_end();
	return r;
}

int hw_disk_no_writer(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		      struct hw_stat *stat)
{
	char terminated[HW_NAME_MAX + 1];
	struct hw_stat now = *stat;
	int r, dirfd = hw_disk_dir_and_name(disk, dir, name, len, terminated);

	if (dirfd < 0)
		return dirfd;
	int fd = hw_disk_openat(disk, dirfd, terminated, O_PATH | O_NOFOLLOW);

	if (fd < 0)
		return fd == -ENOENT || fd == -ELOOP ? -ENOENT : -EOPNOTSUPP;
	const struct hw_spot at = { .fd = fd, .name = "", .parent = dirfd, .dir = dir };

	r = check_writer(disk, &at, &now);
	close(fd);
	if (r >= 0)
		*stat = now;
	return r;
}
