/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cut.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES 64u
#define PATH 700u

static char dir[PATH], aside[PATH]; /* dir: "" while nothing is to be cut */
static atomic_uint *left; /* shared with children */

struct file {
	char name[160];
	uint64_t ino;
};

struct list {
	struct file files[FILES];
	unsigned count;
};

static void check(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "cut: %s: %s\n", what, strerror(errno));
	abort();
}

static unsigned pick(uint64_t *random, unsigned below)
{
	*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)((*random >> 33) % below);
}

/* ---- copies ---- */

static void put(int fd, const char *bytes, size_t len)
{
	while (len) {
		long n = syscall(SYS_write, fd, bytes, len);

		check(n >= 0, "write");
		bytes += n;
		len -= (size_t)n;
	}
}

/* Copies at most `len` bytes, and as many zeros. */
static void copy(const char *from, const char *to, uint64_t len, uint64_t zeros)
{
	static const char zero[4096];
	char buffer[16384];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n = 1;

	check(in >= 0 && out >= 0, from);
	while (len && n > 0) {
		n = read(in, buffer, len < sizeof(buffer) ? len : sizeof(buffer));
		check(n >= 0, from);
		put(out, buffer, (size_t)n);
		len -= (uint64_t)n;
	}
	for (; zeros; zeros -= zeros < sizeof(zero) ? zeros : sizeof(zero))
		put(out, zero, zeros < sizeof(zero) ? zeros : sizeof(zero));
	(void)close(in);
	(void)close(out);
}

static void path_of(char *path, const char *base, const char *name)
{
	check(snprintf(path, PATH, "%s/%s", base, name) < (int)PATH, "path");
}

static void copy_of(char *path, uint64_t ino)
{
	check(snprintf(path, PATH, "%s/i%" PRIu64, aside, ino) < (int)PATH, "path");
}

/* The copy appears at once, as the effect of fsync(2) does. */
static void keep_file(const char *from, uint64_t ino)
{
	char path[PATH], new_path[PATH + 8];

	copy_of(path, ino);
	(void)snprintf(new_path, sizeof(new_path), "%s.new", path);
	copy(from, new_path, UINT64_MAX, 0);
	check(rename(new_path, path) == 0, "rename");
}

/* ---- names ---- */

static void list_dir(struct list *list)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;

	check(stream != NULL, dir);
	list->count = 0;
	while ((entry = readdir(stream))) {
		struct file *file = &list->files[list->count];

		if (entry->d_name[0] == '.' || strstr(entry->d_name, ".lock"))
			continue;
		check(list->count < FILES && strlen(entry->d_name) < sizeof(file->name), "files");
		(void)snprintf(file->name, sizeof(file->name), "%.159s", entry->d_name);
		file->ino = entry->d_ino;
		list->count++;
	}
	(void)closedir(stream);
}

/* Of the processes and threads that keep names and files at the same time; a process that is killed
 * releases it. */
static int lock(void)
{
	int fd = open(aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	check(fd >= 0 && flock(fd, LOCK_EX) == 0, aside);
	return fd;
}

static void keep_names(void)
{
	char path[PATH], new_path[PATH];
	struct list list;

	list_dir(&list);
	path_of(path, aside, "names");
	path_of(new_path, aside, "names.new");
	int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0, new_path);
	put(fd, (const char *)&list, sizeof(list));
	(void)close(fd);
	check(rename(new_path, path) == 0, "rename");
}

static void read_names(struct list *list)
{
	char path[PATH];

	path_of(path, aside, "names");
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(fd >= 0 && read(fd, list, sizeof(*list)) == sizeof(*list), path);
	(void)close(fd);
}

/* ---- calls of the program ---- */

static bool is_inside(int fd, char path[PATH])
{
	char link[40];
	size_t len = strlen(dir);
	ssize_t n;

	if (!len)
		return false;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH - 1);
	path[n > 0 ? n : 0] = '\0';
	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

__attribute__((visibility("default"))) int fsync(int fd)
{
	char path[PATH], link[40];
	struct stat st;
	int r = (int)syscall(SYS_fsync, fd);

	if (r < 0 || !is_inside(fd, path) || fstat(fd, &st) < 0)
		return r;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	int locked = lock();

	if (S_ISDIR(st.st_mode))
		keep_names();
	else
		keep_file(link, st.st_ino);
	(void)close(locked);
	return r;
}

__attribute__((visibility("default"))) ssize_t write(int fd, const void *bytes, size_t len)
{
	char path[PATH];

	if (*dir && atomic_load(left) && is_inside(fd, path) && atomic_fetch_sub(left, 1) == 1) {
		(void)syscall(SYS_write, fd, bytes, len / 2);
		(void)kill(0, SIGKILL);
	}
	return syscall(SYS_write, fd, bytes, len);
}

/* ---- the test ---- */

static void keep_all(void)
{
	struct list list;
	char path[PATH];

	list_dir(&list);
	for (unsigned i = 0; i < list.count; i++) {
		path_of(path, dir, list.files[i].name);
		keep_file(path, list.files[i].ino);
	}
	keep_names();
}

void hw_cut_begin(const char *cut_dir, const char *aside_dir)
{
	left = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(left != MAP_FAILED, "mmap");
	(void)snprintf(aside, sizeof(aside), "%s", aside_dir);
	check(realpath(cut_dir, dir) != NULL, cut_dir);
	keep_all();
}

void hw_cut_end(void)
{
	dir[0] = '\0';
}

void hw_cut_arm(unsigned number)
{
	atomic_store(left, number);
}

static const struct file *find(const struct list *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (strcmp(list->files[i].name, name) == 0)
			return &list->files[i];
	return NULL;
}

static const struct file *find_ino(const struct list *list, uint64_t ino)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->files[i].ino == ino)
			return &list->files[i];
	return NULL;
}

/* Puts what is left of a file into place. */
static void leave(const struct file *file, const struct list *now, const char *to, uint64_t *random)
{
	const struct file *current = find_ino(now, file->ino);
	char from[PATH];
	struct stat st;

	copy_of(from, file->ino);
	if (access(from, F_OK) == 0) {
		copy(from, to, UINT64_MAX, 0);
		return;
	}
	if (!current)
		return;
	path_of(from, dir, current->name);
	check(stat(from, &st) == 0, from);
	uint64_t size = (uint64_t)st.st_size, part = pick(random, (unsigned)size + 1);

	copy(from, to, part, pick(random, 2) ? size - part : 0);
}

/* Decides for each name whether it is as it is now, or as it was durable. Both names of a rename
 * are alike: rename(2) is atomic. */
static void choose(const struct list *all, const struct list *now, uint64_t *random,
		   bool newer[FILES])
{
	for (unsigned i = 0; i < all->count; i++)
		newer[i] = pick(random, 2);
	for (unsigned i = 0; i < all->count; i++)
		for (unsigned j = 0; j < all->count && !find(now, all->files[i].name); j++)
			if (all->files[j].ino == all->files[i].ino && find(now, all->files[j].name))
				newer[i] = newer[j];
}

void hw_cut_apply(uint64_t random)
{
	struct list now, kept, all;
	char from[PATH], to[PATH];
	bool newer[FILES];

	list_dir(&now);
	read_names(&kept);
	all = now;
	for (unsigned i = 0; i < kept.count; i++)
		if (!find(&now, kept.files[i].name)) {
			check(all.count < FILES, "files");
			all.files[all.count++] = kept.files[i];
		}
	choose(&all, &now, &random, newer);
	for (unsigned i = 0; i < all.count; i++) {
		const struct file *file = find(newer[i] ? &now : &kept, all.files[i].name);

		(void)snprintf(from, sizeof(from), "%.500s/new.%.159s", aside, all.files[i].name);
		if (file)
			leave(file, &now, from, &random);
	}
	for (unsigned i = 0; i < all.count; i++) {
		path_of(to, dir, all.files[i].name);
		(void)snprintf(from, sizeof(from), "%.500s/new.%.159s", aside, all.files[i].name);
		(void)unlink(to);
		if (access(from, F_OK) < 0)
			continue;
		copy(from, to, UINT64_MAX, 0);
		(void)unlink(from);
	}
	for (unsigned i = 0; i < all.count; i++) {
		copy_of(from, all.files[i].ino);
		(void)unlink(from);
	}
	keep_all();
}
