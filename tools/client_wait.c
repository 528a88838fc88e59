/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client_wait.h"
#include "standard.h"

#include <errno.h>
#include <hostwatch/listen.h>
#include <hostwatch/plugin.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>
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

/* The time that is left of the timeout, at most that between two looks. */
static uint64_t next_part(const struct hw_client_wait *wait, uint64_t past_ns)
{
	if (wait->timeout_ns && wait->timeout_ns - past_ns < LOOK_NS)
		return wait->timeout_ns - past_ns;
	return LOOK_NS;
}

/* Returns as hw_client_connect(); -EAGAIN at the end of this part of the time. */
static int connect_some(int fd, const struct sockaddr_un *address, uint64_t ns)
{
	struct timeval time = { (time_t)(ns / HW_SEC), (suseconds_t)(ns % HW_SEC / 1000) };

	if (!time.tv_sec && !time.tv_usec)
		time.tv_usec = 1; /* 0 would mean no limit */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	return 0;
}

int hw_client_connect(int fd, const struct sockaddr_un *address, const struct hw_client_wait *wait)
{
	uint64_t begun_ns = now_ns(), past_ns = 0;
	int r;

	while ((r = connect_some(fd, address, next_part(wait, past_ns))) == -EAGAIN) {
		if (hw_listener_was_killed(address->sun_path))
			return -ESRCH;
		past_ns = now_ns() - begun_ns;
		if (wait->timeout_ns && past_ns >= wait->timeout_ns)
			break;
	}
	return r;
}

int hw_client_wait(int fd, const struct hw_client_wait *wait)
{
	uint64_t begun_ns = now_ns(), past_ns = 0;
	pid_t listener = listener_of(fd);
	bool late = false;
	int r;

	for (;;) {
		r = wait_some(fd, next_part(wait, past_ns));
		if (r != -ETIMEDOUT)
			return r;
		/* One that ends by itself closes its sockets first. */
		if (hw_process_was_killed(listener) && wait_some(fd, 0) == -ETIMEDOUT)
			return -ESRCH;
		past_ns = now_ns() - begun_ns;
		if (wait->timeout_ns && past_ns >= wait->timeout_ns)
			return -EAGAIN;
		if (wait->late && !late && past_ns >= LATE_NS)
			wait->late(wait->arg);
		late = past_ns >= LATE_NS;
	}
}
