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
#define LOGS 64u /* files of mode append */
#define WRITE_MAX 65536

struct load {
	uint64_t count; /* changes to make */
	uint64_t spread; /* number of directories to spread them over; 0: the root only */
	uint64_t first; /* number of the first change */
	uint64_t every_us; /* 0: full speed */
	size_t write_bytes; /* per write; 0: no data */
	FILE *log; /* owned, or NULL */
	bool list; /* print the changes instead of making them */
	bool preparing;
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

/* A directory. With -e no directory is open, and the prefix says where it is. */
struct place {
	int fd; /* borrowed */
	char prefix[128];
};

static struct place place_of(const struct load *load, uint64_t number)
{
	struct place place = { .fd = load->root };

	if (!load->spread)
		return place;
	place.fd = load->list ? -1 : load->dirs[number % load->spread];
	if (load->list)
		(void)snprintf(place.prefix, sizeof(place.prefix), "%s/",
			       name_of('s', number % load->spread).text);
	return place;
}

static struct place outside(const struct load *load)
{
	return (struct place){ .fd = load->outside, .prefix = "../outside/" };
}

/* Prints a change instead of making it, with -e. */
static bool is_listed(const struct load *load, char kind, const struct place *at, const char *name)
{
	if (!load->list)
		return false;
	if (load->preparing)
		kind = kind == 'd' ? 'D' : 'F';
	(void)printf("%c\t%s%s\n", kind, at->prefix, name);
	return true;
}

static void write_file(const struct load *load, const struct place *at, const char *name, int flags)
{
	int fd;

	if (is_listed(load, flags & O_CREAT ? 'c' : 'm', at, name))
		return;
	fd = openat(at->fd, name, O_WRONLY | O_CLOEXEC | flags, 0644);
	if (fd < 0)
		bench_die(errno, "open %s", name);
	if (load->write_bytes &&
	    write(fd, load->data, load->write_bytes) != (ssize_t)load->write_bytes)
		bench_die(errno, "write %s", name);
	if (close(fd) < 0)
		bench_die(errno, "close %s", name);
}

static void make_dir(const struct load *load, const struct place *at, const char *name)
{
	if (!is_listed(load, 'd', at, name) && mkdirat(at->fd, name, 0755) < 0)
		bench_die(errno, "mkdir %s", name);
}

static void remove_name(const struct load *load, const struct place *at, const char *name,
			int flags)
{
	if (!is_listed(load, 'u', at, name) && unlinkat(at->fd, name, flags) < 0)
		bench_die(errno, "unlink %s", name);
}

static void rename_name(const struct load *load, const struct place *from, const char *name,
			const struct place *to, const char *new_name)
{
	if (load->list)
		(void)printf("r\t%s%s\t%s%s\n", from->prefix, name, to->prefix, new_name);
	else if (renameat(from->fd, name, to->fd, new_name) < 0)
		bench_die(errno, "rename %s", name);
}

static int open_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		bench_die(errno, "open %s", name);
	return fd;
}

/* Replaces the place, whose descriptor the caller owns, by a directory in it. */
static void enter(const struct load *load, struct place *at, const char *name)
{
	size_t len = strlen(at->prefix);
	int below = load->list ? -1 : open_dir(at->fd, name);

	(void)snprintf(at->prefix + len, sizeof(at->prefix) - len, "%s/", name);
	if (!load->list)
		(void)close(at->fd);
	at->fd = below;
}

/* As place_of(), but the caller owns the descriptor. */
static struct place own_place_of(const struct load *load, uint64_t number)
{
	struct place place = place_of(load, number);

	place.fd = load->list ? -1 : dup(place.fd);
	if (!load->list && place.fd < 0)
		bench_die(errno, "dup");
	return place;
}

static void leave_place(const struct load *load, const struct place *at)
{
	if (!load->list)
		(void)close(at->fd); /* no data was written through it */
}

static void change_create(struct load *load, uint64_t number)
{
	struct place at = place_of(load, number);

	write_file(load, &at, name_of('f', number).text, O_CREAT | O_EXCL);
}

static void change_storm(struct load *load, uint64_t number)
{
	struct place at = place_of(load, number);

	change_create(load, number);
	remove_name(load, &at, name_of('f', number).text, 0);
}

static void prepare_append(struct load *load, uint64_t number)
{
	if (number < LOGS)
		change_create(load, number);
}

static void change_append(struct load *load, uint64_t number)
{
	struct place at = place_of(load, number % LOGS);

	write_file(load, &at, name_of('f', number % LOGS).text, O_APPEND);
}

static void change_leave(struct load *load, uint64_t number)
{
	struct place at = place_of(load, number), out = outside(load);
	struct name name = name_of('f', number);

	rename_name(load, &at, name.text, &out, name.text);
}

/* One file, one directory with a file, one file that leaves, one that comes. */
static void prepare_rename(struct load *load, uint64_t number)
{
	struct place at = own_place_of(load, number), out = outside(load);
	struct name dir = name_of('d', number), file = name_of('f', number);

	if (number % 4 == 1) {
		make_dir(load, &at, dir.text);
		enter(load, &at, dir.text);
	}
	write_file(load, number % 4 == 3 ? &out : &at, file.text, O_CREAT | O_EXCL);
	leave_place(load, &at);
}

static void change_rename(struct load *load, uint64_t number)
{
	struct place at = place_of(load, number), to = place_of(load, number + 1);
	struct place out = outside(load);
	struct name file = name_of('f', number);

	if (number % 4 == 0)
		rename_name(load, &at, file.text, &to, name_of('r', number).text);
	else if (number % 4 == 1)
		rename_name(load, &at, name_of('d', number).text, &at, name_of('e', number).text);
	else if (number % 4 == 2)
		rename_name(load, &at, file.text, &out, file.text);
	else
		rename_name(load, &out, file.text, &at, file.text);
}

/* An editor replaces a file by a temporary one, and a directory comes, is filled, renamed, and
 * every other time removed, at full speed. */
static void change_race(struct load *load, uint64_t number)
{
	struct place at = own_place_of(load, number);
	struct name new_dir = name_of('d', number), dir = name_of('e', number);
	struct name temporary = name_of('t', number), file = name_of('f', number);

	write_file(load, &at, temporary.text, O_CREAT | O_EXCL);
	rename_name(load, &at, temporary.text, &at, file.text);
	make_dir(load, &at, new_dir.text);
	rename_name(load, &at, new_dir.text, &at, dir.text);
	if (number % 2)
		remove_name(load, &at, dir.text, AT_REMOVEDIR);
	else
		enter(load, &at, dir.text);
	write_file(load, &at, name_of('g', number).text, O_CREAT | O_EXCL);
	leave_place(load, &at);
}

static void change_mix(struct load *load, uint64_t number)
{
	struct place at = place_of(load, number);
	struct name file = name_of('f', number);

	if (number % 4 == 0)
		remove_name(load, &at, file.text, 0);
	else if (number % 4 == 1)
		rename_name(load, &at, file.text, &at, name_of('r', number).text);
	else
		write_file(load, &at, file.text, O_APPEND);
	write_file(load, &at, name_of('n', number).text, O_CREAT | O_EXCL);
}

/* mkdir -p with a file in each level: the children appear before any watcher can add a watch for
 * the parent. */
static void change_fill(struct load *load, uint64_t number)
{
	struct place at = own_place_of(load, number);

	for (uint64_t level = 0; level < FILL_LEVELS; level++) {
		struct name name = name_of('d', number * FILL_LEVELS + level);

		make_dir(load, &at, name.text);
		enter(load, &at, name.text);
		write_file(load, &at, name_of('f', number * FILL_LEVELS + level).text,
			   O_CREAT | O_EXCL);
	}
	leave_place(load, &at);
}

static const struct mode modes[] = {
	{ "storm", NULL, change_storm, "create, write, close, delete" },
	{ "create", NULL, change_create, "create, write, close; the file stays" },
	{ "append", prepare_append, change_append, "append to one of 64 files, close" },
	{ "rename", prepare_rename, change_rename,
	  "rename a file or a directory, also out and in" },
	{ "race", NULL, change_race, "replace files, make, rename and remove directories" },
	{ "mix", change_create, change_mix, "delete, rename, append to and create files" },
	{ "leave", change_create, change_leave, "rename fN to a directory outside, -o" },
	{ "fill", NULL, change_fill, "make five nested directories with a file in each" },
};

static void list_dirs(struct load *load)
{
	for (uint64_t i = 0; i < load->spread; i++)
		(void)printf("D\t%s\n", name_of('s', i).text);
}

static void open_dirs(struct load *load, const char *root)
{
	if (load->list) {
		list_dirs(load);
		return;
	}
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

	load->preparing = true;
	for (uint64_t i = load->first; mode->prepare && (prepare_only || load->list) && i < end;
	     i++)
		mode->prepare(load, i);
	load->preparing = false;
	start = bench_monotonic_ns();
	cpu = bench_process_cpu_ns();
	for (uint64_t i = load->first; !prepare_only && i < end; i++) {
		if (load->every_us)
			wait_until(start + (i - load->first) * load->every_us * 1000);
		make_change(load, mode, i);
	}
	if (load->list)
		return;
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
		    "MICROSECONDS] [-l LOG] [-o OUTSIDE] [-p|-e] "
		    "MODE DIR\n"
		    "-s  spread over so many directories of DIR; they are made when missing\n"
		    "-u  one change in so many microseconds; full speed without\n"
		    "-l  a line a change: number, monotonic and real time before it, monotonic "
		    "time after it\n"
		    "-o  a directory on the same filesystem, for MODE leave\n"
		    "-e  print the changes as a list, and make none\n"
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

	while ((option = getopt(argc, argv, "n:i:s:b:u:l:o:pe")) != -1) {
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
		case 'e':
			load.list = true;
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
