/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuse-posix DIR: makes system calls in the empty directory DIR and prints what each returns, and
 * what it leaves. The output for two filesystems is the same if they behave alike. Parts run as
 * other users, if this runs as root.
 */
#include "posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void say(const char *call, long long result)
{
	const int error = errno;

	if (result < 0)
		(void)printf("%s: %s\n", call, strerrorname_np(error));
	else
		(void)printf("%s: %lld\n", call, result);
}

void say_open(const char *call, int fd)
{
	say(call, fd < 0 ? fd : 0);
	if (fd >= 0)
		(void)close(fd); /* the result is printed by the caller */
}

void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd) < 0)
		(void)printf("put %s: %s\n", name, strerrorname_np(errno));
}

void show_text(const char *name)
{
	char buf[256] = "";
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0)
		(void)printf("%s: %s\n", name, strerrorname_np(errno));
	else
		(void)printf("%s has %zd bytes: %s\n", name, n, buf);
	if (fd >= 0)
		(void)close(fd); /* only read */
}

void show(const char *name)
{
	struct stat st;

	if (lstat(name, &st) < 0)
		(void)printf("%s: %s\n", name, strerrorname_np(errno));
	else
		(void)printf("%s: %o %u:%u links %lu size %lld\n", name, st.st_mode, st.st_uid,
			     st.st_gid, S_ISDIR(st.st_mode) ? 0ul : (unsigned long)st.st_nlink,
			     S_ISDIR(st.st_mode) ? 0ll : (long long)st.st_size);
}

void show_times(const char *name)
{
	struct stat st;

	if (lstat(name, &st) == 0)
		(void)printf("%s: atime %lld.%09ld mtime %lld.%09ld\n", name,
			     (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
			     (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "open flags", open_flags },
	{ "long names", long_names },
	{ "appending", appending },
	{ "appending together", appending_together },
	{ "sizes", sizes },
	{ "sparse", sparse },
	{ "direct", direct },
	{ "mapped", mapped },
	{ "renames", renames },
	{ "links", links },
	{ "unlinked", unlinked },
	{ "listings", listings },
	{ "modes", modes },
	{ "times", times },
	{ "extended attributes", extended_attributes },
	{ "users", users },
	{ "access control lists", access_lists },
	{ "locks", locks },
	{ "filesystem", filesystem },
};

int main(int argc, char **argv)
{
	int base;

	if (argc != 2)
		return 2;
	base = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)umask(022);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char name[16];

		(void)printf("---- %s\n", parts[i].name);
		(void)snprintf(name, sizeof(name), "%zu", i);
		if (fchdir(base) < 0 || mkdir(name, 0755) < 0 || chdir(name) < 0)
			return 1;
		parts[i].run();
	}
	return 0;
}
