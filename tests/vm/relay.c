/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-relay listen|connect ADDRESS: connects the guest's port with another channel of the guest, one
 * connection after the other. ADDRESS is unix:PATH, tcp:ADDR:PORT or vsock:any:PORT.
 */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/address.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT "/dev/virtio-ports/org.hostwatch.0"

static int die(const char *what)
{
	(void)printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static bool carry(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		ssize_t written = write(to, buf + at, (size_t)(n - at));

		if (written <= 0)
			return false;
		at += written;
	}
	return n > 0;
}

static void relay(int port, int peer)
{
	struct pollfd fds[2] = { { .fd = port, .events = POLLIN },
				 { .fd = peer, .events = POLLIN } };

	while (poll(fds, 2, -1) > 0)
		if ((fds[1].revents && !carry(peer, port)) ||
		    (fds[0].revents && !carry(port, peer)))
			break;
	(void)close(peer); /* both sides start again */
}

int main(int argc, char **argv)
{
	struct hw_address address;
	const char *error = "";
	int port = open(PORT, O_RDWR | O_CLOEXEC), fd;
	bool listens = argc == 3 && strcmp(argv[1], "listen") == 0;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3 || hw_address_parse(argv[2], strlen(argv[2]), &address, &error) < 0)
		return printf("%s\n", error), 2;
	if (port < 0)
		return die(PORT);
	fd = socket(address.to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listens && (bind(fd, &address.to.any, address.len) < 0 || listen(fd, 4) < 0))
		return die(argv[2]);
	(void)puts("ready");
	while (listens)
		relay(port, accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	/* the peer may not be listening yet */
	while (connect(fd, &address.to.any, address.len) < 0)
		if (errno != ENOENT && errno != ECONNREFUSED)
			return die(argv[2]);
	relay(port, fd);
	return 0;
}
