/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scribble.h"

#include "scratch.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 64u

unsigned hw_pick(uint64_t *random, unsigned below)
{
	*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)((*random >> 33) % below);
}

static void pick_path(unsigned flags, uint64_t *random, char *path)
{
	unsigned depth = 1 + hw_pick(random, 3);
	bool outside = hw_pick(random, 12) == 0 && flags & HW_SCRIBBLE_OUTSIDE;
	int at = snprintf(path, PATH_BYTES, "%s", outside ? "outside" : "share");

	while (depth--)
		at += snprintf(path + at, PATH_BYTES - (size_t)at, "/%c",
			       'a' + (int)hw_pick(random, 8));
}

static void write_file(int base, const char *path, int flags, uint64_t *random)
{
	static const char text[] = "some text that is written";
	int fd = openat(base, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0644);

	if (fd < 0)
		return;
	(void)!write(fd, text, 1 + hw_pick(random, sizeof(text) - 1));
	(void)close(fd);
}

static void save(int base, const char *path, uint64_t *random)
{
	char temporary[PATH_BYTES + 4];

	(void)snprintf(temporary, sizeof(temporary), "%s.t", path);
	write_file(base, temporary, O_TRUNC, random);
	if (renameat(base, temporary, base, path) < 0)
		(void)unlinkat(base, temporary, 0);
}

/* Writes as many bytes as there are and sets mtime back, or writes through a mapping. */
static void overwrite(int base, const char *path, unsigned flags, uint64_t *random)
{
	int fd = openat(base, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	unsigned char byte = (unsigned char)('a' + (int)hw_pick(random, 26));
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size) {
		(void)close(fd); /* nothing was written */
		return;
	}
	if (hw_pick(random, 2) || !(flags & HW_SCRIBBLE_OLD_TIMES)) {
		unsigned char *map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (map != MAP_FAILED) {
			*map = byte;
			(void)munmap(map, 1);
		}
	} else {
		const struct timespec times[2] = { st.st_atim, st.st_mtim };

		(void)!pwrite(fd, &byte, 1, 0);
		(void)futimens(fd, times);
	}
	(void)close(fd);
}

void hw_scribble(int base, unsigned flags, uint64_t *random)
{
	char a[PATH_BYTES], b[PATH_BYTES];

	pick_path(flags, random, a);
	pick_path(flags, random, b);
	switch (hw_pick(random, 11)) {
	case 10:
		overwrite(base, a, flags, random);
		break;
	case 0:
	case 1:
		(void)mkdirat(base, a, 0755);
		break;
	case 2:
		write_file(base, a, O_APPEND, random);
		break;
	case 3:
		write_file(base, a, O_TRUNC, random);
		break;
	case 4:
		save(base, a, random);
		break;
	case 5:
	case 6:
		(void)renameat(base, a, base, b);
		break;
	case 7:
		(void)unlinkat(base, a, 0);
		break;
	case 8:
		if (hw_pick(random, 8) == 0)
			(void)hw_scratch_remove_at(base, a);
		else
			(void)unlinkat(base, a, AT_REMOVEDIR);
		break;
	default:
		if (flags & HW_SCRIBBLE_LINKS)
			(void)linkat(base, a, base, b, 0);
	}
}
