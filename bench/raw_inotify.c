/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least a program can do with inotify: one watch a directory, read, count, perhaps print. New
 * directories are not followed. Every other reader is measured against this one. */
#include "common.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define MASK                                                                                       \
	(IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM |          \
	 IN_MOVED_TO | IN_ONLYDIR)

struct reader {
	int fd;
	bool print;
	uint64_t reads, events, overflows;
};

static void arm(void *arg, int dirfd, const char *path)
{
	struct reader *reader = arg;

	(void)dirfd;
	if (inotify_add_watch(reader->fd, path, MASK) < 0)
		bench_die(errno, "inotify_add_watch");
}

static void take(struct reader *reader, const char *data, size_t len)
{
	while (len >= sizeof(struct inotify_event)) {
		struct inotify_event event;

		memcpy(&event, data, sizeof(event));
		reader->events++;
		if (event.mask & IN_Q_OVERFLOW)
			reader->overflows++;
		if (reader->print)
			(void)printf("%x %s\n", event.mask, event.len ? data + sizeof(event) : "");
		data += sizeof(event) + event.len;
		len -= sizeof(event) + event.len;
	}
	if (reader->print)
		(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	static char buffer[65536];
	struct reader reader = { 0 };
	struct bench_walk walk = { .visit = arm, .arg = &reader };
	struct timespec nap = { 0 };
	int option;

	while ((option = getopt(argc, argv, "pw:")) != -1) {
		if (option == 'p')
			reader.print = true;
		else if (option == 'w')
			nap.tv_nsec = 1000 * (long)bench_number("-w", optarg, 100000);
		else
			optind = argc + 1;
	}
	if (optind + 1 != argc)
		bench_die(
			0,
			"usage: raw_inotify [-p] [-w MICROSECONDS] DIR: print; nap between reads");
	bench_catch_stop();
	reader.fd = inotify_init1(IN_CLOEXEC);
	if (reader.fd < 0)
		bench_die(errno, "inotify_init1");
	bench_walk(&walk, argv[optind]);
	(void)fprintf(stderr, "ready %llu\n", (unsigned long long)walk.directories);
	while (!bench_stop) {
		ssize_t len = read(reader.fd, buffer, sizeof(buffer));

		if (len < 0 && errno != EINTR)
			bench_die(errno, "read");
		if (len > 0) {
			reader.reads++;
			take(&reader, buffer, (size_t)len);
		}
		if (nap.tv_nsec)
			(void)nanosleep(&nap,
					NULL); /* woken early by the signal that ends it: fine */
	}
	(void)fprintf(stderr, "events %llu overflows %llu reads %llu\n",
		      (unsigned long long)reader.events, (unsigned long long)reader.overflows,
		      (unsigned long long)reader.reads);
	return 0;
}
