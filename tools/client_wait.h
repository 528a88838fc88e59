/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits for a daemon: for the connection and the first answer. */
#ifndef HW_TOOL_CLIENT_WAIT_H
#define HW_TOOL_CLIENT_WAIT_H

#include <hostwatch/address.h>
#include <stdint.h>

struct hw_client_wait {
	uint64_t timeout_ns; /* 0: no limit */
	void (*late)(void *arg); /* called once, after 2 s; NULL: nothing is called */
	void *arg; /* borrowed */
	uint64_t grace_ns; /* within this time, a listener that has ended is not taken for one that
			    * was killed: another process may serve its socket */
};

/* Connects, which waits while the queue of the listener is full. Limits this, and each later send
 * and receive, to the time; 0: no limit. Returns 0; -EAGAIN if the time is over; or another -errno.
 */
int hw_client_connect(int fd, const struct hw_address *address, uint64_t timeout_ns);
/*
 * Waits until this socket is readable. Returns 0; -EAGAIN if the time is over; -EINTR if a
 * signal arrived that ends the program; -ESRCH if the process that listens on its unix socket was
 * killed: what is left of it may keep the socket open, but answers nothing. If that is unknown, as
 * for a process of another PID namespace, it waits.
 */
int hw_client_wait(int fd, const struct hw_client_wait *wait);

#endif
