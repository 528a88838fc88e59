/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a process has a file open for writing. */
#include "disk_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool lease_is_unsupported(int error)
{
	return error == EINVAL || error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS;
}

/* Opens the regular file of an O_PATH descriptor. To open a FIFO or a device may block, wake up a
 * process, or have effects, and what has the name now need not be what was examined: the type is
 * that of the descriptor. */
static int open_file(int path_fd)
{
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	int fd;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd); /* fits */
	fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return hw_disk_is_short(-errno) ? -errno : -EOPNOTSUPP;
	return fd;
}

struct lease_data {
	int opened; /* 0 or -errno */
	int error; /* of fcntl(2), or 0 */
};

static void call_lease(int path_fd, const char *path, void *arg)
{
	struct lease_data *data = arg;
	int fd = open_file(path_fd);

	(void)path;
	data->opened = fd < 0 ? fd : 0;
	if (fd < 0)
		return;
	data->error = fcntl(fd, F_SETLEASE, F_RDLCK) < 0 ? errno : 0;
	(void)close(fd); /* releases the lease */
}

/* Returns 1, 0 or -EOPNOTSUPP. */
static int try_lease(struct hw_disk *disk, int path_fd, uint16_t fs)
{
	static const struct hw_apart_act act = { call_lease, NULL, sizeof(struct lease_data) };
	struct lease_data data = { .opened = 0 };
	int r = hw_apart_call(path_fd, NULL, &act, &data);

	if (r == 0 && hw_disk_is_short(data.opened) && hw_disk_give_up_cached(disk, -1))
		r = hw_apart_call(path_fd, NULL, &act, &data);
	if (r < 0 || data.opened < 0)
		return -EOPNOTSUPP;
	if (!data.error || data.error == EAGAIN)
		return !data.error;
	if (lease_is_unsupported(data.error))
		disk->filesystems[fs].leases = false;
	return -EOPNOTSUPP;
}

static int check_writer(struct hw_disk *disk, const struct hw_spot *at, struct hw_stat *stat)
{
	int r = hw_disk_stat_at(disk, at, stat);

	if (r < 0)
		return r;
	if (stat->type != HW_TYPE_FILE)
		return -ENOENT;
	if (!disk->filesystems[stat->fs].leases)
		return -EOPNOTSUPP;
	return try_lease(disk, at->fd, stat->fs);
}

int hw_disk_no_writer(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		      struct hw_stat *stat)
{
	char terminated[HW_NAME_MAX + 1];
	struct hw_stat now;
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
