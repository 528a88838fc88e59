/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens paths that may not leave a directory. */
#include "apart.h"
#include "cross.h"
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct open_data {
	int flags;
	int fd; /* or -errno */
};

static void call_open(int dir, const char *path, void *arg)
{
	struct open_data *data = arg;
	struct open_how how = {
		.flags = (unsigned)data->flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	data->fd = fd < 0 ? -errno : (int)fd;
}

static void drop_open(void *arg)
{
	const struct open_data *data = arg;

	if (data->fd >= 0)
		(void)close(data->fd);
}

static int open_beneath_short(int dir, const char *path, int flags)
{
	static const struct hw_apart_act act = { call_open, drop_open, sizeof(struct open_data) };
	struct open_data data = { .flags = flags, .fd = -1 };
	int r;

	if (hw_cross_is_guarded())
		return hw_cross_open(dir, path, flags);
	r = hw_apart_call(dir, path, &act, &data);
	return r < 0 ? r : data.fd;
}

/* Returns the length of the longest beginning of path that ends before a slash and fits PATH_MAX.
 * */
static size_t first_part(const char *path, size_t len)
{
	size_t n = len < PATH_MAX ? len : PATH_MAX - 1;

	if (n == len)
		return n;
	while (n && path[n] != '/')
		n--;
	return n;
}

int hw_open_beneath(int root, const char *path, size_t len, int flags)
{
	char part[PATH_MAX];
	int dir = root;

	for (;;) {
		size_t n = first_part(path, len);
		bool last = n == len, fits = n || !len;
		int fd = -ENAMETOOLONG;

		memcpy(part, n ? path : ".", n ? n : 1);
		part[n ? n : 1] = '\0';
		if (fits)
			fd = open_beneath_short(dir, part,
						last ? flags | O_CLOEXEC
						     : O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (dir != root)
			close(dir);
		if (fd < 0 || last)
			return fd;
		dir = fd;
		path += n + 1;
		len -= n + 1;
	}
}
