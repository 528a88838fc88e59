/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's end of a virtiofs channel, for guest-sim: unix sockets, and the unix sockets by which
 * a VMM provides vsock. */
#ifndef TOOLS_GUEST_CHANNEL_H
#define TOOLS_GUEST_CHANNEL_H

#include <hostwatch/listen.h>
#include <stdbool.h>
#include <stdint.h>

struct guest_channel {
	bool hybrid;
	bool listen;
	uint32_t port; /* hybrid */
	char path[108]; /* of the socket; terminated */
	struct hw_listening on; /* owned; closed if not listening */
};

/*
 * Parses unix:PATH or hybrid-vsock:PATH:PORT. With `listen`, the guest waits for the host: at PATH;
 * on a hybrid channel it acts as the VMM there, which answers "CONNECT PORT". Without `listen`, it
 * connects to PATH, or to PATH_PORT. Returns 0 or -EINVAL.
 */
int hw_guest_channel_parse(const char *text, bool listen, struct guest_channel *ret);

/* Creates the socket to which the host connects; see hw_listen(). */
int hw_guest_channel_listen(struct guest_channel *channel, const char **ret_why);

/* Waits for the next connection; the socket is non-blocking. -EINTR as below. Other -errno: try
 * again later. */
int hw_guest_channel_open(struct guest_channel *channel, int *ret_fd);

/* Waits for `events` of poll(2). Returns 0; -ETIMEDOUT; -EINTR: hw_standard_caught(), or the reader
 * of stdout left. A negative timeout means no limit. */
int hw_guest_channel_await(int fd, short events, int timeout_ms);

/* Stops listening and removes the socket's file, unless another file has its name. */
void hw_guest_channel_close(struct guest_channel *channel);

#endif
