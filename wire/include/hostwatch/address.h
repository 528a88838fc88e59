/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses of sockets that carry events, as written in configurations and on command lines. */
#ifndef HOSTWATCH_ADDRESS_H
#define HOSTWATCH_ADDRESS_H

#include <sys/socket.h> /* first: <linux/vm_sockets.h> of older kernels needs it */

#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hw_transport {
	HW_TRANSPORT_UNIX = 1,
	HW_TRANSPORT_TCP,
	HW_TRANSPORT_VSOCK,
	HW_TRANSPORT_NETLINK, /* multicast to a group of NETLINK_USERSOCK */
	HW_TRANSPORT_FD, /* passed by the service manager */
};

#define HW_ADDRESS_TEXT_MAX 127

struct hw_address {
	enum hw_transport transport;
	unsigned group; /* NETLINK: 1 to 32 */
	socklen_t len; /* of `to`; 0 for NETLINK and FD */
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_vm vm;
	} to;
	char text[HW_ADDRESS_TEXT_MAX + 1]; /* as configured; printable, NUL-terminated */
};

/*
 * Parses one of
 *
 *	unix:PATH
 *	tcp:ADDR:PORT (ADDR is numeric or "localhost"; [ADDR] for IPv6)
 *	vsock:CID:PORT (CID "any" listens on all)
 *	netlink:GROUP
 *	fd:NAME
 *
 * Returns 0, or -EINVAL with a static message in *ret_error.
 */
int hw_address_parse(const char *text, size_t len, struct hw_address *ret, const char **ret_error);

/*
 * Puts `dir` before the path of an address "unix:PATH", "unix-listen:PATH" or
 * "hybrid-vsock:PATH:PORT" whose path is relative. Returns 1 if buf has the new address, 0 if the
 * address needs none, -ENAMETOOLONG. If dir is NULL, buf is not written.
 */
int hw_address_expand(const char *text, size_t len, const char *dir, char *buf, size_t size);

/* Makes the address of a unix socket from its path. Returns 0 or -ENAMETOOLONG. `text` stays empty.
 */
int hw_address_unix(const char *path, struct hw_address *ret);

/* Returns the part after "fd:". */
const char *hw_address_fd_name(const struct hw_address *address);

/* Returns true for an internet address that can be reached from other machines. */
bool hw_sockaddr_is_remote(const struct sockaddr *addr);

/* Returns whether a connection comes from this CID of vsock. */
bool hw_sockaddr_is_cid(const struct sockaddr_vm *peer, uint32_t cid);

/*
 * Returns whether the source port of a vsock connection is below 1024, which needs
 * CAP_NET_BIND_SERVICE in the initial user namespace of the peer's kernel
 * (net/vmw_vsock/af_vsock.c).
 */
bool hw_sockaddr_is_privileged(const struct sockaddr_vm *peer);

/* Binds the vsock socket to a free source port below 1024, if this process may. Otherwise, the
 * kernel chooses another one when it connects. */
void hw_vsock_take_privileged_port(int fd);

/* Returns a hint to append to strerror(error) if binding or connecting a vsock address fails: the
 * missing part in brackets, or "". */
const char *hw_vsock_hint(int error);

#ifdef __cplusplus
}
#endif

#endif
