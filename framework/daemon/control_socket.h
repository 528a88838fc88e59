/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The listening end of the control socket. */
#ifndef HW_CONTROL_SOCKET_H
#define HW_CONTROL_SOCKET_H

#include "errors.h"
#include <stddef.h>

/* A listening, non-blocking socket at path, as control.h describes it: its fd, or -errno with a
 * line in `errors`. */
int hw_control_listen(const char *path, struct hw_errors *errors);
/* Accepts one peer that may give commands: its fd, -EAGAIN when there is none, -EPERM when one was
 * turned away. */
int hw_control_accept(int listener);
/* Writes who a peer is, "uid 0 (pid 123)", to buf. */
void hw_control_name_peer(int fd, char *buf, size_t size);

#endif
