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
#define LOOK_NS (HW_SEC / 4) /* between two looks at the process that listens */

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

int hw_client_connect(int fd, const struct hw_address *address, uint64_t timeout_ns)
{
	struct timeval time = {
		.tv_sec = (time_t)(timeout_ns / HW_SEC),
		.tv_usec = (suseconds_t)(timeout_ns % HW_SEC / 1000),
	};

	if (timeout_ns && !time.tv_sec && !time.tv_usec)
		time.tv_usec = 1; /* 0 would mean no limit */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) < 0 ||
	    connect(fd, &address->to.any, address->len) < 0)
		return errno == EINPROGRESS ? -EAGAIN : -errno;
	return 0;
}

int hw_client_wait(int fd, const struct hw_client_wait *wait)
{
	uint64_t begun_ns = now_ns(), past_ns = 0;
	bool late = false;
	int r;

	for (;;) {
		r = wait_some(fd, next_part(wait, past_ns));
		if (r != -ETIMEDOUT)
			return r;
		past_ns = now_ns() - begun_ns;
		/* One that ends by itself closes its sockets first. */
		if (past_ns >= wait->grace_ns && hw_listener_was_killed(fd) &&
		    wait_some(fd, 0) == -ETIMEDOUT)
			return -ESRCH;
		if (wait->timeout_ns && past_ns >= wait->timeout_ns)
			return -EAGAIN;
		if (wait->late && !late && past_ns >= LATE_NS)
			wait->late(wait->arg);
		late = past_ns >= LATE_NS;
	}
}
