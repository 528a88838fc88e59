/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and attributes. */
#include "posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- names ---- */

void renames(void)
{
	put("a", "a");
	put("b", "b");
	SAY(mkdir("d", 0755));
	SAY(mkdir("e", 0755));
	SAY(mkdir("d/full", 0755));
	SAY(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	SAY(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
	SAY(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_EXCHANGE));
	show_text("b");
	SAY(renameat2(AT_FDCWD, "c", AT_FDCWD, "none", RENAME_EXCHANGE));
	SAY(renameat2(AT_FDCWD, "c", AT_FDCWD, "d", RENAME_EXCHANGE));
	show("c");
	SAY(renameat2(AT_FDCWD, "c", AT_FDCWD, "d", RENAME_EXCHANGE));
	SAY(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_EXCHANGE | RENAME_NOREPLACE));
	SAY(rename("none", "x"));
	SAY(rename("b", "d"));
	SAY(rename("d", "b"));
	SAY(rename("e", "d"));
	SAY(rename("d", "e"));
	show("e/full");
	SAY(rename("e", "e/full/x"));
	SAY(rename("b", "b"));
	SAY(link("b", "b2"));
	SAY(rename("b", "b2"));
	show("b");
	SAY(rename("b", "c"));
	show("c");
	SAY(rename("c", "none/c"));
	SAY(rename("c", "c/c"));
	SAY(rmdir("e"));
	SAY(rmdir("b2"));
	SAY(unlink("e"));
	SAY(unlink("none"));
	SAY(rmdir("."));
}

void links(void)
{
	struct stat a, b;
	int fd;

	put("a", "text");
	SAY(link("a", "b"));
	SAY(link("a", "b"));
	SAY(stat("a", &a));
	SAY(stat("b", &b));
	SAY(a.st_ino == b.st_ino && a.st_nlink == 2 && b.st_nlink == 2);
	SAY(chmod("b", 0600));
	show("a");
	SAY(unlink("a"));
	show("b");
	SAY(mkdir("d", 0755));
	SAY(link("d", "e"));
	SAY(link("none", "e"));
	SAY(symlink("b", "s"));
	SAY(link("s", "s2"));
	show("s2");
	SAY(linkat(AT_FDCWD, "s", AT_FDCWD, "b3", AT_SYMLINK_FOLLOW));
	show("b3");
	SAY(rename("b", "d/b"));
	SAY(stat("d/b", &b));
	SAY(a.st_ino == b.st_ino);
	SAY(link("d/b", "d/n"));
	SAY(mkdir("d/s", 0755));
	SAY(stat("d", &a));
	SAY(stat(".", &b));
	fd = open("b3", O_RDONLY | O_CLOEXEC);
	SAY(fstat(fd, &a));
	SAY(a.st_nlink);
	SAY(unlink("d/n"));
	SAY(fstat(fd, &a));
	SAY(a.st_nlink);
	SAY(close(fd));
}

void unlinked(void)
{
	int fd = open("a", O_RDWR | O_CREAT | O_CLOEXEC, 0600), dir;
	char buf[8] = "";
	struct stat st;

	SAY(write(fd, "text", 4));
	SAY(unlink("a"));
	SAY(fstat(fd, &st));
	SAY(st.st_nlink);
	SAY(pread(fd, buf, 4, 0));
	(void)printf("%s\n", buf);
	SAY(write(fd, "more", 4));
	SAY(fchmod(fd, 0644));
	SAY(ftruncate(fd, 6));
	SAY(fstat(fd, &st));
	(void)printf("%o %lld\n", st.st_mode, (long long)st.st_size);
	put("a", "another");
	SAY(pread(fd, buf, 6, 0));
	(void)printf("%s\n", buf);
	show_text("a");
	SAY(close(fd));
	fd = open("a", O_RDONLY | O_CLOEXEC);
	put("b", "over");
	SAY(rename("b", "a"));
	SAY(pread(fd, buf, 7, 0));
	(void)printf("%s\n", buf);
	SAY(fstat(fd, &st));
	SAY(st.st_nlink);
	SAY(close(fd));
	SAY(mkdir("d", 0755));
	dir = open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SAY(rmdir("d"));
	SAY_OPEN(openat(dir, "x", O_RDWR | O_CREAT, 0600));
	SAY(mkdirat(dir, "x", 0700));
	SAY(fstat(dir, &st));
	SAY(st.st_nlink);
	SAY(close(dir));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void listings(void)
{
	struct dirent **found = NULL;
	char name[16];
	struct stat st;
	DIR *dir;
	int n, same = 0;

	for (int i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "f%03d", i);
		put(name, "");
	}
	n = scandir(".", &found, NULL, by_name);
	SAY(n);
	for (int i = 0; i < n; i++) {
		if (stat(found[i]->d_name, &st) == 0 && found[i]->d_ino == st.st_ino)
			same++;
		free(found[i]);
	}
	free(found);
	SAY(same == n || same == n - 1); /* ".." of a mount may be another */
	dir = opendir(".");
	SAY(dir ? 0 : -1);
	if (!dir)
		return;
	(void)readdir(dir);
	for (int i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "f%03d", i);
		(void)unlink(name);
	}
	rewinddir(dir);
	n = 0;
	while (readdir(dir))
		n++;
	SAY(n);
	put("new", "");
	rewinddir(dir);
	n = 0;
	while (readdir(dir))
		n++;
	SAY(n);
	(void)closedir(dir); /* only read */
}

/* ---- attributes ---- */

void modes(void)
{
	(void)umask(027);
	put("a", "x");
	SAY(mkdir("d", 0777));
	SAY(mkfifo("fifo", 0666));
	SAY(mknod("node", S_IFREG | 0666, 0));
	show("a");
	show("d");
	show("fifo");
	show("node");
	(void)umask(0);
	SAY(mkdir("open", 01777));
	show("open");
	SAY(chmod("a", 06755));
	show("a");
	put("a", "written by root");
	show("a");
	SAY(chmod("d", 02755));
	put("d/f", "");
	SAY(mkdir("d/sub", 0755));
	show("d/sub");
	SAY(chmod("none", 0600));
	SAY(fchmodat(AT_FDCWD, "fifo", 0601, 0));
	show("fifo");
	SAY(chown("a", USER, OTHER));
	show("a");
	SAY(symlink("a", "s"));
	SAY(lchown("s", USER, USER));
	show("s");
	show("a");
	SAY(mknod("null", S_IFCHR | 0666, 0x103));
	show("null");
	(void)umask(022);
}

void times(void)
{
	const struct timespec set[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	const struct timespec omit[2] = { { 0, UTIME_OMIT }, { 1200000000, 5 } };
	const struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };
	struct stat before, after;

	put("a", "text");
	SAY(utimensat(AT_FDCWD, "a", set, 0));
	show_times("a");
	SAY(utimensat(AT_FDCWD, "a", omit, 0));
	show_times("a");
	SAY(symlink("a", "s"));
	SAY(utimensat(AT_FDCWD, "s", set, AT_SYMLINK_NOFOLLOW));
	show_times("s");
	show_times("a");
	SAY(utimensat(AT_FDCWD, "a", now, 0));
	SAY(stat("a", &after));
	SAY(after.st_atim.tv_sec > 1200000000 && after.st_mtim.tv_sec == 1200000000);
	SAY(utimensat(AT_FDCWD, "a", set, 0));
	SAY(stat("a", &before));
	put("a", "more");
	SAY(stat("a", &after));
	SAY(after.st_mtim.tv_sec > before.st_mtim.tv_sec);
	SAY(utimensat(AT_FDCWD, ".", set, 0));
	put("new", "");
	SAY(stat(".", &after));
	SAY(after.st_mtim.tv_sec > 1200000000);
	SAY(utimensat(AT_FDCWD, "none", set, 0));
}

void extended_attributes(void)
{
	char buf[64] = "";
	static char large[4000];

	put("a", "");
	SAY(setxattr("a", "user.one", "value", 5, 0));
	SAY(setxattr("a", "user.one", "v", 1, XATTR_CREATE));
	SAY(setxattr("a", "user.two", "v", 1, XATTR_REPLACE));
	SAY(setxattr("a", "user.two", large, 2000, 0));
	SAY(getxattr("a", "user.one", buf, sizeof(buf)));
	(void)printf("%s\n", buf);
	SAY(getxattr("a", "user.one", NULL, 0));
	SAY(getxattr("a", "user.one", buf, 2));
	SAY(getxattr("a", "user.none", buf, sizeof(buf)));
	SAY(listxattr("a", NULL, 0));
	SAY(listxattr("a", buf, sizeof(buf)));
	SAY(removexattr("a", "user.two"));
	SAY(removexattr("a", "user.two"));
	SAY(listxattr("a", buf, sizeof(buf)));
	SAY(setxattr("a", "nonsense", "v", 1, 0));
	SAY(setxattr("a", "trusted.t", "v", 1, 0));
	SAY(setxattr("a", "security.t", "v", 1, 0));
	SAY(getxattr("a", "security.t", buf, sizeof(buf)));
	SAY(symlink("a", "s"));
	SAY(lsetxattr("s", "user.s", "v", 1, 0));
	SAY(lsetxattr("s", "trusted.s", "v", 1, 0));
	SAY(lgetxattr("s", "trusted.s", buf, sizeof(buf)));
	SAY(setxattr("s", "user.s", "v", 1, 0));
	SAY(getxattr("a", "user.s", buf, sizeof(buf)));
	SAY(mkdir("d", 0755));
	SAY(setxattr("d", "user.d", "v", 1, 0));
	SAY(rename("a", "d/a"));
	SAY(getxattr("d/a", "user.one", buf, sizeof(buf)));
}
