/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_channel.h"
#include "standard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_MS 10000

static int parse_port(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end || value >= UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static int set_path(struct guest_channel *channel, const char *path, size_t len, const char *suffix)
{
	int n = snprintf(channel->path, sizeof(channel->path), "%.*s%s", (int)len, path, suffix);

	return len == 0 || len >= sizeof(channel->path) || n >= (int)sizeof(channel->path) ? -EINVAL
											   : 0;
}

static int parse_hybrid(const char *rest, struct guest_channel *channel)
{
	const char *colon = strrchr(rest, ':');
	char suffix[16] = "";

	channel->hybrid = true;
	if (!colon || parse_port(colon + 1, &channel->port) < 0)
		return -EINVAL;
	if (!channel->listen)
		(void)snprintf(suffix, sizeof(suffix), "_%" PRIu32, channel->port);
	return set_path(channel, rest, (size_t)(colon - rest), suffix);
}

int hw_guest_channel_parse(const char *text, bool listen, struct guest_channel *ret)
{
	struct guest_channel channel = { .listen = listen, .listen_fd = -1 };
	int r = -EINVAL;

	if (strncmp(text, "unix:", 5) == 0)
		r = set_path(&channel, text + 5, strlen(text + 5), "");
	else if (strncmp(text, "hybrid-vsock:", 13) == 0)
		r = parse_hybrid(text + 13, &channel);
	if (r == 0)
		*ret = channel;
	return r;
}

int hw_guest_channel_await(int fd, short events, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = hw_standard_caught_fd(), .events = POLLIN },
		{ .fd = STDOUT_FILENO }, /* an error shows that the reader left */
		{ .fd = fd, .events = events }, /* ignored if negative */
	};
	int n;

	do
		n = poll(fds, 3, timeout_ms);
	while (n < 0 && errno == EINTR && !hw_standard_caught());
	if (hw_standard_caught() || fds[1].revents)
		return -EINTR;
	return n == 0 ? -ETIMEDOUT : 0;
}

static int open_socket(const struct guest_channel *channel, struct sockaddr_un *ret_address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	memcpy(ret_address->sun_path, channel->path, sizeof(channel->path));
	return fd;
}

static int open_connected(const struct guest_channel *channel, int *ret_fd)
{
	struct sockaddr_un address;
	int fd = open_socket(channel, &address);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno; /* -EAGAIN: the backlog is full */

		(void)close(fd); /* never connected */
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* ---- listening ---- */

/* Makes room for bind(): removes a socket that no process listens on, and no other file. */
static int remove_stale(const struct guest_channel *channel, const char **ret_why)
{
	struct stat st;
	int fd, r;

	if (lstat(channel->path, &st) < 0)
		return 0; /* usually absent; bind() reports any other error */
	if (!S_ISSOCK(st.st_mode)) {
		*ret_why = "the path exists and is not a socket";
		return -EEXIST;
	}
	r = open_connected(channel, &fd);
	if (r == 0)
		(void)close(fd); /* it was only tried */
	if (r == 0 || r == -EAGAIN) {
		*ret_why = "another process is listening there";
		return -EADDRINUSE;
	}
	if (r == -ECONNREFUSED && (unlink(channel->path) == 0 || errno == ENOENT))
		return 0;
	*ret_why = "the stale socket cannot be removed";
	return r == -ECONNREFUSED ? -errno : r;
}

/* The file is opened before a peer can detect that the socket is listening, and give its name to
 * another file. */
static int bind_and_listen(struct guest_channel *channel, int fd, const struct sockaddr_un *address)
{
	int r;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	/* on failure, the file is not removed at the end */
	channel->file_fd = open(channel->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (listen(fd, 4) == 0)
		return 0;
	r = -errno;
	if (channel->file_fd >= 0)
		(void)close(channel->file_fd); /* O_PATH */
	return r;
}

int hw_guest_channel_listen(struct guest_channel *channel, const char **ret_why)
{
	struct sockaddr_un address;
	int fd, r = remove_stale(channel, ret_why);

	if (r < 0)
		return r;
	fd = open_socket(channel, &address);
	r = fd < 0 ? fd : bind_and_listen(channel, fd, &address);
	if (r == 0) {
		channel->listen_fd = fd;
		return 0;
	}
	*ret_why = strerror(-r);
	if (fd >= 0)
		(void)close(fd); /* never listened */
	return r;
}

/* Sends a VMM's answer to the host's first line. */
static int answer_connect(const struct guest_channel *channel, int fd)
{
	static const char ok[] = "OK 1073741824\n";
	char line[32], want[32];
	size_t len = 0;

	while (len < sizeof(line) - 1) {
		int r = hw_guest_channel_await(fd, POLLIN, CONNECT_MS);
		ssize_t n = r < 0 ? -1 : recv(fd, line + len, 1, 0);

		if (n <= 0)
			return r < 0 ? r : n < 0 ? -errno : -ECONNRESET;
		if (line[len++] == '\n')
			break;
	}
	line[len] = '\0';
	(void)snprintf(want, sizeof(want), "CONNECT %" PRIu32 "\n", channel->port);
	if (strcmp(line, want) != 0)
		return -ECONNREFUSED;
	return send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(ok) - 1 ? 0 : -EPIPE;
}

static int wait_for_host(const struct guest_channel *channel, int *ret_fd)
{
	int r = hw_guest_channel_await(channel->listen_fd, POLLIN, -1);
	int fd = r < 0 ? -1 : accept4(channel->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return r < 0 ? r : -errno;
	if (channel->hybrid)
		r = answer_connect(channel, fd);
	if (r < 0) {
		(void)close(fd); /* not the host */
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int hw_guest_channel_open(struct guest_channel *channel, int *ret_fd)
{
	return channel->listen ? wait_for_host(channel, ret_fd) : open_connected(channel, ret_fd);
}

void hw_guest_channel_close(struct guest_channel *channel)
{
	struct stat ours, there;

	if (channel->listen_fd < 0)
		return;
	(void)close(channel->listen_fd); /* a listening socket has no unsent data */
	channel->listen_fd = -1;
	if (channel->file_fd < 0)
		return;
	if (fstat(channel->file_fd, &ours) == 0 && lstat(channel->path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		(void)unlink(channel->path); /* the next start replaces the file if this fails */
	(void)close(channel->file_fd); /* O_PATH */
}
