/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests a port of the guest from a VMM that provides vsock as a unix socket (Firecracker, Cloud
 * Hypervisor): one line "CONNECT PORT", answered by "OK" and a number. If no program in the guest
 * listens on the port, the VMM closes the connection.
 */
#ifndef VIRTIOFS_HANDSHAKE_H
#define VIRTIOFS_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

/* The socket must be newly connected, so that the line fits. Returns 0; -EIO if it does not fit;
 * -errno. */
int hw_handshake_ask(int fd, uint32_t port);

/* Returns the length of the answer at the start of the input, 0 if it is incomplete, -EBADMSG if it
 * is any other answer. */
int hw_handshake_answer(const unsigned char *input, size_t len);

#endif
