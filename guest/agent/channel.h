/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's end of a channel: parses addresses and opens connections. */
#ifndef GUEST_CHANNEL_H
#define GUEST_CHANNEL_H

#include <hostwatch/address.h>
#include <hostwatch/listen.h>
#include <stdbool.h>

#define CHANNEL_PORT_NAME_MAX 107u

/* One address of the host. A plain value. */
struct channel {
	bool is_virtio; /* a virtio-serial port: `port` is set, `address` is not */
	bool listen; /* the host connects to the guest */
	char port[CHANNEL_PORT_NAME_MAX + 1];
	struct hw_address address;
	bool any_peer; /* do not check who connects: the peer proves that it has the secret */
	bool any_port; /* vsock: accept a source port above 1023 */
};

/* Parses virtio:NAME, vsock:CID:PORT, vsock-listen:PORT, unix:PATH, unix-listen:PATH,
 * tcp:ADDR:PORT, tcp-listen:ADDR:PORT. On -EINVAL, *ret_error is a static text with the reason. */
int hw_channel_parse(const char *text, struct channel *ret, const char **ret_error);

/* Listens; see hw_listen(). */
int hw_channel_listen(const struct channel *channel, struct hw_listening *ret,
		      const char **ret_why);

/*
 * Accepts a connection. Returns its non-blocking descriptor or -errno. -EPERM, with a static text
 * in *ret_why: it is not from the host. A vsock connection is if it has CID 2 and a source port
 * below 1024, one of a unix socket if the peer is root or this user.
 */
int hw_channel_accept(const struct channel *channel, int listen_fd, const char **ret_why);

/* Opens the port or begins to connect. Returns a non-blocking descriptor or -errno; sets
 * *ret_pending if connect(2) has not finished. */
int hw_channel_open(const struct channel *channel, bool *ret_pending);

/* Returns the result of a pending connect(2): 0 or -errno. */
int hw_channel_connected(int fd);

#endif
