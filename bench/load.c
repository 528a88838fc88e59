/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The load generator: makes the same changes in the same order each time. Every change uses a name
 * with a number in it, so that the output of a reader can be matched with the changes.
 */
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILL_LEVELS 5
#define WRITE_MAX 65536

struct load {
	uint64_t count; /* changes to make */
	uint64_t spread; /* number of directories to spread them over; 0: the root only */
	uint64_t first; /* number of the first change */
	uint64_t every_us; /* 0: full speed */
	size_t write_bytes; /* per write; 0: no data */
	FILE *log; /* owned, or NULL */
	int root; /* owned */
	int outside; /* owned: valid with -o, else -1 */
	int *dirs; /* owned: `spread` open directories */
	char data[WRITE_MAX];
};

struct mode {
	const char *name;
	void (*prepare)(struct load *load,
			uint64_t number); /* runs before the clock starts; NULL: not needed */
	void (*change)(struct load *load, uint64_t number);
	const char *help;
};

struct name {
	char text[BENCH_TOKEN_DIGITS + 2];
};

static struct name name_of(char prefix, uint64_t number)
{
	struct name name;

	(void)snprintf(name.text, sizeof(name.text), "%c%0*u", prefix, BENCH_TOKEN_DIGITS,
		       (unsigned)(number % (BENCH_COUNT_MAX + 1u)));
	return name;
}

static int dir_of(const struct load *load, uint64_t number)
{
	return load->spread ? load->dirs[number % load->spread] : load->root;
}

static void write_file(const struct load *load, int dir, const char *name, int flags)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | flags, 0644);

	if (fd < 0)
		bench_die(errno, "open %s", name);
	if (load->write_bytes &&
	    write(fd, load->data, load->write_bytes) != (ssize_t)load->write_bytes)
		bench_die(errno, "write %s", name);
	if (close(fd) < 0)
		bench_die(errno, "close %s", name);
}

static void make_dir(int dir, const char *name)
{
	if (mkdirat(dir, name, 0755) < 0)
		bench_die(errno, "mkdir %s", name);
}

static int open_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		bench_die(errno, "open %s", name);
	return fd;
}

static void change_create(struct load *load, uint64_t number)
{
	write_file(load, dir_of(load, number), name_of('f', number).text, O_CREAT | O_EXCL);
}

static void change_storm(struct load *load, uint64_t number)
{
	struct name name = name_of('f', number);

	change_create(load, number);
	if (unlinkat(dir_of(load, number), name.text, 0) < 0)
		bench_die(errno, "unlink %s", name.text);
}

static void change_append(struct load *load, uint64_t number)
{
	write_file(load, dir_of(load, number), name_of('f', number).text, O_APPEND);
}

static void change_rename(struct load *load, uint64_t number)
{
	int dir = dir_of(load, number);

	if (renameat(dir, name_of('f', number).text, dir, name_of('r', number).text) < 0)
		bench_die(errno, "rename");
}

static void change_leave(struct load *load, uint64_t number)
{
	struct name name = name_of('f', number);

	if (renameat(dir_of(load, number), name.text, load->outside, name.text) < 0)
		bench_die(errno, "rename");
}

/* mkdir -p with a file in each level: the children appear before any watcher can add a watch for
 * the parent. */
static void change_fill(struct load *load, uint64_t number)
{
	int dir = dup(dir_of(load, number));

	if (dir < 0)
		bench_die(errno, "dup");
	for (uint64_t level = 0; level < FILL_LEVELS; level++) {
		struct name name = name_of('d', number * FILL_LEVELS + level);
		int below;

		make_dir(dir, name.text);
		below = open_dir(dir, name.text);
		(void)close(dir);
		dir = below;
		write_file(load, dir, name_of('f', number * FILL_LEVELS + level).text,
			   O_CREAT | O_EXCL);
	}
	(void)close(dir);
}

static const struct mode modes[] = {
	{ "storm", NULL, change_storm, "create, write, close, delete" },
	{ "create", NULL, change_create, "create, write, close; the file stays" },
	{ "append", change_create, change_append, "write to a file that exists, close" },
	{ "rename", change_create, change_rename, "rename fN to rN" },
	{ "leave", change_create, change_leave, "rename fN to a directory outside, -o" },
	{ "fill", NULL, change_fill, "make five nested directories with a file in each" },
};

static void open_dirs(struct load *load, const char *root)
{
	load->root = open_dir(AT_FDCWD, root);
	load->dirs = calloc(load->spread + 1, sizeof(load->dirs[0]));
	if (!load->dirs)
		bench_die(ENOMEM, "directories");
	for (uint64_t i = 0; i < load->spread; i++) {
		struct name name = name_of('s', i);

		if (mkdirat(load->root, name.text, 0755) < 0 && errno != EEXIST)
			bench_die(errno, "mkdir %s", name.text);
		load->dirs[i] = open_dir(load->root, name.text);
	}
}

static void wait_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void make_change(struct load *load, const struct mode *mode, uint64_t number)
{
	uint64_t realtime, monotonic;

	if (!load->log) {
		mode->change(load, number);
		return;
	}
	realtime = bench_realtime_ns();
	monotonic = bench_monotonic_ns();
	mode->change(load, number);
	(void)fprintf(load->log, "%llu %llu %llu %llu\n", (unsigned long long)number,
		      (unsigned long long)monotonic, (unsigned long long)realtime,
		      (unsigned long long)bench_monotonic_ns());
}

static void run(struct load *load, const struct mode *mode, bool prepare_only)
{
	uint64_t start, cpu, end = load->first + load->count;

	for (uint64_t i = load->first; mode->prepare && prepare_only && i < end; i++)
		mode->prepare(load, i);
	start = bench_monotonic_ns();
	cpu = bench_process_cpu_ns();
	for (uint64_t i = load->first; !prepare_only && i < end; i++) {
		if (load->every_us)
			wait_until(start + (i - load->first) * load->every_us * 1000);
		make_change(load, mode, i);
	}
	(void)printf("changes %llu ns %llu cpu_ns %llu\n", (unsigned long long)load->count,
		     (unsigned long long)(bench_monotonic_ns() - start),
		     (unsigned long long)(bench_process_cpu_ns() - cpu));
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	}
	bench_die(0, "unknown mode %s", name);
}

static void usage(void)
{
	(void)fputs("usage: load [-n COUNT] [-i FIRST] [-s DIRECTORIES] [-b BYTES] [-u "
		    "MICROSECONDS] [-l LOG] [-o OUTSIDE] [-p] "
		    "MODE DIR\n"
		    "-s  spread over so many directories of DIR; they are made when missing\n"
		    "-u  one change in so many microseconds; full speed without\n"
		    "-l  a line a change: number, monotonic and real time before it, monotonic "
		    "time after it\n"
		    "-o  a directory on the same filesystem, for MODE leave\n"
		    "-p  only make the directories and files that MODE needs\n",
		    stderr);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		(void)fprintf(stderr, "%-7s %s\n", modes[i].name, modes[i].help);
	exit(2);
}

int main(int argc, char **argv)
{
	static struct load load = { .count = 1000, .write_bytes = 16, .outside = -1 };
	bool prepare_only = false;
	int option;

	while ((option = getopt(argc, argv, "n:i:s:b:u:l:o:p")) != -1) {
		switch (option) {
		case 'n':
			load.count = bench_number("-n", optarg, BENCH_COUNT_MAX / FILL_LEVELS);
			break;
		case 'i':
			load.first = bench_number("-i", optarg, BENCH_COUNT_MAX / FILL_LEVELS);
			break;
		case 's':
			load.spread = bench_number("-s", optarg, 512);
			break;
		case 'b':
			load.write_bytes = bench_number("-b", optarg, WRITE_MAX);
			break;
		case 'u':
			load.every_us = bench_number("-u", optarg, 10000000);
			break;
		case 'l':
			load.log = fopen(optarg, "we");
			if (!load.log)
				bench_die(errno, "%s", optarg);
			break;
		case 'o':
			load.outside = open_dir(AT_FDCWD, optarg);
			break;
		case 'p':
			prepare_only = true;
			break;
		default:
			usage();
		}
	}
	if (optind + 2 != argc)
		usage();
	memset(load.data, 'x', sizeof(load.data));
	open_dirs(&load, argv[optind + 1]);
	run(&load, find_mode(argv[optind]), prepare_only);
	if (load.log && fclose(load.log) != 0)
		bench_die(errno, "log");
	return 0;
}
