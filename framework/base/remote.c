/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remote.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 500
#define LEFT_MAX 256u

/* Those that this kernel provides alone. */
static const char *const local[] = {
	"bcachefs", "bpf",      "btrfs",    "cgroup",      "cgroup2",    "configfs",   "debugfs",
	"devpts",   "devtmpfs", "efivarfs", "erofs",       "exfat",      "ext2",       "ext3",
	"ext4",     "f2fs",     "fusectl",  "hfs",         "hfsplus",    "hugetlbfs",  "iso9660",
	"jfs",      "mqueue",   "nilfs2",   "nsfs",        "ntfs3",      "overlay",    "proc",
	"pstore",   "ramfs",    "reiserfs", "resctrl",     "rootfs",     "securityfs", "selinuxfs",
	"smackfs",  "squashfs", "sysfs",    "tmpfs",       "tracefs",    "ubifs",      "udf",
	"vfat",     "xfs",      "zfs",      "binfmt_misc", "rpc_pipefs",
};

bool hw_remote_may_hang(const char *type)
{
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (strcmp(type, local[i]) == 0)
			return false;
	return true;
}

/* The type follows the separator of the optional fields: "... - type source superoptions" */
static bool line_may_hang(char *line)
{
	char *type = strstr(line, " - ");

	if (!type)
		return true;
	type += 3;
	type[strcspn(type, " ")] = '\0';
	return hw_remote_may_hang(type);
}

bool hw_remote_any(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	bool may = !file;
	char *line = NULL;
	size_t room = 0;

	while (!may && getline(&line, &room, file) > 0)
		may = line_may_hang(line);
	free(line);
	if (file)
		(void)fclose(file); /* read only */
	return may;
}

static int check_dir(void *arg)
{
	const char *path = arg;
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Returns the result of a child, -ETIMEDOUT after a while. */
static int await_child(pid_t pid)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status = 0, r = 0;

	if (ended.fd >= 0)
		while ((r = poll(&ended, 1, PATIENCE_MS)) < 0 && errno == EINTR)
			;
	if (ended.fd < 0 || r <= 0)
		(void)kill(pid, SIGKILL); /* it has not been waited for, so the number is its own */
	if (ended.fd >= 0)
		(void)close(ended.fd);
	/* A process that waits for a server dies at once, with few exceptions. */
	while (waitpid(pid, &status, r > 0 ? 0 : WNOHANG) < 0 && errno == EINTR)
		;
	return r > 0 && WIFEXITED(status) ? -WEXITSTATUS(status) : -ETIMEDOUT;
}

/* A process can be killed while it waits. A thread would stay, and a change of the user waits for
 * all threads. */
int hw_remote_call(int (*fn)(void *arg), void *arg)
{
	pid_t pid = hw_remote_any() ? fork() : -1;

	if (pid < 0)
		return fn(arg);
	if (pid == 0)
		_exit(-fn(arg));
	return await_child(pid);
}

int hw_remote_check_dir(const char *path)
{
	return hw_remote_call(check_dir, (void *)(uintptr_t)path);
}

/* ---- at the end of the process ---- */

static int left_open[LEFT_MAX];
static unsigned left_count;

/* If there are more, the end of the process waits for the filesystem. */
void hw_remote_leave_open(int fd)
{
	if (left_count < LEFT_MAX)
		left_open[left_count++] = fd;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The end of the last process that has the descriptors closes them, and waits. Children that wait
 * for the filesystem also have them, but may be killed before this process has ended. */
static void hold_left(void)
{
	struct pollfd ended = { .events = POLLIN };

	ended.fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (ended.fd < 0 || syscall(SYS_clone, CLONE_FILES, NULL, NULL, NULL, 0L) != 0)
		return;
	while (poll(&ended, 1, -1) < 0 && errno == EINTR)
		;
	_exit(EXIT_SUCCESS);
}

void hw_remote_close_others(void)
{
	unsigned from = 0;

	qsort(left_open, left_count, sizeof(left_open[0]), compare);
	for (unsigned i = 0; i < left_count; i++) {
		unsigned fd = (unsigned)left_open[i];

		if (fd > from)
			(void)close_range(from, fd - 1, 0);
		from = fd + 1;
	}
	(void)close_range(from, ~0u, 0);
	if (left_count)
		hold_left();
}
