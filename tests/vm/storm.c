/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storm DIRECTORY FIRST COUNT: makes COUNT changes of files in 50 directories below DIRECTORY:
 * creates each file with contents, changes its mode, renames it, and removes it. FIRST is the
 * number of the first file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORIES 50u

static int make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = fd < 0 || write(fd, "text\n", 5) != 5 ? -1 : 0;

	return fd < 0 || close(fd) < 0 ? -1 : r;
}

static int change(unsigned which, const char *path, const char *new_path)
{
	switch (which) {
	case 0:
		return make(path);
	case 1:
		return chmod(path, 0600);
	case 2:
		return rename(path, new_path);
	default:
		return unlink(new_path);
	}
}

int main(int argc, char **argv)
{
	unsigned first, count;

	if (argc != 4 || chdir(argv[1]) < 0)
		return 2;
	first = (unsigned)strtoul(argv[2], NULL, 10);
	count = (unsigned)strtoul(argv[3], NULL, 10);
	for (unsigned i = 0; i < count; i++) {
		unsigned file = first + i / 4;
		char directory[32], path[64], new_path[64];

		(void)snprintf(directory, sizeof(directory), "d%u", file % DIRECTORIES);
		(void)snprintf(path, sizeof(path), "%s/%u", directory, file);
		(void)snprintf(new_path, sizeof(new_path), "%s/moved%u", directory, file);
		(void)mkdir(directory, 0755); /* it may exist */
		if (change(i % 4, path, new_path) < 0) {
			perror(path);
			return 1;
		}
	}
	return 0;
}
