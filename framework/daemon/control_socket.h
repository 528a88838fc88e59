/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The listening control socket. */
#ifndef HW_CONTROL_SOCKET_H
#define HW_CONTROL_SOCKET_H

#include "defaults.h"
#include "errors.h"
#include <hostwatch/listen.h>
#include <stdbool.h>
#include <stddef.h>

struct hw_control_socket {
	char path[HW_DEFAULT_PATH_MAX];
	struct hw_listening on; /* owned */
	int reserve; /* owned: a descriptor that is closed when a peer needs one; -1: a peer has
			its place */
};

/*
 * Listens at the path of the configuration: NULL is the default of this user, a relative path is
 * below the default directory of sockets. Creates that directory if only it is missing, and
 * replaces a socket that no process listens on. Adds errors to `errors` with their remedy: -EINVAL
 * if the configuration or the environment must be changed, -EADDRINUSE if another daemon listens
 * there, and the like.
 */
int hw_control_listen(struct hw_control_socket *socket, const char *path, struct hw_errors *errors);
/* Closes the socket, and removes the file if it is still the same one. */
void hw_control_close(struct hw_control_socket *socket);
/* Accepts one authorized peer: returns its fd, -EAGAIN if no peer is waiting, -EPERM if one was
 * rejected. If the process has no descriptor left, the peer gets that of the reserve. -EMFILE or
 * -ENFILE: a peer has it already. */
int hw_control_accept(struct hw_control_socket *socket);
/* A descriptor was closed: fills the reserve. Returns whether it is filled. */
bool hw_control_keep_reserve(struct hw_control_socket *socket);
/* Writes the identity of a peer, "uid 0 (pid 123)", to buf. */
void hw_control_name_peer(int fd, char *buf, size_t size);

#endif
