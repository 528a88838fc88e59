/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <hostwatch/address.h>
#include <hostwatch/wire.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIVILEGED_FIRST 512u /* lower ports are left to services */
#define PRIVILEGED_LAST 1023u
#define GROUP_MAX 32 /* the number of groups of NETLINK_USERSOCK: net/netlink/af_netlink.c */

static int refuse(const char **ret_error, const char *error)
{
	*ret_error = error;
	return -EINVAL;
}

/* Addresses are printed unchanged in logs and status. */
static bool is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		unsigned n = hw_utf8_char(text + i, len - i);
		unsigned char c = (unsigned char)text[i];

		if (!n || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0))
			return false;
		i += n;
	}
	return true;
}

/* Accepts digits only, so that "1 ", "+1" and "-1" are not numbers. */
static int parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > max)
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

static int set_path(const char *path, struct hw_address *a)
{
	size_t len = strlen(path);

	if (len >= sizeof(a->to.un.sun_path))
		return -ENAMETOOLONG;
	a->transport = HW_TRANSPORT_UNIX;
	a->to.un.sun_family = AF_UNIX;
	memcpy(a->to.un.sun_path, path, len + 1);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return 0;
}

int hw_address_unix(const char *path, struct hw_address *ret)
{
	*ret = (struct hw_address){ 0 };
	return set_path(path, ret);
}

static int parse_unix(const char *path, struct hw_address *a, const char **ret_error)
{
	if (path[0] != '/')
		return refuse(ret_error, "unix: expected an absolute path");
	return set_path(path, a) < 0 ? refuse(ret_error, "unix: the path is longer than 107 bytes")
				     : 0;
}

static int parse_ip(char *host, uint16_t port, struct hw_address *a)
{
	size_t len = strlen(host);
	const char *v4 = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;

	if (inet_pton(AF_INET, v4, &a->to.in.sin_addr) == 1) {
		a->to.in.sin_family = AF_INET;
		a->to.in.sin_port = htons(port);
		a->len = sizeof(a->to.in);
		return 0;
	}
	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return -EINVAL;
	host[len - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &a->to.in6.sin6_addr) != 1)
		return -EINVAL;
	a->to.in6.sin6_family = AF_INET6;
	a->to.in6.sin6_port = htons(port);
	a->len = sizeof(a->to.in6);
	return 0;
}

static int parse_tcp(char *rest, struct hw_address *a, const char **ret_error)
{
	char *colon = strrchr(rest, ':');
	uint64_t port;

	if (!colon || parse_number(colon + 1, UINT16_MAX, &port) < 0)
		return refuse(ret_error, "tcp: expected ADDR:PORT with a port from 0 to 65535");
	*colon = '\0';
	if (parse_ip(rest, (uint16_t)port, a) < 0)
		return refuse(ret_error, "tcp: expected a numeric address, [ADDRESS] for IPv6");
	return 0;
}

static int parse_vsock(char *rest, struct hw_address *a, const char **ret_error)
{
	char *colon = strchr(rest, ':');
	uint64_t cid = UINT32_MAX, port; /* VMADDR_CID_ANY */

	if (!colon || parse_number(colon + 1, UINT32_MAX - 1, &port) < 0)
		return refuse(ret_error, "vsock: expected CID:PORT");
	*colon = '\0';
	if (strcmp(rest, "any") != 0 && parse_number(rest, UINT32_MAX - 1, &cid) < 0)
		return refuse(ret_error, "vsock: the CID must be a number or \"any\"");
	a->to.vm.svm_family = AF_VSOCK;
	a->to.vm.svm_cid = (unsigned)cid;
	a->to.vm.svm_port = (unsigned)port;
	a->len = sizeof(a->to.vm);
	return 0;
}

static int parse_netlink(const char *rest, struct hw_address *a, const char **ret_error)
{
	uint64_t group;

	if (parse_number(rest, GROUP_MAX, &group) < 0 || group == 0)
		return refuse(ret_error, "netlink: the group must be a number from 1 to 32");
	a->group = (unsigned)group;
	return 0;
}

static const struct {
	const char *prefix;
	enum hw_transport transport;
} transports[] = {
	{ "unix:", HW_TRANSPORT_UNIX },   { "tcp:", HW_TRANSPORT_TCP },
	{ "vsock:", HW_TRANSPORT_VSOCK }, { "netlink:", HW_TRANSPORT_NETLINK },
	{ "fd:", HW_TRANSPORT_FD },
};

static int parse_rest(char *rest, struct hw_address *a, const char **ret_error)
{
	switch (a->transport) {
	case HW_TRANSPORT_UNIX:
		return parse_unix(rest, a, ret_error);
	case HW_TRANSPORT_TCP:
		return parse_tcp(rest, a, ret_error);
	case HW_TRANSPORT_VSOCK:
		return parse_vsock(rest, a, ret_error);
	case HW_TRANSPORT_NETLINK:
		return parse_netlink(rest, a, ret_error);
	case HW_TRANSPORT_FD:
		return *rest ? 0 : refuse(ret_error, "fd: expected the name of a descriptor");
	}
	return -EINVAL;
}

int hw_address_expand(const char *text, size_t len, const char *dir, char *buf, size_t size)
{
	static const char *const prefixes[] = { "unix:", "unix-listen:", "hybrid-vsock:" };
	int n;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t prefix = strlen(prefixes[i]);

		if (len <= prefix || memcmp(text, prefixes[i], prefix) != 0)
			continue;
		if (text[prefix] == '/' || text[prefix] == ':')
			return 0; /* the path is absolute, or there is none */
		if (!dir)
			return 1;
		n = snprintf(buf, size, "%s%s/%.*s", prefixes[i], dir, (int)(len - prefix),
			     text + prefix);
		return n < (int)size ? 1 : -ENAMETOOLONG;
	}
	return 0;
}

int hw_address_parse(const char *text, size_t len, struct hw_address *ret, const char **ret_error)
{
	struct hw_address a = { 0 };
	char copy[HW_ADDRESS_TEXT_MAX + 1];

	if (len > HW_ADDRESS_TEXT_MAX)
		return refuse(ret_error, "the address is longer than 127 bytes");
	if (!is_printable(text, len))
		return refuse(ret_error, "the address contains an unprintable byte");
	memcpy(a.text, text, len);
	memcpy(copy, a.text, sizeof(copy));
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		size_t prefix = strlen(transports[i].prefix);

		if (strncmp(copy, transports[i].prefix, prefix) != 0)
			continue;
		a.transport = transports[i].transport;
		if (parse_rest(copy + prefix, &a, ret_error) < 0)
			return -EINVAL;
		*ret = a;
		return 0;
	}
	return refuse(ret_error, "an address must begin with unix:, tcp:, vsock:, netlink: or fd:");
}

const char *hw_address_fd_name(const struct hw_address *address)
{
	return address->text + strlen("fd:");
}

bool hw_sockaddr_is_remote(const struct sockaddr *addr)
{
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;

	if (addr->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
	if (addr->sa_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return in6->sin6_addr.s6_addr[12] != IN_LOOPBACKNET;
	return !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

bool hw_sockaddr_is_cid(const struct sockaddr_vm *peer, uint32_t cid)
{
	return peer->svm_family == AF_VSOCK && peer->svm_cid == cid;
}

bool hw_sockaddr_is_privileged(const struct sockaddr_vm *peer)
{
	return peer->svm_family == AF_VSOCK && peer->svm_port <= PRIVILEGED_LAST;
}

void hw_vsock_take_privileged_port(int fd)
{
	struct sockaddr_vm own = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };

	for (own.svm_port = PRIVILEGED_LAST; own.svm_port >= PRIVILEGED_FIRST; own.svm_port--) {
		if (bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0 || errno != EADDRINUSE)
			return;
	}
}

const char *hw_vsock_hint(int error)
{
	switch (error) {
	case EAFNOSUPPORT:
		return " (this kernel does not support vsock)";
	case EADDRNOTAVAIL:
	case ENODEV:
		return " (no vsock transport for this CID; load the module vhost_vsock on a host, "
		       "or vsock_loopback for CID 1)";
	default:
		return "";
	}
}
