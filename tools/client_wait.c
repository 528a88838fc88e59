/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client_wait.h"
#include "standard.h"

#include <errno.h>
#include <hostwatch/plugin.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define LATE_NS (2 * HW_SEC)
#define LOOK_NS (HW_SEC / 4) /* between two looks at the process */

/* Returns the process that called listen(2), 0 if it is unknown. */
static pid_t listener_of(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ? 0 : peer.pid;
}

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

static bool was_killed(pid_t pid)
{
	return pid > 0 && ((kill(pid, 0) < 0 && errno == ESRCH) || is_dying(pid));
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

/* Returns as hw_client_wait(); -ETIMEDOUT at the end of this part of the time. */
static int wait_some(int fd, uint64_t ns)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = hw_standard_caught_fd(), .events = POLLIN },
	};
	struct timespec time = { (time_t)(ns / HW_SEC), (long)(ns % HW_SEC) };
	int r = ppoll(fds, 2, &time, NULL);

	if (hw_standard_caught())
		return -EINTR;
	if (r < 0 && errno != EINTR)
		return -errno;
	return r > 0 ? 0 : -ETIMEDOUT;
}

int hw_client_wait(int fd, const struct hw_client_wait *wait)
{
	uint64_t begun_ns = now_ns(), past_ns = 0, part_ns;
	pid_t listener = listener_of(fd);
	bool late = false;
	int r;

	for (;;) {
		part_ns = LOOK_NS;
		if (wait->timeout_ns && wait->timeout_ns - past_ns < part_ns)
			part_ns = wait->timeout_ns - past_ns;
		r = wait_some(fd, part_ns);
		if (r != -ETIMEDOUT)
			return r;
		/* One that ends by itself closes its sockets first. */
		if (was_killed(listener) && wait_some(fd, 0) == -ETIMEDOUT)
			return -ESRCH;
		past_ns = now_ns() - begun_ns;
		if (wait->timeout_ns && past_ns >= wait->timeout_ns)
			return -EAGAIN;
		if (wait->late && !late && past_ns >= LATE_NS)
			wait->late(wait->arg);
		late = past_ns >= LATE_NS;
	}
}
