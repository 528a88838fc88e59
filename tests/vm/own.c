/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-own DIR ROUNDS: what programs do with files, as fast as it goes: create, write, append,
 * truncate, change, rename in all ways, link, make and remove.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int must(int r, const char *what)
{
	if (r >= 0)
		return r;
	perror(what);
	exit(1);
}

static void write_file(const char *name, int flags, const char *text)
{
	int fd = must(open(name, O_WRONLY | O_CLOEXEC | flags, 0644), name);

	must((int)write(fd, text, strlen(text)), "write");
	must(close(fd), "close");
}

static void one_round(void)
{
	const struct timespec times[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

	write_file("file", O_CREAT | O_EXCL, "text\n");
	write_file("file", O_APPEND, "more\n");
	must(truncate("file", 3), "truncate");
	must(chmod("file", 0600), "chmod");
	must(utimensat(AT_FDCWD, "file", times, 0), "utimensat");
	/* as editors save */
	write_file(".tmp", O_CREAT | O_EXCL, "new text\n");
	must(rename(".tmp", "file"), "rename over");
	must(mkdir("sub", 0755), "mkdir");
	must(rename("file", "sub/moved"), "rename into");
	must(rename("sub", "dir"), "rename of a directory");
	must(link("dir/moved", "hard"), "link");
	must(symlink("hard", "soft"), "symlink");
	must(unlink("dir/moved"), "unlink");
	must(rename("hard", "back"), "rename");
	must(rmdir("dir"), "rmdir");
	must(unlink("soft"), "unlink");
	must(unlink("back"), "unlink");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	must(chdir(argv[1]), argv[1]);
	for (int round = atoi(argv[2]); round > 0; round--)
		one_round();
	return 0;
}
