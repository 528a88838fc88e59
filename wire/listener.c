/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the program that listens on a unix socket was killed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/listen.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS_MAX 16u
#define LISTENS 0x10000u /* __SO_ACCEPTCON in /proc/net/unix */

/* ---- processes ---- */

/* Its parent may not have waited for it, and one of its threads may be in a system call that does
 * not return. */
static bool is_dying(pid_t pid)
{
	char path[40], line[256];
	bool dying = false;
	FILE *from;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	from = fopen(path, "re");
	while (from && !dying && fgets(line, sizeof(line), from))
		dying = strncmp(line, "State:\tZ", 8) == 0 || strncmp(line, "State:\tX", 8) == 0 ||
			(strncmp(line, "SigPnd:", 7) == 0 &&
			 strtoull(line + 7, NULL, 16) >> (SIGKILL - 1) & 1);
	if (from)
		(void)fclose(from); /* read only */
	return dying;
}

bool hw_process_was_killed(pid_t pid)
{
	return pid > 0 && ((kill(pid, 0) < 0 && errno == ESRCH) || is_dying(pid));
}

/* ---- the sockets of a path ---- */

/* Their inode numbers. What is left of a process that was killed may have one of the same path as a
 * process that runs. */
struct sockets {
	unsigned long numbers[SOCKETS_MAX];
	size_t count;
};

static void take_line(struct sockets *sockets, const char *line, const char *path)
{
	unsigned long number;
	unsigned flags;
	int at = 0;

	if (sscanf(line, "%*s %*s %*s %x %*s %*s %lu %n", &flags, &number, &at) == 2 && at &&
	    flags & LISTENS && strcmp(line + at, path) == 0 && sockets->count < SOCKETS_MAX)
		sockets->numbers[sockets->count++] = number;
}

static void find_sockets(struct sockets *ret, const char *path)
{
	FILE *from = fopen("/proc/net/unix", "re");
	char line[512];

	ret->count = 0;
	while (from && fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\n")] = '\0';
		take_line(ret, line, path);
	}
	if (from)
		(void)fclose(from); /* read only */
}

static bool is_one(const struct sockets *sockets, const char *link)
{
	unsigned long number;

	if (sscanf(link, "socket:[%lu]", &number) != 1)
		return false;
	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->numbers[i] == number)
			return true;
	return false;
}

/* ---- who has it ---- */

/* Returns whether one of these descriptors is one of the sockets. If they cannot be read, none is.
 */
static bool is_in(int proc, const char *fds, const struct sockets *sockets)
{
	int dir = openat(proc, fds, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = dir < 0 ? NULL : fdopendir(dir);
	const struct dirent *entry;
	char link[64];
	bool found = false;

	while (stream && !found && (entry = readdir(stream))) {
		ssize_t len = readlinkat(dir, entry->d_name, link, sizeof(link) - 1);

		link[len < 0 ? 0 : len] = '\0';
		found = is_one(sockets, link);
	}
	if (stream)
		(void)closedir(stream);
	else if (dir >= 0)
		(void)close(dir); /* nothing was read */
	return found;
}

/* The first thread of a process may have ended before the one that has the descriptors. */
static bool has_thread_with(int proc, const char *pid, const struct sockets *sockets)
{
	char name[600];
	DIR *stream;
	const struct dirent *entry;
	bool found = false;
	int dir;

	(void)snprintf(name, sizeof(name), "%.255s/task", pid);
	dir = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stream = dir < 0 ? NULL : fdopendir(dir);
	while (stream && !found && (entry = readdir(stream))) {
		(void)snprintf(name, sizeof(name), "%.255s/task/%.255s/fd", pid, entry->d_name);
		found = entry->d_name[0] != '.' && is_in(proc, name, sockets);
	}
	if (stream)
		(void)closedir(stream);
	else if (dir >= 0)
		(void)close(dir); /* nothing was read */
	return found;
}

/* Returns whether there are such processes, and each was killed. */
static bool are_dying(int proc, DIR *stream, const struct sockets *sockets)
{
	const struct dirent *entry;
	bool any = false;

	while ((entry = readdir(stream))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		char fds[300];

		if (pid <= 0)
			continue;
		(void)snprintf(fds, sizeof(fds), "%.255s/fd", entry->d_name);
		if (is_dying(pid))
			any |= has_thread_with(proc, entry->d_name, sockets);
		else if (is_in(proc, fds, sockets))
			return false;
	}
	return any;
}

bool hw_listener_was_killed(const char *path)
{
	struct sockets sockets;
	DIR *stream;
	bool dying;

	find_sockets(&sockets, path);
	stream = sockets.count && sockets.count < SOCKETS_MAX ? opendir("/proc") : NULL;
	if (!stream)
		return false;
	dying = are_dying(dirfd(stream), stream, &sockets);
	(void)closedir(stream);
	return dying;
}
