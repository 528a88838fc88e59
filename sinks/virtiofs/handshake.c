/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handshake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MAX 32u /* "OK ", a port number, a newline */

int hw_handshake_ask(int fd, uint32_t port)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "CONNECT %" PRIu32 "\n", port);
	ssize_t n = send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	return n == len ? 0 : -EIO;
}

/* The number is the VMM's own port, and is not needed. */
static int is_ok(const unsigned char *line, size_t len)
{
	if (len < 4 || memcmp(line, "OK ", 3) != 0)
		return 0;
	for (size_t i = 3; i < len; i++)
		if (line[i] < '0' || line[i] > '9')
			return 0;
	return 1;
}

int hw_handshake_answer(const unsigned char *input, size_t len)
{
	size_t look = len < ANSWER_MAX ? len : ANSWER_MAX;
	const unsigned char *newline = memchr(input, '\n', look);

	if (!newline)
		return len < ANSWER_MAX ? 0 : -EBADMSG;
	if (!is_ok(input, (size_t)(newline - input)))
		return -EBADMSG;
	return (int)(newline - input) + 1;
}
