/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trusted.h"
#include "path.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 128u
#define LINKS_MAX 40u /* as in the kernel */
#define OVERFLOW_UID 65534u /* of users who do not exist in this user namespace */

/* A directory that was reached. */
struct level {
	int fd; /* owned: O_PATH */
	size_t end; /* where its path ends; 0: "/" */
};

struct walk {
	struct hw_trusted *ret;
	struct level levels[DEPTH_MAX];
	size_t depth;
	char *rest; /* owned: the path that is not resolved yet */
	unsigned links;
	bool checks; /* this process has privileges */
	bool partial; /* in a user namespace that does not have all users */
};

static bool has_privileges(void)
{
	return geteuid() == 0 || capng_get_caps_process() < 0 ||
	       capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE;
}

static bool is_partial(void)
{
	unsigned long first, outside, count = 0;
	FILE *map = fopen("/proc/self/uid_map", "re");
	bool partial = map && (fscanf(map, "%lu %lu %lu", &first, &outside, &count) != 3 ||
			       count != UINT32_MAX);

	if (map)
		(void)fclose(map); /* only read from */
	return partial;
}

/* ---- trust ---- */

__attribute__((format(printf, 2, 3))) static int refuse(struct walk *walk, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(walk->ret->why, sizeof(walk->ret->why), format, ap); /* fits */
	va_end(ap);
	return -EPERM;
}

/* `last`: the file or its directory; otherwise a directory above, or a link. */
static int check(struct walk *walk, const struct stat *st, bool last)
{
	const char *user = geteuid() == 0 ? "root" : "a privileged process";

	if (!walk->checks)
		return 0;
	if (st->st_uid != 0 && st->st_uid != geteuid() &&
	    (last || !walk->partial || st->st_uid != OVERFLOW_UID))
		return refuse(walk,
			      "owned by uid %u; %s loads only plugins that root owns, in "
			      "directories that root owns (chown root)",
			      (unsigned)st->st_uid, user);
	if (S_ISLNK(st->st_mode) || !(st->st_mode & (S_IWGRP | S_IWOTH)) ||
	    (!last && st->st_mode & S_ISVTX))
		return 0;
	return refuse(walk,
		      "writable by %s; %s loads only plugins that nobody else can write (chmod "
		      "go-w)",
		      st->st_mode & S_IWOTH ? "everyone" : "its group", user);
}

/* Remembers the path of what is not trusted. */
static int blame(struct walk *walk, int error, const char *name)
{
	size_t end = walk->levels[walk->depth - 1].end;

	if (error == -EPERM && asprintf(&walk->ret->at, "%.*s%s%s", (int)end, walk->ret->path,
					name || !end ? "/" : "", name ? name : "") < 0)
		walk->ret->at = NULL;
	return error;
}

/* ---- the path ---- */

/* The walk takes the descriptor. */
static int push(struct walk *walk, int fd, const char *name)
{
	size_t end = walk->depth ? walk->levels[walk->depth - 1].end : 0;
	size_t len = strlen(name);
	char *path = realloc(walk->ret->path, end + 1 + len + 1);

	if (!path || walk->depth == DEPTH_MAX) {
		walk->ret->path = path ? path : walk->ret->path;
		close(fd);
		return path ? -ENAMETOOLONG : -ENOMEM;
	}
	walk->ret->path = path;
	path[end] = '/';
	memcpy(path + end + 1, name, len + 1);
	walk->levels[walk->depth] = (struct level){ .fd = fd, .end = *name ? end + 1 + len : 0 };
	walk->depth++;
	return 0;
}

static void pop_to(struct walk *walk, size_t depth)
{
	while (walk->depth > depth)
		close(walk->levels[--walk->depth].fd);
}

static int begin(struct walk *walk)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	int r = push(walk, fd, "");

	if (r == 0)
		r = fstat(fd, &st) < 0 ? -errno : check(walk, &st, false);
	return r < 0 ? blame(walk, r, NULL) : 0;
}

static int follow(struct walk *walk, int link)
{
	char target[PATH_MAX], *rest;
	ssize_t len = readlinkat(link, "", target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	if (++walk->links > LINKS_MAX)
		return -ELOOP;
	target[len] = '\0';
	if (asprintf(&rest, "%s/%s", target, walk->rest) < 0)
		return -ENOMEM;
	free(walk->rest);
	walk->rest = rest;
	if (target[0] == '/')
		pop_to(walk, 1);
	return 0;
}

/* The directory of the file, or of a link to it, is checked like the file. */
static int check_directory(struct walk *walk)
{
	struct stat st;

	if (fstat(walk->levels[walk->depth - 1].fd, &st) < 0)
		return -errno;
	return blame(walk, check(walk, &st, true), NULL);
}

static int open_file(struct walk *walk, int path_fd, const struct stat *st, const char *name)
{
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	int r = S_ISREG(st->st_mode) ? check(walk, st, true) : -ENOEXEC;

	if (r < 0)
		return blame(walk, r, name);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd); /* fits */
	walk->ret->fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return walk->ret->fd < 0 ? -errno : 0;
}

/* Takes one component. The path ends with it if the rest has only slashes. */
static int advance(struct walk *walk, const char *name)
{
	const struct level *top = &walk->levels[walk->depth - 1];
	int r, fd = openat(top->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool last = !walk->rest[strspn(walk->rest, "/")];
	struct stat st;

	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && last && !S_ISDIR(st.st_mode))
		r = check_directory(walk);
	if (r == 0 && S_ISDIR(st.st_mode)) {
		r = blame(walk, check(walk, &st, false), name);
		return r < 0 ? (close(fd), r) : push(walk, fd, name);
	}
	if (r == 0 && S_ISLNK(st.st_mode)) {
		r = blame(walk, check(walk, &st, false), name);
		r = r < 0 ? r : follow(walk, fd);
		close(fd);
		return r;
	}
	if (r == 0)
		r = last ? open_file(walk, fd, &st, name) : -ENOTDIR;
	if (r < 0 || walk->depth == DEPTH_MAX) {
		close(fd);
		return r < 0 ? r : -ENAMETOOLONG;
	}
	return push(walk, fd, name);
}

/* Returns 0 when the file is open; -EISDIR: the path leads to a directory. */
static int resolve(struct walk *walk)
{
	int r = begin(walk);

	while (r == 0 && walk->ret->fd < 0) {
		char name[NAME_MAX + 1], *at = walk->rest + strspn(walk->rest, "/");
		size_t len = strcspn(at, "/");

		if (!len)
			return -EISDIR;
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, at, len);
		name[len] = '\0';
		memmove(walk->rest, at + len, strlen(at + len) + 1);
		if (strcmp(name, "..") == 0)
			pop_to(walk, walk->depth > 1 ? walk->depth - 1 : 1);
		else if (strcmp(name, ".") != 0)
			r = advance(walk, name);
	}
	return r;
}

int hw_trusted_open(const char *path, struct hw_trusted *ret)
{
	struct walk walk = { .ret = ret, .checks = has_privileges() };
	int r;

	*ret = (struct hw_trusted){ .fd = -1 };
	walk.rest = hw_path_make_absolute(path);
	if (!walk.rest)
		return -errno;
	walk.partial = walk.checks && is_partial();
	r = resolve(&walk);
	pop_to(&walk, 0);
	free(walk.rest);
	if (r < 0 && !*ret->why)
		(void)snprintf(ret->why, sizeof(ret->why), "%s",
			       r == -EISDIR || r == -ENOEXEC ? "not a regular file" : strerror(-r));
	return r == -EISDIR ? -ENOEXEC : r;
}

void hw_trusted_free(struct hw_trusted *trusted)
{
	if (trusted->fd >= 0)
		close(trusted->fd);
	free(trusted->path);
	free(trusted->at);
	*trusted = (struct hw_trusted){ .fd = -1 };
}
