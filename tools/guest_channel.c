/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_channel.h"
#include "standard.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
	struct guest_channel channel = { .listen = listen, .on = HW_LISTENING_CLOSED };
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

static int open_connected(const struct guest_channel *channel, int *ret_fd)
{
	struct hw_address address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)hw_address_unix(channel->path, &address); /* the path has the same limit */
	if (connect(fd, &address.to.any, address.len) < 0) {
		int r = -errno; /* -EAGAIN: the backlog is full */

		(void)close(fd); /* never connected */
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* ---- listening ---- */

int hw_guest_channel_listen(struct guest_channel *channel, const char **ret_why)
{
	static const struct hw_listen_how how = { 0600, (gid_t)-1 };
	struct hw_address address;

	(void)hw_address_unix(channel->path, &address); /* the path has the same limit */
	return hw_listen(&address, &how, &channel->on, ret_why);
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
	int r = hw_guest_channel_await(channel->on.fd, POLLIN, -1);
	int fd = r < 0 ? -1 : accept4(channel->on.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

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
	hw_listening_close(&channel->on);
}
