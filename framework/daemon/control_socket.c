/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control_socket.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8

static int make_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent;
	int r = 0;

	if (!slash || slash == path)
		return 0;
	parent = strndup(path, (size_t)(slash - path));
	if (!parent)
		return -ENOMEM;
	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		r = -errno;
	free(parent);
	return r;
}

/* A socket that a dead daemon left behind is removed; one with a daemon behind it, or anything
 * else, is not. */
static int clear_path(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, r = 0;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		r = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		r = -errno;
	else if (unlink(address->sun_path) < 0)
		r = -errno;
	(void)close(fd); /* nothing was sent */
	return r;
}

static int bind_and_listen(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177); /* no moment in which others may connect */
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	(void)umask(mask);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	return r;
}

static int open_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	r = make_parent(path);
	if (r == 0)
		r = clear_path(&address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_and_listen(fd, &address);
	if (r < 0) {
		(void)close(fd); /* nothing was sent */
		return r;
	}
	return fd;
}

int hw_control_listen(const char *path, struct hw_errors *errors)
{
	char quoted[256];
	int r = open_at(path);

	if (r < 0)
		hw_errors_add(errors, "control socket %s: %s",
			      hw_quote(quoted, sizeof(quoted), path, strlen(path)),
			      r == -EADDRINUSE ? "another hostwatchd listens there"
			      : r == -EEXIST   ? "is there and no socket"
					       : strerror(-r));
	return r;
}

int hw_control_accept(int listener)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd;

	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid()))
		return fd;
	(void)close(fd); /* nothing was sent */
	return -EPERM;
}

void hw_control_name_peer(int fd, char *buf, size_t size)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len); /* a unix socket has them */
	(void)snprintf(buf, size, "uid %u (pid %d)", peer.uid, peer.pid);
}
