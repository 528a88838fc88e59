/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests of a peer of the control socket, in pieces chosen by the input. The server is included,
 * because its peers cannot be created from outside. */
#include "framework/daemon/control.c"

#include <assert.h>
#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hw_control control;

static void make_control(void)
{
	if (control.loop)
		return;
	assert(hw_loop_create(&control.loop) == 0);
	assert(hw_core_create(control.loop, "/nowhere", &control.core) == 0);
}

/* Answers are lines of printable text; TAB separates their fields. */
static void read_answers(int fd, char *last)
{
	char bytes[8192];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert((unsigned char)bytes[i] >= ' ' || bytes[i] == '\n' ||
			       bytes[i] == '\t');
		*last = bytes[n - 1];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char last = '\n';
	int fds[2];

	/* Another target tests reading a configuration. */
	if (memmem(data, size, "reload", 6))
		return -1;
	make_control();
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	assert(add_peer(&control, fds[0]) == 0);
	while (size) {
		size_t piece = data[0] % 64u + 1;

		data++;
		size--;
		piece = piece < size ? piece : size;
		if (piece && send(fds[1], data, piece, MSG_NOSIGNAL) < 0)
			break; /* the server has closed the connection */
		data += piece;
		size -= piece;
		hw_loop_turn(control.loop, 0);
		read_answers(fds[1], &last);
	}
	(void)shutdown(fds[1], SHUT_WR);
	for (unsigned i = 0; i < 100 && control.peer_count; i++) {
		hw_loop_turn(control.loop, 0);
		read_answers(fds[1], &last);
	}
	(void)close(fds[1]); /* everything was read */
	for (unsigned i = 0; i < 100 && control.peer_count; i++)
		hw_loop_turn(control.loop, 0);
	assert(control.peer_count == 0 && control.pending_count == 0);
	assert(last == '\n');
	return 0;
}
