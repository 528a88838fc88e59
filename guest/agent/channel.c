/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PORTS_DEV "/dev/virtio-ports"
#define PORTS_SYSFS "/sys/class/virtio-ports"

/* ---- addresses ---- */

static int refuse(const char *why, const char **ret_error)
{
	*ret_error = why;
	return -EINVAL;
}

static int parse_virtio(const char *name, struct channel *ret, const char **ret_error)
{
	size_t len = strlen(name);

	if (len == 0 || len > CHANNEL_PORT_NAME_MAX || name[0] == '.' || strchr(name, '/'))
		return refuse("virtio: expected the name of a port, such as org.hostwatch.0",
			      ret_error);
	ret->is_virtio = true;
	memcpy(ret->port, name, len + 1);
	return 0;
}

/* A listening address has the form SCHEME-listen:REST; `form` converts it to an ordinary address.
 * */
static int parse_listen(const char *rest, const char *form, struct channel *ret,
			const char **ret_error)
{
	char text[HW_ADDRESS_TEXT_MAX + 1];
	int n = snprintf(text, sizeof(text), "%s%s", form, rest);

	if (n >= (int)sizeof(text))
		return refuse("the address is longer than 127 bytes", ret_error);
	ret->listen = true;
	return hw_address_parse(text, (size_t)n, &ret->address, ret_error);
}

static int parse_connect(const char *text, struct channel *ret, const char **ret_error)
{
	int r = hw_address_parse(text, strlen(text), &ret->address, ret_error);

	if (r < 0)
		return r;
	if (ret->address.transport == HW_TRANSPORT_VSOCK &&
	    ret->address.to.vm.svm_cid == VMADDR_CID_ANY)
		return refuse("vsock: the CID of the host must be a number, usually 2", ret_error);
	return 0;
}

static const struct {
	const char *prefix;
	const char *form; /* format of the ordinary address of a listening one */
} schemes[] = {
	{ "vsock-listen:", "vsock:any:" },
	{ "unix-listen:", "unix:" },
	{ "tcp-listen:", "tcp:" },
	{ "vsock:", NULL },
	{ "unix:", NULL },
	{ "tcp:", NULL },
};

int hw_channel_parse(const char *text, struct channel *ret, const char **ret_error)
{
	struct channel channel = { 0 };
	int r = 1;

	if (strncmp(text, "virtio:", 7) == 0)
		r = parse_virtio(text + 7, &channel, ret_error);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]) && r > 0; i++) {
		size_t len = strlen(schemes[i].prefix);

		if (strncmp(text, schemes[i].prefix, len) != 0)
			continue;
		r = schemes[i].form ? parse_listen(text + len, schemes[i].form, &channel, ret_error)
				    : parse_connect(text, &channel, ret_error);
	}
	if (r > 0)
		return refuse("expected virtio:NAME, vsock:CID:PORT, vsock-listen:PORT, unix:PATH, "
			      "unix-listen:PATH, tcp:ADDR:PORT or tcp-listen:ADDR:PORT",
			      ret_error);
	if (r == 0)
		*ret = channel;
	return r;
}

/* ---- virtio-serial ---- */

static bool names_port(int class_fd, const char *entry, const char *port)
{
	char path[300], name[CHANNEL_PORT_NAME_MAX + 2];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/name", entry); /* d_name has at most 255 bytes */
	fd = openat(class_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, name, sizeof(name));
	(void)close(fd); /* only read from */
	if (n > 0 && name[n - 1] == '\n')
		n--;
	return n == (ssize_t)strlen(port) && memcmp(name, port, (size_t)n) == 0;
}

/* Without udev, /dev/virtio-ports does not exist; the kernel creates /dev/vportNpM itself. */
static int open_by_class(const char *port)
{
	DIR *dir = opendir(PORTS_SYSFS);
	struct dirent *entry;
	int r = -ENOENT;

	if (!dir)
		return -errno;
	while (r == -ENOENT && (entry = readdir(dir))) {
		char path[300];

		if (entry->d_name[0] == '.' || !names_port(dirfd(dir), entry->d_name, port))
			continue;
		(void)snprintf(path, sizeof(path), "/dev/%s", entry->d_name); /* as above */
		r = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		r = r < 0 ? -errno : r;
	}
	(void)closedir(dir); /* only read from */
	return r;
}

static int open_port(const char *port)
{
	char path[sizeof(PORTS_DEV) + CHANNEL_PORT_NAME_MAX + 2];
	int fd;

	(void)snprintf(path, sizeof(path), PORTS_DEV "/%s", port); /* it fits */
	fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	return fd < 0 ? open_by_class(port) : fd;
}

/* ---- sockets ---- */

static int open_socket(const struct hw_address *address)
{
	int fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int hw_channel_listen(const struct channel *channel, struct hw_listening *ret, const char **ret_why)
{
	static const struct hw_listen_how how = { 0600, (gid_t)-1 };

	return hw_listen(&channel->address, &how, ret, ret_why);
}

static const char *fault_of_vsock(const struct channel *channel, const struct sockaddr_vm *peer)
{
	if (!hw_sockaddr_is_cid(peer, VMADDR_CID_HOST))
		return "it is not from the host (CID 2)";
	if (!channel->any_port && !channel->any_peer && !hw_sockaddr_is_privileged(peer))
		return "its source port is not below 1024, so any user of the host could have made "
		       "it; let hostwatchd keep CAP_NET_BIND_SERVICE, or set secret = FILE or "
		       "any_port = yes";
	return NULL;
}

static const char *fault_of_user(const struct channel *channel, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (channel->any_peer)
		return NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid()))
		return NULL;
	return "it is from another user; set secret = FILE to permit this";
}

int hw_channel_accept(const struct channel *channel, int listen_fd, const char **ret_why)
{
	struct sockaddr_vm peer = { .svm_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	int fd = accept4(listen_fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	*ret_why = NULL;
	if (channel->address.transport == HW_TRANSPORT_VSOCK)
		*ret_why = fault_of_vsock(channel, &peer);
	else if (channel->address.transport == HW_TRANSPORT_UNIX)
		*ret_why = fault_of_user(channel, fd);
	if (!*ret_why)
		return fd;
	(void)close(fd); /* nothing was sent */
	return -EPERM;
}

int hw_channel_open(const struct channel *channel, bool *ret_pending)
{
	const struct hw_address *address = &channel->address;
	bool pending = false;
	int fd = channel->is_virtio ? open_port(channel->port) : open_socket(address);

	if (fd < 0)
		return fd;
	if (!channel->is_virtio && connect(fd, &address->to.any, address->len) < 0) {
		/* EAGAIN of a unix socket means a full backlog: the connection is not pending */
		if (errno != EINPROGRESS) {
			int r = -errno;

			(void)close(fd); /* keeps the errno of connect() */
			return r;
		}
		pending = true;
	}
	*ret_pending = pending;
	return fd;
}

int hw_channel_connected(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}
