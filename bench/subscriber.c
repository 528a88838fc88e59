/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subscribes to a socket sink, once or many times, and writes the lines of the first subscription
 * to standard output. Prints how many lines each of the others got at the end, and with -w the time
 * at which a line with this text arrived, which ends the program. After SIGTERM each of them gets
 * as many lines as the first, or 20 s have passed.
 */
#include "common.h"
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACE_MAX 16384u
#define CATCH_UP_NS 20000000000u

struct subscriber {
	uint64_t events, reads;
};

static char buffer[65536 + 1];

static void subscribe(int fd, const char *request)
{
	size_t len = strlen(request);

	if (write(fd, request, len) != (ssize_t)len || write(fd, "\n", 1) != 1)
		bench_die(errno, "subscribe");
}

/* A line of an event has a sequence number; lines may be divided among reads, so line feeds are
 * counted. */
static uint64_t count_lines(const char *data, size_t len)
{
	uint64_t lines = 0;
	const char *end = data + len;

	while ((data = memchr(data, '\n', (size_t)(end - data)))) {
		lines++;
		data++;
	}
	return lines;
}

/* Returns whether the text is in the last line or in this data. */
static bool has_text(const char *text, size_t len)
{
	buffer[len] = '\0';
	return text && strstr(buffer, text);
}

/* Returns false at the end of the stream. */
static bool take(int fd, struct subscriber *subscriber, bool copy, size_t *ret_len)
{
	ssize_t len = read(fd, buffer, sizeof(buffer) - 1);

	if (len < 0 && errno != EINTR)
		bench_die(errno, "read");
	if (len == 0)
		return false;
	*ret_len = len > 0 ? (size_t)len : 0;
	subscriber->reads += *ret_len > 0;
	subscriber->events += count_lines(buffer, *ret_len);
	if (copy && *ret_len && fwrite(buffer, 1, *ret_len, stdout) != *ret_len)
		bench_die(errno, "write");
	if (copy)
		(void)fflush(stdout);
	return true;
}

static void read_all(struct pollfd *polls, struct subscriber *all, size_t count, const char *until)
{
	size_t len;

	while (!bench_stop) {
		if (poll(polls, count, -1) < 0 && errno != EINTR)
			bench_die(errno, "poll");
		for (size_t i = 0; i < count && !bench_stop; i++) {
			if (!polls[i].revents)
				continue;
			len = 0;
			if (!take(polls[i].fd, &all[i], i == 0, &len))
				bench_die(0, "the server has closed the connection");
			if (has_text(until, len)) {
				(void)fprintf(stderr, "until_ns %llu\n",
					      (unsigned long long)bench_monotonic_ns());
				return;
			}
		}
	}
}

static bool are_equal(const struct subscriber *all, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (all[i].events != all[0].events)
			return false;
	}
	return true;
}

/* What one subscriber got the others may get later. */
static void catch_up(struct pollfd *polls, struct subscriber *all, size_t count)
{
	uint64_t end = bench_monotonic_ns() + CATCH_UP_NS;
	size_t len;

	while (!are_equal(all, count) && bench_monotonic_ns() < end) {
		if (poll(polls, count, 100) < 0 && errno != EINTR)
			bench_die(errno, "poll");
		for (size_t i = 0; i < count; i++) {
			if (polls[i].revents && !take(polls[i].fd, &all[i], i == 0, &len))
				return;
		}
	}
}

static void print_counts(const struct subscriber *all, size_t count)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (size_t i = 0; i < count; i++) {
		least = all[i].events < least ? all[i].events : least;
		most = all[i].events > most ? all[i].events : most;
	}
	(void)fprintf(stderr, "subscribers %zu least %llu most %llu reads %llu\n", count,
		      (unsigned long long)least, (unsigned long long)most,
		      (unsigned long long)all[0].reads);
}

int main(int argc, char **argv)
{
	const char *request = "{\"subscribe\":{}}", *until = NULL;
	struct subscriber *all;
	struct pollfd *polls;
	size_t count = 1;
	int option;

	while ((option = getopt(argc, argv, "n:r:w:")) != -1) {
		if (option == 'n')
			count = bench_number("-n", optarg, PLACE_MAX);
		else if (option == 'r')
			request = optarg;
		else if (option == 'w')
			until = optarg;
		else
			optind = argc + 1;
	}
	if (optind + 1 != argc || !count)
		bench_die(0, "usage: subscriber [-n COUNT] [-r REQUEST] [-w TEXT] SOCKET");
	all = calloc(count, sizeof(all[0]));
	polls = calloc(count, sizeof(polls[0]));
	if (!all || !polls)
		bench_die(ENOMEM, "subscribers");
	bench_catch_stop();
	for (size_t i = 0; i < count; i++) {
		polls[i] = (struct pollfd){ .fd = bench_connect(argv[optind]), .events = POLLIN };
		subscribe(polls[i].fd, request);
	}
	(void)fprintf(stderr, "ready %zu\n", count);
	read_all(polls, all, count, until);
	if (!until)
		catch_up(polls, all, count);
	print_counts(all, count);
	free(polls);
	free(all);
	return 0;
}
