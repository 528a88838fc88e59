/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_channel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

static int open_socket(const struct guest_channel *channel, struct sockaddr_un *ret_address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	memcpy(ret_address->sun_path, channel->path, sizeof(channel->path));
	return fd;
}

static int start_listening(struct guest_channel *channel)
{
	struct sockaddr_un address;
	int fd = open_socket(channel, &address);

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0) {
		int r = -errno;

		(void)close(fd); /* the error is the one before */
		return r;
	}
	channel->listen_fd = fd;
	return 0;
}

/* What a VMM does with the host's first line. */
static int answer_connect(const struct guest_channel *channel, int fd)
{
	static const char ok[] = "OK 1073741824\n";
	char line[32], want[32];
	size_t len = 0;

	while (len < sizeof(line) - 1) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		if (line[len++] == '\n')
			break;
	}
	line[len] = '\0';
	(void)snprintf(want, sizeof(want), "CONNECT %" PRIu32 "\n", channel->port);
	if (strcmp(line, want) != 0)
		return -ECONNREFUSED;
	return send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(ok) - 1 ? 0 : -EPIPE;
}

static int wait_for_host(struct guest_channel *channel, int *ret_fd)
{
	int fd, r = 0;

	if (channel->listen_fd < 0)
		r = start_listening(channel);
	if (r < 0)
		return r;
	fd = accept4(channel->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
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
	struct sockaddr_un address;
	int fd;

	if (channel->listen)
		return wait_for_host(channel, ret_fd);
	fd = open_socket(channel, &address);
	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		(void)close(fd); /* the error is connect's */
		return r;
	}
	*ret_fd = fd;
	return 0;
}

void hw_guest_channel_close(struct guest_channel *channel)
{
	if (channel->listen_fd < 0)
		return;
	(void)close(channel->listen_fd); /* nothing to lose */
	(void)unlink(channel->path); /* the same */
	channel->listen_fd = -1;
}
