/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's end of a virtiofs channel, for guest-sim: unix sockets, and those by which a VMM
 * shows vsock. */
#ifndef TOOLS_GUEST_CHANNEL_H
#define TOOLS_GUEST_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

struct guest_channel {
	bool hybrid;
	bool listen;
	uint32_t port; /* hybrid */
	char path[108]; /* of the socket; terminated */
	int listen_fd; /* owned; -1 until somebody listens */
};

/*
 * Reads unix:PATH or hybrid-vsock:PATH:PORT. With `listen` the guest waits for the host: at PATH,
 * and of a hybrid channel it plays the VMM there, which answers "CONNECT PORT". Without, it
 * connects: to PATH, or to PATH_PORT. -EINVAL.
 */
int hw_guest_channel_parse(const char *text, bool listen, struct guest_channel *ret);

/* Waits for the next connection; a blocking socket. -errno: try again later. */
int hw_guest_channel_open(struct guest_channel *channel, int *ret_fd);

/* Stops listening and removes the socket's file. */
void hw_guest_channel_close(struct guest_channel *channel);

#endif
