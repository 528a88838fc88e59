/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define LISTEN_BACKLOG 4

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

static socklen_t fill_address(const struct channel *channel, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (channel->kind == CHANNEL_VSOCK) {
		ret->vm.svm_family = AF_VSOCK;
		ret->vm.svm_cid = channel->listen ? VMADDR_CID_ANY : channel->cid;
		ret->vm.svm_port = channel->port;
		return sizeof(ret->vm);
	}
	_Static_assert(sizeof(channel->path) == sizeof(ret->un.sun_path), "the same limit");
	ret->un.sun_family = AF_UNIX;
	memcpy(ret->un.sun_path, channel->path, sizeof(channel->path));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(channel->path) + 1);
}

static int open_socket(const union address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int hw_channel_connect(const struct channel *channel, int *ret_fd)
{
	union address address;
	socklen_t len = fill_address(channel, &address);
	int fd = open_socket(&address);
	int r = 0;

	if (fd < 0)
		return fd;
	if (connect(fd, &address.any, len) < 0) {
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

/* Returns whether the file at the address is a socket that no process listens on, for example of a
 * process that was killed. */
static bool is_stale(const struct channel *channel, const union address *address, socklen_t len)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(channel->path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = open_socket(address);
	if (fd < 0)
		return false;
	stale = connect(fd, &address->any, len) < 0 && errno == ECONNREFUSED;
	(void)close(fd); /* used for connect() only */
	return stale;
}

/* Uses a descriptor of the file, so that a file that takes the name meanwhile is not changed. */
static int open_file(const struct channel *channel, mode_t mode, int *ret_file_fd)
{
	int fd = open(channel->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	char link[40];
	int r;

	if (fd < 0)
		return -errno;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	r = fstat(fd, &st) < 0 ? -errno : S_ISSOCK(st.st_mode) ? 0 : -EEXIST;
	if (r == 0 && chmod(link, mode) < 0)
		r = -errno;
	if (r < 0)
		(void)close(fd); /* O_PATH */
	else
		*ret_file_fd = fd;
	return r;
}

static int bind_unix(const struct channel *channel, int fd, mode_t mode, int *ret_file_fd)
{
	union address address;
	socklen_t len = fill_address(channel, &address);

	/* bind() gives the file the mode of the socket less the umask, so that it never has more
	 * permissions than requested */
	if (fchmod(fd, mode) < 0)
		return -errno;
	if (bind(fd, &address.any, len) < 0) {
		if (errno != EADDRINUSE)
			return -errno;
		if (!is_stale(channel, &address, len))
			return -EADDRINUSE;
		if (unlink(channel->path) < 0 && errno != ENOENT)
			return -errno;
		if (bind(fd, &address.any, len) < 0)
			return -errno;
	}
	return open_file(channel, mode, ret_file_fd);
}

int hw_channel_listen(const struct channel *channel, mode_t mode, int *ret_fd, int *ret_file_fd)
{
	union address address;
	socklen_t len = fill_address(channel, &address);
	int file_fd = -1, fd = open_socket(&address);
	int r;

	if (fd < 0)
		return fd;
	if (channel->kind == CHANNEL_VSOCK)
		r = bind(fd, &address.any, len) < 0 ? -errno : 0;
	else
		r = bind_unix(channel, fd, mode, &file_fd);
	if (r == 0 && listen(fd, LISTEN_BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		hw_channel_unlink(channel, file_fd);
		(void)close(fd); /* keeps the earlier error */
		return r;
	}
	*ret_fd = fd;
	*ret_file_fd = file_fd;
	return 0;
}

int hw_channel_accept(const struct channel *channel, int listen_fd, int *ret_fd)
{
	union address peer = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);
	int fd = accept4(listen_fd, &peer.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EWOULDBLOCK || errno == ECONNABORTED || errno == EINTR ? -EAGAIN
										       : -errno;
	if (channel->kind == CHANNEL_VSOCK && channel->cid != CHANNEL_CID_ANY &&
	    peer.vm.svm_cid != channel->cid) {
		(void)close(fd); /* the wrong peer */
		return -EPERM;
	}
	*ret_fd = fd;
	return 0;
}

void hw_channel_unlink(const struct channel *channel, int file_fd)
{
	struct stat ours, there;

	if (file_fd < 0)
		return;
	if (fstat(file_fd, &ours) == 0 && lstat(channel->path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		(void)unlink(channel->path); /* the next start replaces the file if this fails */
	(void)close(file_fd); /* O_PATH: the open descriptor kept the inode number from being reused
			       * */
}
