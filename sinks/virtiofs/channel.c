/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static void fill_address(const struct channel *channel, struct hw_address *ret)
{
	if (channel->kind != CHANNEL_VSOCK) {
		(void)hw_address_unix(channel->path, ret); /* the path has the same limit */
		return;
	}
	*ret = (struct hw_address){ .transport = HW_TRANSPORT_VSOCK, .len = sizeof(ret->to.vm) };
	ret->to.vm.svm_family = AF_VSOCK;
	ret->to.vm.svm_cid = channel->listen ? VMADDR_CID_ANY : channel->cid;
	ret->to.vm.svm_port = channel->port;
}

int hw_channel_connect(const struct channel *channel, int *ret_fd)
{
	struct hw_address address;
	int fd, r = 0;

	fill_address(channel, &address);
	fd = socket(address.to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (channel->kind == CHANNEL_VSOCK)
		hw_vsock_take_privileged_port(fd); /* an agent that listens asks for it */
	if (connect(fd, &address.to.any, address.len) < 0) {
		if (errno != EINPROGRESS) {
			r = -errno;
			(void)close(fd); /* keeps the errno of connect() */
			return r;
		}
		r = 1;
	}
	*ret_fd = fd;
	return r;
}

int hw_channel_connected(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

int hw_channel_listen(const struct channel *channel, mode_t mode, struct hw_listening *ret,
		      const char **ret_why)
{
	const struct hw_listen_how how = { mode, (gid_t)-1 };
	struct hw_address address;

	fill_address(channel, &address);
	return hw_listen(&address, &how, ret, ret_why);
}

int hw_channel_accept(const struct channel *channel, int listen_fd, int *ret_fd)
{
	struct sockaddr_vm peer = { .svm_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	int fd = accept4(listen_fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR ? -EAGAIN
										       : -errno;
	if (channel->kind == CHANNEL_VSOCK && channel->cid != CHANNEL_CID_ANY &&
	    !hw_sockaddr_is_cid(&peer, channel->cid)) {
		(void)close(fd); /* the wrong peer */
		return -EPERM;
	}
	*ret_fd = fd;
	return 0;
}
