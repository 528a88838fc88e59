/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limit of a fan-out: sends a file to all who connect to a socket, in pieces of one size, with
 * one call of send(2) for each piece and receiver. Prints the CPU time of that.
 */
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RECEIVERS_MAX 16384u
#define DEADLINE_S 120

struct text {
	const char *bytes; /* a mapping that is never removed */
	size_t len;
};

static struct text read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct text text;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !st.st_size)
		bench_die(errno, "%s", path);
	text.len = (size_t)st.st_size;
	text.bytes = mmap(NULL, text.len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (text.bytes == MAP_FAILED)
		bench_die(errno, "%s", path);
	(void)close(fd); /* only read from */
	return text;
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(at.sun_path))
		bench_die(ENAMETOOLONG, "%s", path);
	strcpy(at.sun_path, path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, RECEIVERS_MAX) < 0)
		bench_die(errno, "%s", path);
	return fd;
}

static void send_piece(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

		if (sent < 0)
			bench_die(errno, "send");
		bytes += sent;
		len -= (size_t)sent;
	}
}

static void send_all(const int *fds, size_t count, const struct text *text, size_t piece)
{
	for (size_t at = 0; at < text->len; at += piece) {
		size_t len = text->len - at < piece ? text->len - at : piece;

		for (size_t i = 0; i < count; i++)
			send_piece(fds[i], text->bytes + at, len);
	}
}

int main(int argc, char **argv)
{
	size_t count, piece;
	struct text text;
	uint64_t cpu;
	int *fds, server;

	if (argc != 5)
		bench_die(0, "usage: raw_send SOCKET RECEIVERS FILE PIECE_BYTES");
	count = bench_number("RECEIVERS", argv[2], RECEIVERS_MAX);
	piece = bench_number("PIECE_BYTES", argv[4], 1u << 30);
	text = read_file(argv[3]);
	fds = calloc(count + 1, sizeof(fds[0]));
	if (!fds || !piece)
		bench_die(fds ? 0 : ENOMEM, "no pieces");
	(void)alarm(
		DEADLINE_S); /* ends the program if a receiver does not come, or does not read */
	server = listen_at(argv[1]);
	(void)fprintf(stderr, "ready\n");
	for (size_t i = 0; i < count; i++) {
		fds[i] = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		if (fds[i] < 0)
			bench_die(errno, "accept");
	}
	cpu = bench_process_cpu_ns();
	send_all(fds, count, &text, piece);
	(void)printf("cpu_ns %llu\n", (unsigned long long)(bench_process_cpu_ns() - cpu));
	free(fds);
	return 0;
}
