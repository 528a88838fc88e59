/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cross.h"

#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

static _Thread_local bool guarded;

void hw_cross_guard(bool on)
{
	guarded = on;
}

bool hw_cross_is_guarded(void)
{
	return guarded;
}

/* ---- which mounts are local ---- */

enum kind { UNKNOWN, LOCAL, REMOTE };

struct known {
	uint64_t id; /* STATX_MNT_ID */
	enum kind kind;
};

static struct known *known; /* sorted */
static size_t known_count;
static int changes = -1; /* mountinfo as of the last look: polled for an exceptional condition */

static int by_id(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int take(const struct hw_mountinfo *mounts)
{
	struct known *list = calloc(mounts->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < mounts->count; i++) {
		const struct hw_mount *mount = &mounts->list[i];

		list[i].id = mount->id;
		list[i].kind = hw_mountinfo_may_hang(mounts, mount) ? REMOTE : LOCAL;
	}
	qsort(list, mounts->count, sizeof(*list), by_id);
	free(known);
	known = list;
	known_count = mounts->count;
	return 0;
}

/* Opens mountinfo before it is read, so that later changes are seen. Anew each time: the process
 * may have entered another mount namespace. */
static int look(void)
{
	struct hw_mountinfo mounts = { 0 };
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : hw_mountinfo_read(&mounts);

	if (r == 0)
		r = take(&mounts);
	hw_mountinfo_free(&mounts);
	if (changes >= 0)
		(void)close(changes); /* read only, like the next one */
	changes = fd;
	if (r < 0 && fd >= 0) {
		(void)close(fd);
		changes = -1;
	}
	return r;
}

static bool has_changed(void)
{
	struct pollfd mounts = { .fd = changes, .events = POLLPRI };

	return changes < 0 || poll(&mounts, 1, 0) != 0;
}

static enum kind kind_of(uint64_t mount)
{
	const struct known key = { .id = mount };
	const struct known *found =
		known ? bsearch(&key, known, known_count, sizeof(*known), by_id) : NULL;

	return found ? found->kind : UNKNOWN;
}

/* mountinfo lists neither mounts of other namespaces, to which links of procfs lead, nor one that
 * was detached since: the path leads from a listed mount to the latter only. */
int hw_cross_check(uint64_t from, uint64_t mount)
{
	enum kind kind;

	if (!mount) /* before Linux 5.8 */
		return 0;
	if (has_changed() && look() < 0)
		return -ETIMEDOUT;
	kind = kind_of(mount);
	if (kind == UNKNOWN && look() < 0)
		return -ETIMEDOUT;
	kind = kind_of(mount);
	return kind == LOCAL || (kind == UNKNOWN && kind_of(from) == UNKNOWN) ? 0 : -ETIMEDOUT;
}

/* ---- paths ---- */

static int open_with(int dirfd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC, .resolve = resolve };
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

static uint64_t mount_of(int fd)
{
	struct statx stx;
	int r = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx);

	return r < 0 || !(stx.stx_mask & STATX_MNT_ID) ? 0 : stx.stx_mnt_id;
}

/* Opens one name, which is or was a mount point, with O_PATH. */
static int enter(int dirfd, const char *name, int flags)
{
	int fd = open_with(dirfd, name, flags | O_PATH | O_NOFOLLOW, BENEATH), r;

	if (fd < 0)
		return fd;
	r = hw_cross_check(mount_of(dirfd), mount_of(fd));
	if (r == 0)
		return fd;
	(void)close(fd); /* O_PATH */
	return r;
}

/* Opens one name with O_PATH. */
static int step(int dirfd, const char *name, int flags)
{
	int fd = open_with(dirfd, name, flags | O_PATH | O_NOFOLLOW, BENEATH | RESOLVE_NO_XDEV);

	return fd == -EXDEV ? enter(dirfd, name, flags) : fd;
}

/* Opens what an O_PATH descriptor, which it takes over, refers to. */
static int reopen(int fd, int flags)
{
	int r;

	if (fd < 0 || flags & O_PATH)
		return fd;
	r = openat(fd, ".", flags | O_CLOEXEC);
	if (r < 0)
		r = -errno;
	(void)close(fd); /* O_PATH */
	return r;
}

/* Opens one name after the other. */
static int walk(int dirfd, const char *path, int flags)
{
	char name[NAME_MAX + 1];
	int at = dirfd, next;
	size_t len;

	for (; (len = strcspn(path, "/")) < sizeof(name); path += len + 1) {
		bool last = path[len] == '\0';

		memcpy(name, path, len);
		name[len] = '\0';
		next = step(at, name, last ? flags & O_DIRECTORY : O_DIRECTORY);
		if (at != dirfd)
			(void)close(at); /* O_PATH */
		if (next < 0 || last)
			return reopen(next, flags);
		at = next;
	}
	if (at != dirfd)
		(void)close(at);
	return -ENAMETOOLONG;
}

int hw_cross_open(int dirfd, const char *path, int flags)
{
	int fd = open_with(dirfd, path, flags, BENEATH | RESOLVE_NO_XDEV);

	return fd == -EXDEV ? walk(dirfd, path, flags) : fd;
}

int hw_cross_statx(const char *path, unsigned mask, struct statx *ret)
{
	int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r;

	if (top < 0)
		return -errno;
	fd = hw_cross_open(top, path[1] ? path + 1 : ".", O_PATH | O_NOFOLLOW);
	(void)close(top); /* O_PATH, like the next one */
	if (fd < 0)
		return fd;
	r = statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, mask, ret) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}
