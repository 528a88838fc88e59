/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The listening end of the control socket. */
#ifndef HW_CONTROL_SOCKET_H
#define HW_CONTROL_SOCKET_H

#include "defaults.h"
#include "errors.h"
#include <stddef.h>
#include <sys/types.h>

struct hw_control_socket {
	char path[HW_DEFAULT_PATH_MAX];
	int fd; /* owned; listens and does not block; -1: none */
	dev_t dev; /* of the file */
	ino_t ino;
};

/*
 * Listens at the path of the configuration: NULL is the default of this user, a relative one is
 * below the directory of the daemon's sockets. Its directory is made when only that is missing, a
 * socket on which nobody listens is replaced. Errors go to `errors` with their remedy: -EINVAL when
 * the configuration or the environment has to change, -EADDRINUSE when another daemon listens
 * there, and the like.
 */
int hw_control_listen(struct hw_control_socket *socket, const char *path, struct hw_errors *errors);
/* Closes it, and removes the file unless somebody has replaced it. */
void hw_control_close(struct hw_control_socket *socket);
/* Accepts one peer that may give commands: its fd, -EAGAIN when there is none, -EPERM when one was
 * turned away. */
int hw_control_accept(int listener);
/* Writes who a peer is, "uid 0 (pid 123)", to buf. */
void hw_control_name_peer(int fd, char *buf, size_t size);

#endif
