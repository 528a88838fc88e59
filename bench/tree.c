/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds a tree of empty files, or walks a tree like a poller, which gives the lower bound for
 * polling. */
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FANOUT                                                                                     \
	100 /* subdirectories a directory gets: 100,000 directories are three levels deep          \
	     */

struct tree {
	uint64_t files, directories;
};

static int make_dir(int parent, uint64_t number)
{
	char name[32];
	int fd;

	(void)snprintf(name, sizeof(name), "d%06llu", (unsigned long long)number);
	if (mkdirat(parent, name, 0755) < 0)
		bench_die(errno, "mkdir %s", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		bench_die(errno, "open %s", name);
	return fd;
}

static void make_files(int dirfd, uint64_t first, uint64_t end)
{
	char name[32];

	for (uint64_t i = first; i < end; i++) {
		(void)snprintf(name, sizeof(name), "file-%07llu", (unsigned long long)i);
		/* mknod(2) is one system call; open(2) and close(2) would be two. */
		if (mknodat(dirfd, name, S_IFREG | 0644, 0) < 0)
			bench_die(errno, "create %s", name);
	}
}

/* Directory d (from 1) is a child of directory (d - 1) / FANOUT; 0 is the root. Files are
 * distributed evenly. */
static void fill_below(struct tree *tree, int dirfd, uint64_t self)
{
	uint64_t share = tree->directories;

	if (self)
		make_files(dirfd, (self - 1) * tree->files / share, self * tree->files / share);
	for (uint64_t child = self * FANOUT + 1; child <= (self + 1) * FANOUT && child <= share;
	     child++) {
		int fd = make_dir(dirfd, child);

		fill_below(tree, fd, child); /* the depth is log100 of the number of directories */
		(void)close(fd); /* no data was written through fd */
	}
}

static void build(const char *root, uint64_t files, uint64_t directories)
{
	struct tree tree = { .files = files, .directories = directories };
	int fd;

	if (mkdir(root, 0755) < 0 && errno != EEXIST)
		bench_die(errno, "mkdir %s", root);
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		bench_die(errno, "open %s", root);
	fill_below(&tree, fd, 0);
	(void)close(fd);
}

static const char usage[] = "usage: tree [-f FILES] [-d DIRECTORIES] DIR\n"
			    "       tree -w|-W DIR\n"
			    "-w lists every directory, -W also examines every entry\n";

int main(int argc, char **argv)
{
	struct bench_walk walk = { 0 };
	uint64_t files = 1000, directories = 100, start, cpu;
	bool walking = false;
	int option;

	while ((option = getopt(argc, argv, "f:d:wW")) != -1) {
		if (option == 'f')
			files = bench_number("-f", optarg, BENCH_COUNT_MAX);
		else if (option == 'd')
			directories = bench_number("-d", optarg, 1000000);
		else if (option == 'w' || option == 'W')
			walking = true;
		if (option == 'W')
			walk.stat_entries = true;
		if (option == '?')
			return (void)fputs(usage, stderr), 2;
	}
	if (optind + 1 != argc || !directories)
		return (void)fputs(usage, stderr), 2;
	start = bench_monotonic_ns();
	cpu = bench_process_cpu_ns();
	if (walking)
		bench_walk(&walk, argv[optind]);
	else
		build(argv[optind], files, directories);
	(void)printf("directories %llu entries %llu ns %llu cpu_ns %llu\n",
		     (unsigned long long)walk.directories, (unsigned long long)walk.entries,
		     (unsigned long long)(bench_monotonic_ns() - start),
		     (unsigned long long)(bench_process_cpu_ns() - cpu));
	return 0;
}
