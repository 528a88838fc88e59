/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's end of a channel: addresses, and how a connection is opened. */
#ifndef GUEST_CHANNEL_H
#define GUEST_CHANNEL_H

#include <hostwatch/address.h>
#include <stdbool.h>

#define CHANNEL_PORT_NAME_MAX 107u

/* One way to the host. A plain value. */
struct channel {
	bool is_virtio; /* a virtio-serial port: `port` is set, `address` is not */
	bool listen; /* the host connects to us */
	char port[CHANNEL_PORT_NAME_MAX + 1];
	struct hw_address address;
};

/*
 * Reads virtio:NAME, vsock:CID:PORT, vsock-listen:PORT, unix:PATH, unix-listen:PATH, tcp:ADDR:PORT,
 * tcp-listen:ADDR:PORT. -EINVAL, with what is wrong in *ret_error: static text.
 */
int hw_channel_parse(const char *text, struct channel *ret, const char **ret_error);

/* A listening descriptor, nonblocking. A unix socket that nobody listens on is replaced. -errno. */
int hw_channel_listen(const struct channel *channel);

/* Opens the port or begins to connect: a nonblocking descriptor. -errno; *ret_pending when
 * connect(2) is still under way. */
int hw_channel_open(const struct channel *channel, bool *ret_pending);

/* The result of a connect(2) that was under way: 0 or -errno. */
int hw_channel_connected(int fd);

#endif
