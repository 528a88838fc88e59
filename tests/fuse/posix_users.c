/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users, access control lists and locks. */
#include "posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- users ---- */

static void become(unsigned user, unsigned group, const gid_t *groups, size_t count)
{
	if (setgroups(count, groups) < 0 || setresgid(group, group, group) < 0 ||
	    setresuid(user, user, user) < 0)
		_exit(99);
}

/* Runs a part as another user. */
static void as(unsigned user, void (*part)(void))
{
	int status = -1;

	(void)fflush(stdout);
	if (geteuid() != 0)
		return;
	if (fork() == 0) {
		const gid_t groups[] = { 1 };

		become(user, user, groups, user == USER);
		part();
		(void)fflush(stdout);
		_exit(0);
	}
	(void)wait(&status);
	if (status)
		(void)printf("status %d\n", status);
}

static void user_part(void)
{
	put("open/mine", "mine");
	show("open/mine");
	SAY(mkdir("open/dir", 0755));
	show("open/dir");
	SAY(symlink("x", "open/link"));
	show("open/link");
	SAY(mkfifo("open/fifo", 0600));
	show("open/fifo");
	SAY_OPEN(open("root", O_RDONLY));
	SAY_OPEN(open("readable", O_RDONLY));
	SAY_OPEN(open("readable", O_WRONLY));
	SAY_OPEN(open("readable", O_RDWR | O_TRUNC));
	SAY_OPEN(open("new", O_WRONLY | O_CREAT, 0600));
	SAY(truncate("readable", 0));
	SAY(chmod("readable", 0666));
	SAY(chown("readable", USER, USER));
	SAY(utimensat(AT_FDCWD, "readable", NULL, 0));
	SAY(unlink("readable"));
	SAY(rename("readable", "open/stolen"));
	SAY(unlink("open/root"));
	SAY(rename("open/root", "open/mine2"));
	SAY(unlink("closed/file"));
	show("closed/file");
	SAY_OPEN(open("closed", O_RDONLY | O_DIRECTORY));
	SAY(mkdir("open/none/x", 0700));
	SAY(chmod("open/mine", 06755));
	show("open/mine");
	SAY(chown("open/mine", (uid_t)-1, 1));
	show("open/mine");
	SAY(chown("open/mine", (uid_t)-1, 2));
	SAY(chown("open/mine", 0, (gid_t)-1));
	SAY(chmod("open/mine", 02755));
	put("open/mine", "written");
	show("open/mine");
	SAY(setxattr("readable", "user.x", "v", 1, 0));
	SAY(setxattr("open/mine", "user.x", "v", 1, 0));
	SAY(setxattr("open/mine", "trusted.x", "v", 1, 0));
	SAY_OPEN(open("group_writable", O_WRONLY));
	put("setgid/file", "");
	show("setgid/file");
	SAY(mkdir("setgid/dir", 0755));
	show("setgid/dir");
	SAY(link("root", "open/hard"));
}

/* A file with the set-user-ID bit loses it when another user writes. */
static void writer_part(void)
{
	int fd = open("suid", O_WRONLY | O_CLOEXEC);

	SAY(write(fd, "x", 1));
	SAY(close(fd));
	show("suid");
}

static void other_part(void)
{
	SAY(unlink("open/mine"));
	SAY(rename("open/mine", "open/taken"));
	SAY_OPEN(open("open/mine", O_WRONLY));
	SAY(rmdir("open/dir"));
	put("open/other", "");
	SAY(unlink("open/other"));
	SAY(access("closed/file", F_OK));
}

void users(void)
{
	(void)umask(022);
	SAY(chmod(".", 0755));
	put("root", "secret");
	SAY(chmod("root", 0600));
	put("readable", "text");
	put("group_writable", "");
	SAY(chown("group_writable", 0, 1));
	SAY(chmod("group_writable", 0660));
	SAY(mkdir("open", 0700));
	SAY(chmod("open", 01777));
	put("open/root", "");
	SAY(mkdir("setgid", 0755));
	SAY(chown("setgid", USER, 1));
	SAY(chmod("setgid", 02775));
	SAY(mkdir("closed", 0700));
	put("closed/file", "");
	put("suid", "program");
	SAY(chmod("suid", 06777));
	as(USER, user_part);
	as(OTHER, writer_part);
	as(OTHER, other_part);
	show("open/mine");
	show("open/dir");
	show("setgid/file");
	show_text("readable");
}

/* ---- access control lists ---- */

struct acl_entry {
	uint16_t tag, permissions;
	uint32_t id;
};

/* As acl(5), in the form that the kernel takes. */
struct acl {
	uint32_t version;
	struct acl_entry entries[5];
};

static int set_acl(const char *name, const char *kind, uint16_t user, uint16_t mask)
{
	const struct acl acl = {
		.version = 2,
		.entries = { { 0x01, 6, UINT32_MAX },
			     { 0x02, user, USER },
			     { 0x04, 4, UINT32_MAX },
			     { 0x10, mask, UINT32_MAX },
			     { 0x20, 0, UINT32_MAX } },
	};

	return setxattr(name, kind, &acl, sizeof(acl), 0);
}

static int read_acl(const char *name, const char *kind)
{
	struct acl acl = { 0 };
	ssize_t n = getxattr(name, kind, &acl, sizeof(acl));

	for (unsigned i = 0; n > 0 && i < 5; i++)
		(void)printf("%x:%x:%x ", acl.entries[i].tag, acl.entries[i].permissions,
			     acl.entries[i].id);
	return (int)n;
}

static void acl_part(void)
{
	SAY_OPEN(open("permitted", O_RDONLY));
	SAY_OPEN(open("permitted", O_WRONLY));
	SAY_OPEN(open("masked", O_WRONLY));
	SAY_OPEN(open("later", O_RDONLY));
	SAY(access("permitted", R_OK | W_OK));
	SAY(access("masked", W_OK));
	SAY_OPEN(open("d/new", O_RDONLY));
}

void access_lists(void)
{
	put("permitted", "text");
	put("masked", "text");
	put("later", "text");
	SAY(chmod("later", 0600));
	SAY(set_acl("permitted", "system.posix_acl_access", 6, 6));
	SAY(set_acl("masked", "system.posix_acl_access", 6, 4));
	show("permitted");
	show("masked");
	SAY(read_acl("permitted", "system.posix_acl_access"));
	SAY(chmod("permitted", 0640));
	SAY(read_acl("permitted", "system.posix_acl_access"));
	SAY(chmod("permitted", 0660));
	SAY(mkdir("d", 0755));
	SAY(set_acl("d", "system.posix_acl_default", 4, 7));
	(void)umask(077);
	put("d/new", "");
	SAY(mkdir("d/sub", 0777));
	(void)umask(022);
	show("d/new");
	show("d/sub");
	SAY(read_acl("d/new", "system.posix_acl_access"));
	SAY(read_acl("d/sub", "system.posix_acl_default"));
	as(USER, acl_part);
	SAY(set_acl("later", "system.posix_acl_access", 4, 4));
	as(USER, acl_part);
	SAY(removexattr("permitted", "system.posix_acl_access"));
	show("permitted");
	as(USER, acl_part);
	SAY(set_acl("permitted", "system.posix_acl_access", 9, 4));
}

/* ---- locks ---- */

static void lock_part(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	int fd = open("lock", O_RDWR | O_CLOEXEC);

	SAY(flock(fd, LOCK_EX | LOCK_NB));
	SAY(flock(fd, LOCK_SH | LOCK_NB));
	SAY(fcntl(fd, F_SETLK, &lock));
	lock.l_start = 100;
	SAY(fcntl(fd, F_SETLK, &lock));
	lock.l_start = 0;
	SAY(fcntl(fd, F_GETLK, &lock));
	SAY(lock.l_type == F_WRLCK);
	lock = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 200 };
	SAY(fcntl(fd, F_OFD_SETLK, &lock));
	SAY(close(fd));
}

void locks(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 50 };
	int fd, status = -1;

	put("lock", "");
	fd = open("lock", O_RDWR | O_CLOEXEC);
	SAY(flock(fd, LOCK_EX));
	SAY(fcntl(fd, F_SETLK, &lock));
	(void)fflush(stdout);
	if (fork() == 0) {
		lock_part();
		(void)fflush(stdout);
		_exit(0);
	}
	SAY(wait(&status) > 0 ? status : -1);
	SAY(flock(fd, LOCK_UN));
	SAY(close(fd));
	fd = open("lock", O_RDONLY | O_CLOEXEC);
	SAY(fcntl(fd, F_SETLEASE, F_RDLCK));
	SAY(fcntl(fd, F_SETLEASE, F_UNLCK));
	SAY(close(fd));
}

void filesystem(void)
{
	struct statvfs st;

	SAY(statvfs(".", &st));
	SAY(st.f_namemax);
	SAY(st.f_blocks > 0 && st.f_bfree <= st.f_blocks && st.f_bsize > 0);
	SAY(sysconf(_SC_PAGESIZE) > 0 && pathconf(".", _PC_NAME_MAX) == NAME_MAX);
}
