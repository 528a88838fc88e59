/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The minimum that a program must do with inotify: add one watch per directory, read, count, and
 * optionally print. It does not follow new directories. Every other reader is compared with this
 * one. With -s it also calls statx(2) for type, inode and size of each new file, which no record
 * contains. */
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MASK                                                                                       \
	(IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM |          \
	 IN_MOVED_TO | IN_ONLYDIR)

struct reader {
	int fd;
	bool print, stat;
	int *dirs; /* owned: O_PATH descriptors, indexed by watch descriptor; used with -s */
	size_t dir_count;
	uint64_t reads, events, overflows;
	uint64_t stats; /* successful calls of statx(2) */
};

static void keep_dir(struct reader *reader, size_t wd, int dirfd)
{
	if (wd >= reader->dir_count) {
		size_t count = 2 * wd + 16;

		reader->dirs = realloc(reader->dirs, count * sizeof(reader->dirs[0]));
		if (!reader->dirs)
			bench_die(ENOMEM, "directories");
		for (size_t i = reader->dir_count; i < count; i++)
			reader->dirs[i] = -1;
		reader->dir_count = count;
	}
	reader->dirs[wd] = openat(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (reader->dirs[wd] < 0)
		bench_die(errno, "open a directory");
}

static void arm(void *arg, int dirfd, const char *path)
{
	struct reader *reader = arg;
	int wd = inotify_add_watch(reader->fd, path, MASK);

	if (wd < 0)
		bench_die(errno, "inotify_add_watch");
	if (reader->stat)
		keep_dir(reader, (size_t)wd, dirfd);
}

/* The call fails if the file is gone. */
static void examine(struct reader *reader, const struct inotify_event *event, const char *name)
{
	int dir = event->wd > 0 && (size_t)event->wd < reader->dir_count ? reader->dirs[event->wd]
									 : -1;
	struct statx stx;

	if (event->mask & IN_CREATE)
		reader->stats += statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
				       STATX_BASIC_STATS | STATX_BTIME, &stx) == 0;
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
		if (reader->stat && event.len)
			examine(reader, &event, data + sizeof(event));
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

	while ((option = getopt(argc, argv, "psw:")) != -1) {
		if (option == 'p')
			reader.print = true;
		else if (option == 's')
			reader.stat = true;
		else if (option == 'w')
			nap.tv_nsec = 1000 * (long)bench_number("-w", optarg, 100000);
		else
			optind = argc + 1;
	}
	if (optind + 1 != argc)
		bench_die(0, "usage: raw_inotify [-p] [-s] [-w MICROSECONDS] DIR: print; statx of "
			     "new files; sleep between reads");
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
			(void)nanosleep(&nap, NULL); /* the signal that ends the program may
						      * interrupt it */
	}
	(void)fprintf(stderr, "events %llu overflows %llu reads %llu stats %llu\n",
		      (unsigned long long)reader.events, (unsigned long long)reader.overflows,
		      (unsigned long long)reader.reads, (unsigned long long)reader.stats);
	free(reader.dirs);
	return 0;
}
