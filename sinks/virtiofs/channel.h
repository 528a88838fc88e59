/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The channel to one guest: its address and its sockets. Independent of frames. */
#ifndef VIRTIOFS_CHANNEL_H
#define VIRTIOFS_CHANNEL_H

#include <hostwatch/listen.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum channel_kind {
	CHANNEL_UNIX = 1,
	CHANNEL_VSOCK,
	CHANNEL_HYBRID, /* vsock that a VMM provides as unix sockets: Firecracker, Cloud Hypervisor
			 * */
	CHANNEL_FD, /* passed by the service manager */
	CHANNEL_FUSE, /* parsed in order to refuse it with a reason */
};

#define CHANNEL_CID_ANY UINT32_MAX

struct channel {
	enum channel_kind kind;
	bool listen; /* the guest (or its VMM) connects to the host */
	uint32_t cid; /* VSOCK: CID of the peer; CHANNEL_CID_ANY only with listen */
	uint32_t port; /* VSOCK, HYBRID */
	char path[108]; /* UNIX, HYBRID: path of the socket, including the port suffix; FD, FUSE:
			 * the name. Terminated */
};

/*
 * Parses unix:PATH, unix-listen:PATH, vsock:CID:PORT, hybrid-vsock:PATH:PORT, fd:NAME and
 * fuse:NAME; `listen` is the option of this name. On -EINVAL, *ret_why is a static string with the
 * reason.
 */
int hw_channel_parse(const char *text, bool listen, struct channel *ret, const char **ret_why);

/* Begins to connect without waiting. Returns 0: connected; 1: call hw_channel_connected() once the
 * socket is writable. In both cases, the caller owns *ret_fd. -EAFNOSUPPORT: the kernel lacks such
 * sockets; other errors may be temporary. */
int hw_channel_connect(const struct channel *channel, int *ret_fd);
int hw_channel_connected(int fd);

/* Listens; see hw_listen(). `mode` is the mode of the socket file. */
int hw_channel_listen(const struct channel *channel, mode_t mode, struct hw_listening *ret,
		      const char **ret_why);

/* Returns the next connection, -EAGAIN if there is none, -EPERM if it came from another CID than
 * the channel's (and was closed). */
int hw_channel_accept(const struct channel *channel, int listen_fd, int *ret_fd);

#endif
