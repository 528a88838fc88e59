/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flood.h"

#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "x", 1) != 1)
		r = -errno;
	(void)close(fd); /* the result does not matter */
	return r;
}

/* Makes a directory with a file in it, and replaces *dir by its descriptor. */
static int fill_level(int *dir, const char *name)
{
	int below = -1, r = 0;

	if (mkdirat(*dir, name, 0755) ||
	    (below = openat(*dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -errno;
	(void)close(*dir); /* O_PATH */
	*dir = below;
	r = write_file(below, "file");
	return r;
}

int hw_flood_deep(const char *root, unsigned rounds)
{
	static const char *const levels[] = { "a", "b", "c", "d", "e" };
	int r = 0;

	for (unsigned i = 0; !r && i < rounds; i++) {
		char name[16];
		int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			return -errno;
		(void)snprintf(name, sizeof(name), "%05u", i);
		r = fill_level(&dir, name);
		for (unsigned k = 0; !r && k < sizeof(levels) / sizeof(*levels); k++)
			r = fill_level(&dir, levels[k]);
		(void)close(dir); /* O_PATH */
	}
	return r;
}

static int each_dir(const char *root, unsigned dirs, unsigned files,
		    int (*fn)(int root, unsigned i, unsigned files))
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	for (unsigned i = 0; !r && i < dirs; i++)
		r = fn(fd, i, files);
	(void)close(fd); /* O_PATH */
	return r;
}

static int prepare_dir(int root, unsigned i, unsigned files)
{
	char name[32];

	(void)files;
	(void)snprintf(name, sizeof(name), "d%04u", i);
	if (mkdirat(root, name, 0755))
		return -errno;
	(void)snprintf(name, sizeof(name), "d%04u/old", i);
	return write_file(root, name);
}

int hw_flood_prepare(const char *root, unsigned dirs)
{
	return each_dir(root, dirs, 0, prepare_dir);
}

static int fill_dir(int root, unsigned i, unsigned files)
{
	char name[64], other[64];
	int r = 0;

	(void)snprintf(name, sizeof(name), "d%04u/new", i);
	if (mkdirat(root, name, 0755))
		return -errno;
	for (unsigned k = 0; !r && k < files; k++) {
		(void)snprintf(name, sizeof(name), k % 2 ? "d%04u/new/f%05u" : "d%04u/f%05u", i, k);
		r = write_file(root, name);
	}
	(void)snprintf(name, sizeof(name), "d%04u/old", i);
	if (!r && i % 7 == 0 && unlinkat(root, name, 0))
		r = -errno;
	(void)snprintf(name, sizeof(name), "d%04u", i);
	(void)snprintf(other, sizeof(other), "e%04u", i);
	if (!r && i % 11 == 0)
		return hw_scratch_remove_at(root, name);
	if (!r && i % 5 == 0 && renameat(root, name, root, other))
		r = -errno;
	return r;
}

int hw_flood_wide(const char *root, unsigned dirs, unsigned files)
{
	return each_dir(root, dirs, files, fill_dir);
}
