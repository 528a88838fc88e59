/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define TICK_DEADLINE_NS 2000000000

static struct hw_place places[2];

static bool lies_on(const char *path, long magic)
{
	struct statfs fs;

	return !access(path, W_OK | X_OK) && !statfs(path, &fs) && fs.f_type == magic;
}

static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		slash[slash == path] = '\0';
}

const char *hw_build_dir(void)
{
	static char dir[4096];
	const char *last;

	if (*dir)
		return dir;
	if (readlink("/proc/self/exe", dir, sizeof(dir) - 1) < 0)
		return strcpy(dir, ".");
	cut_last(dir);
	last = strrchr(dir, '/');
	if (last && strcmp(last, "/tests") == 0)
		cut_last(dir);
	return dir;
}

const struct hw_place *hw_scratch_places(unsigned *ret_count)
{
	const char *const disks[] = { "/tmp", "/var/tmp", hw_build_dir(), "." };
	unsigned count = 0;

	for (unsigned i = 0; !count && i < sizeof(disks) / sizeof(*disks); i++)
		if (lies_on(disks[i], EXT4_SUPER_MAGIC))
			places[count++] = (struct hw_place){ .name = "ext4", .path = disks[i] };
	if (!count)
		places[count++] = (struct hw_place){ .name = "disk", .path = hw_build_dir() };
	if (lies_on("/dev/shm", TMPFS_MAGIC))
		places[count++] = (struct hw_place){ .name = "tmpfs", .path = "/dev/shm" };
	*ret_count = count;
	return places;
}

char *hw_scratch_try(const char *parent)
{
	char *path, *real = NULL;
	int error;

	if (asprintf(&path, "%s/hwtest-XXXXXX", parent) < 0)
		return NULL;
	if (mkdtemp(path))
		real = realpath(path, NULL);
	error = errno;
	free(path);
	errno = error;
	return real;
}

char *hw_scratch_create(const char *parent)
{
	char *path = hw_scratch_try(parent);

	if (!path)
		fprintf(stderr, "%s: no directory can be made there: %s\n", parent,
			strerror(errno));
	return path;
}

/* alphasort() depends on the locale, but names are bytes. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int remove_below(int dir, const char *name)
{
	struct dirent **entries;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	int count = scandirat(fd, ".", &entries, no_dots, by_bytes);
	if (count < 0)
		r = -errno;
	for (int i = 0; i < count; i++) {
		if (!r)
			r = hw_scratch_remove_at(fd, entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	(void)close(fd); /* nothing was written */
	return r;
}

int hw_scratch_remove_at(int dir, const char *name)
{
	struct stat st;
	int r = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		if ((st.st_mode & S_IRWXU) != S_IRWXU && fchmodat(dir, name, 0700, 0))
			return -errno;
		r = remove_below(dir, name);
	}
	if (!r && unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0))
		r = -errno;
	return r;
}

void hw_scratch_remove(char *path)
{
	int r = hw_scratch_remove_at(AT_FDCWD, path);

	if (r)
		fprintf(stderr, "%s: not removed: %s\n", path, strerror(-r));
	free(path);
}

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now); /* cannot fail: both clocks exist */
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t hw_clock_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t hw_clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

void hw_clock_tick(void)
{
	int64_t deadline = hw_clock_monotonic_ns() + TICK_DEADLINE_NS;
	int64_t start = hw_clock_realtime_ns();

	/* Ticks may be late, and file times may be finer than a tick: wait until the coarse clock
	 * has passed the current time. */
	while (read_clock(CLOCK_REALTIME_COARSE) <= start && hw_clock_monotonic_ns() < deadline)
		;
}
