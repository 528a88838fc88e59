/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a VMM that shows vsock as a unix socket is asked for a port of the guest (Firecracker, Cloud
 * Hypervisor): one line "CONNECT PORT", answered by "OK" and a number; when nobody in the guest
 * listens there, the VMM closes the connection.
 */
#ifndef VIRTIOFS_HANDSHAKE_H
#define VIRTIOFS_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

/* On a socket that was just connected, so that the line fits. -EIO when it does not, -errno. */
int hw_handshake_ask(int fd, uint32_t port);

/* Bytes that the answer takes at the start of the input, 0 while it is not complete, -EBADMSG when
 * it is another. */
int hw_handshake_answer(const unsigned char *input, size_t len);

#endif
