/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The channel to one guest: its address and the sockets behind it. Knows nothing of frames. */
#ifndef VIRTIOFS_CHANNEL_H
#define VIRTIOFS_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum channel_kind {
	CHANNEL_UNIX = 1,
	CHANNEL_VSOCK,
	CHANNEL_HYBRID, /* vsock of a VMM that shows it as unix sockets: Firecracker, Cloud
			   Hypervisor */
	CHANNEL_FD, /* handed over by the service manager */
	CHANNEL_FUSE, /* parsed so that it can be refused with the reason */
};

#define CHANNEL_CID_ANY UINT32_MAX

struct channel {
	enum channel_kind kind;
	bool listen; /* the guest (or its VMM) connects to us */
	uint32_t cid; /* VSOCK: who may be at the other end, CHANNEL_CID_ANY only with listen */
	uint32_t port; /* VSOCK, HYBRID */
	char path[108]; /* UNIX, HYBRID: of the socket, port suffix included; FD, FUSE: the name.
			   Terminated */
};

/*
 * Reads unix:PATH, unix-listen:PATH, vsock:CID:PORT, hybrid-vsock:PATH:PORT, fd:NAME and fuse:NAME;
 * `listen` is the option of this name. -EINVAL, and *ret_why is a static string that says what is
 * wrong.
 */
int hw_channel_parse(const char *text, bool listen, struct channel *ret, const char **ret_why);

/* Begins to connect without waiting. 0: connected; 1: ask hw_channel_connected() once the socket is
 * writable. *ret_fd is the caller's in both cases. -EAFNOSUPPORT: the kernel has no such sockets;
 * other errors may pass. */
int hw_channel_connect(const struct channel *channel, int *ret_fd);
int hw_channel_connected(int fd);

/* Listens. A socket file that nobody listens on any more is replaced; -EADDRINUSE when somebody
 * does, or when something else than a socket is there. `mode` is that of the socket file, which
 * *ret_file_fd keeps open (O_PATH; -1: there is no file). */
int hw_channel_listen(const struct channel *channel, mode_t mode, int *ret_fd, int *ret_file_fd);

/* The next connection, -EAGAIN when there is none, -EPERM when it came from another CID than the
 * channel's (and was closed). */
int hw_channel_accept(const struct channel *channel, int listen_fd, int *ret_fd);

/* Removes the file of a socket that listened here, unless another file has its name, and closes
 * file_fd. */
void hw_channel_unlink(const struct channel *channel, int file_fd);

#endif
