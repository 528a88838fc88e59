/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns whether a process listens on the socket. A full backlog also shows a listener. */
static bool is_answered(const struct hw_address *address, int *ret_error)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -1 : connect(fd, &address->to.any, address->len);

	*ret_error = r < 0 ? errno : 0;
	if (fd >= 0)
		(void)close(fd); /* used for connect() only */
	return r == 0 || *ret_error == EAGAIN;
}

/* Makes room for bind(): removes a file only if it is a socket that no process listens on. */
static int remove_stale(struct socket_sink *sink, const struct hw_address *address)
{
	const char *path = address->to.un.sun_path;
	struct stat st;
	int error;

	if (lstat(path, &st) < 0)
		return 0; /* usually absent; bind() reports any other error */
	if (!S_ISSOCK(st.st_mode))
		return sink->host->fail(sink->ctx, EEXIST,
					"%s: the path exists and is not a socket", address->text);
	if (is_answered(address, &error))
		return sink->host->fail(sink->ctx, EADDRINUSE,
					"%s: another process is listening there", address->text);
	if (error != ECONNREFUSED)
		return sink->host->fail(sink->ctx, error, "cannot check whether %s is in use: %s",
					address->text, strerror(error));
	if (unlink(path) < 0 && errno != ENOENT)
		return sink->host->fail(sink->ctx, errno, "cannot remove the stale socket %s: %s",
					address->text, strerror(errno));
	return 0;
}

/* Uses a descriptor of the file, so that a file that takes the name meanwhile is not changed. */
static int set_owner_and_mode(struct socket_sink *sink, int path_fd)
{
	char link[40];

	if (sink->socket_group != (gid_t)-1 &&
	    fchownat(path_fd, "", (uid_t)-1, sink->socket_group, AT_EMPTY_PATH) < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	return chmod(link, sink->socket_mode) < 0 ? -errno : 0;
}

static int finish_file(struct socket_sink *sink, const struct hw_address *address, dev_t *ret_dev,
		       ino_t *ret_ino)
{
	int fd = open(address->to.un.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) < 0 ? -errno : S_ISSOCK(st.st_mode) ? 0 : -EEXIST;
	if (r == 0)
		r = set_owner_and_mode(sink, fd);
	(void)close(fd); /* O_PATH */
	if (r < 0)
		return r;
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return 0;
}

/* The file gets its first mode from the socket: no peer can connect before mode and group are set.
 * */
static int bind_socket(const struct hw_address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0) == 0 && bind(fd, &address->to.any, address->len) == 0)
		return fd;
	r = -errno;
	(void)close(fd); /* never bound */
	return r;
}

int hw_unix_listen(struct socket_sink *sink, const struct hw_address *address, int *ret_fd,
		   dev_t *ret_dev, ino_t *ret_ino)
{
	int fd, r = remove_stale(sink, address);

	if (r < 0)
		return r;
	fd = bind_socket(address);
	if (fd < 0)
		return sink->host->fail(sink->ctx, fd, "cannot listen on %s: %s", address->text,
					strerror(-fd));
	r = finish_file(sink, address, ret_dev, ret_ino);
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	if (r == 0) {
		*ret_fd = fd;
		return 0;
	}
	(void)close(fd); /* never listened */
	(void)unlink(address->to.un.sun_path); /* bind() created it */
	return sink->host->fail(sink->ctx, r, "cannot listen on %s: %s", address->text,
				strerror(-r));
}

void hw_unix_unlink(const struct hw_address *address, dev_t dev, ino_t ino)
{
	const char *path = address->to.un.sun_path;
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
		(void)unlink(path); /* the next start removes it if this fails */
}
