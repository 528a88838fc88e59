/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-own DIR ROUNDS [SEED]: does common file operations as fast as possible: create, write, append,
 * truncate, change attributes, rename in all ways, link, make and remove directories. With a seed,
 * does ROUNDS random steps on few names, the same ones for the same seed; steps that are not
 * possible are skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
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
	/* like a save by an editor */
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

/* ---- random steps ---- */

static uint64_t seed;

static unsigned dice(unsigned sides)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % sides;
}

/* Data is written only through watched names: hostwatch would report it under the other names. */
static const char *any_name(bool watched)
{
	static const char *const names[] = { "a", "b", "c", "d/a", "d/b" };

	return names[dice(watched ? 3 : 5)];
}

/* virtiofsd of QEMU 7.2 exits if it creates a file without O_EXCL that the host has made
 * meanwhile. */
static int open_to_write(const char *name, int flags)
{
	int excl = flags & O_CREAT ? O_EXCL : 0;
	int fd = open(name, O_WRONLY | O_CLOEXEC | flags | excl, 0644);

	if (fd < 0 && excl && errno == EEXIST)
		fd = open(name, O_WRONLY | O_CLOEXEC | (flags & ~O_CREAT));
	return fd;
}

static void maybe_write(const char *name, int flags)
{
	static const char text[] = "text\n";
	int fd = open_to_write(name, flags);

	if (fd < 0)
		return;
	/* the file may be gone */
	if (write(fd, text, 1 + dice(sizeof(text) - 1)) < 0)
		(void)lseek(fd, 0, SEEK_SET);
	(void)close(fd);
}

static int change(const char *name)
{
	const struct timespec times[2] = { { .tv_sec = dice(1000000) },
					   { .tv_sec = dice(1000000) } };

	switch (dice(3)) {
	case 0:
		return chmod(name, dice(2) ? 0700 : 0744);
	case 1:
		return truncate(name, dice(20));
	default:
		return utimensat(AT_FDCWD, name, times, 0);
	}
}

static int change_name(const char *name)
{
	const char *other = any_name(false);

	switch (dice(8)) {
	case 0:
		return link(name, other);
	case 1:
		return symlink("nowhere", name);
	case 2:
		return mkdir(name, 0755);
	case 3:
		return renameat2(AT_FDCWD, name, AT_FDCWD, other, RENAME_EXCHANGE);
	case 4:
		return rename(name, other);
	case 5:
		maybe_write("new", O_CREAT);
		return rename("new", name);
	default:
		return remove(name);
	}
}

static void one_step(void)
{
	int r = 0;

	switch (dice(4)) {
	case 0:
		maybe_write(any_name(true), O_CREAT);
		break;
	case 1:
		maybe_write(any_name(true), O_APPEND);
		break;
	case 2:
		r = change(any_name(true));
		break;
	default:
		r = change_name(any_name(false));
		break;
	}
	(void)r; /* impossible steps are skipped */
}

int main(int argc, char **argv)
{
	void (*one)(void) = argc > 3 ? one_step : one_round;

	if (argc < 3)
		return 2;
	must(chdir(argv[1]), argv[1]);
	seed = argc > 3 ? (uint64_t)atoi(argv[3]) : 0;
	if (argc > 3)
		(void)mkdir("d", 0755); /* it may exist */
	for (int round = atoi(argv[2]); round > 0; round--)
		one();
	return 0;
}
