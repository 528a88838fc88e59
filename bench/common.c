/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t bench_stop;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		bench_die(errno, "clock_gettime");
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t bench_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t bench_process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_die(int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)fprintf(stderr, "%s: ", program_invocation_short_name);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	if (error)
		(void)fprintf(stderr, ": %s", strerror(error));
	(void)fputc('\n', stderr);
	exit(2);
}

uint64_t bench_number(const char *option, const char *text, uint64_t max)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value > max)
		bench_die(0, "%s wants a number of at most %llu", option, (unsigned long long)max);
	return value;
}

int bench_connect(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bench_die(errno, "socket");
	if (strlen(path) >= sizeof(at.sun_path))
		bench_die(ENAMETOOLONG, "%s", path);
	strcpy(at.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		bench_die(errno, "%s", path);
	return fd;
}

static void on_stop(int sig)
{
	(void)sig;
	bench_stop = 1;
	(void)alarm(1);
}

void bench_catch_stop(void)
{
	struct sigaction action = { .sa_handler = on_stop };
	static const int signals[] = { SIGTERM, SIGINT, SIGALRM };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], &action, NULL) < 0)
			bench_die(errno, "sigaction");
	}
}

struct level {
	DIR *dir; /* owned */
	size_t path_len;
};

struct path {
	char *text; /* owned, NUL-terminated */
	size_t len, size;
};

static void path_append(struct path *path, const char *name)
{
	size_t name_len = strlen(name);

	if (path->len + name_len + 2 > path->size) {
		path->size = 2 * (path->len + name_len + 2);
		path->text = realloc(path->text, path->size);
		if (!path->text)
			bench_die(ENOMEM, "path");
	}
	if (path->len)
		path->text[path->len++] = '/';
	memcpy(path->text + path->len, name, name_len + 1);
	path->len += name_len;
}

static DIR *open_dir(struct bench_walk *walk, int parent, const char *name, const char *path)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		bench_die(errno, "open directory");
	if (walk->visit)
		walk->visit(walk->arg, fd, path);
	dir = fdopendir(fd);
	if (!dir)
		bench_die(errno, "fdopendir");
	walk->directories++;
	return dir;
}

static bool is_dir(struct bench_walk *walk, int dirfd, const struct dirent *entry)
{
	struct stat st;

	walk->entries++;
	if (!walk->stat_entries && entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	if (fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false; /* the entry vanished between listing and stat */
	walk->bytes += (uint64_t)st.st_size;
	return S_ISDIR(st.st_mode);
}

void bench_walk(struct bench_walk *walk, const char *root)
{
	struct level levels[BENCH_DEPTH_MAX];
	struct path path = { 0 };
	size_t depth = 0;

	path_append(&path, root);
	levels[depth++] = (struct level){ open_dir(walk, AT_FDCWD, root, root), path.len };
	while (depth) {
		struct level *top = &levels[depth - 1];
		const struct dirent *entry = readdir(top->dir);

		path.len = top->path_len;
		if (!entry) {
			(void)closedir(top->dir); /* only read from */
			depth--;
		} else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			   is_dir(walk, dirfd(top->dir), entry)) {
			if (depth == BENCH_DEPTH_MAX)
				bench_die(ELOOP, "tree deeper than %d", BENCH_DEPTH_MAX);
			path_append(&path, entry->d_name);
			levels[depth] = (struct level){
				open_dir(walk, dirfd(top->dir), entry->d_name, path.text), path.len
			};
			depth++;
		}
	}
	free(path.text);
}
