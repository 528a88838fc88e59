/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "writer_private.h"

#include "tests/common/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned hw_writer_pick(struct writer *w, unsigned below)
{
	return (unsigned)(next(&w->state) % below);
}

/* Makes names of arbitrary bytes that are valid in a file name; "." is excluded, so that no name
 * refers to a directory. */
static void make_names(struct writer *w)
{
	uint64_t state = w->config->names_seed;

	for (unsigned i = 0; i < NAMES; i++) {
		unsigned len = 1 + (unsigned)(next(&state) % NAME_MAX_BYTES);

		for (unsigned k = 0; k < len; k++) {
			char c = (char)(next(&state) % (i % 2 ? 256 : 26));

			if (!(i % 2))
				c = (char)('a' + c);
			w->names[i][k] = c && c != '/' && c != '.' ? c : '_';
		}
	}
}

static int no_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Appends the name of a random entry of the directory at path. Returns false if it has no
 * entries. */
static bool pick_entry(struct writer *w, char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, no_dots, by_bytes);
	unsigned chosen = count > 0 ? hw_writer_pick(w, (unsigned)count) : 0;
	size_t len = strlen(path);
	bool fits = false;

	for (int i = 0; i < count; i++) {
		if ((unsigned)i == chosen && len + strlen(entries[i]->d_name) + 2 < PATH_BYTES) {
			(void)snprintf(path + len, PATH_BYTES - len, "/%s",
				       entries[i]->d_name); /* fits */
			fits = true;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return fits;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISDIR(st.st_mode);
}

static void pick_dir(struct writer *w, const char *top, char *path)
{
	char below[PATH_BYTES];
	unsigned depth = hw_writer_pick(w, DEPTH_MAX);

	(void)snprintf(path, PATH_BYTES, "%s/%s", w->config->base, top); /* fits */
	for (unsigned tries = 0; depth && tries < 8; tries++) {
		memcpy(below, path, PATH_BYTES);
		if (!pick_entry(w, below))
			return;
		if (is_dir(below)) {
			memcpy(path, below, PATH_BYTES);
			depth--;
		}
	}
}

/* Picks a name that may or may not exist. */
static void pick_new(struct writer *w, const char *top, char *path)
{
	pick_dir(w, top, path);
	size_t len = strlen(path);
	(void)snprintf(path + len, PATH_BYTES - len, "/%s",
		       w->names[hw_writer_pick(w, NAMES)]); /* fits */
}

/* Picks the name of an entry that existed a moment ago, if there is one. */
void hw_writer_pick_old(struct writer *w, const char *top, char *path)
{
	pick_dir(w, top, path);
	if (!pick_entry(w, path))
		pick_new(w, top, path);
}

/* ---- operations: failures are ignored ---- */

int hw_writer_note_written(struct writer *w, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -1;
	return write(w->written, &st.st_ino, sizeof(st.st_ino)) < 0 ? -1 : 0;
}

static int write_file(struct writer *w, const char *path, int flags)
{
	char data[256];
	size_t len = hw_writer_pick(w, sizeof(data));
	int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);

	if (fd < 0)
		return -1;
	int r = hw_writer_note_written(w, fd);

	memset(data, 'a' + (int)hw_writer_pick(w, 26), sizeof(data));
	if (!r && len && write(fd, data, len) < 0)
		r = -1;
	(void)close(fd); /* nothing depends on it */
	return r;
}

static int do_create(struct writer *w, char *a, char *b)
{
	(void)b;
	pick_new(w, "share", a);
	return write_file(w, a, O_WRONLY | O_CREAT | O_EXCL);
}

static int do_write(struct writer *w, char *a, char *b)
{
	(void)b;
	hw_writer_pick_old(w, "share", a);
	return write_file(w, a, O_WRONLY | O_TRUNC);
}

static int do_append(struct writer *w, char *a, char *b)
{
	(void)b;
	hw_writer_pick_old(w, "share", a);
	return write_file(w, a, O_WRONLY | O_APPEND);
}

static int do_truncate(struct writer *w, char *a, char *b)
{
	char proc[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	struct stat st;
	int r = -1;

	(void)b;
	hw_writer_pick_old(w, "share", a);
	off_t size = (off_t)hw_writer_pick(w, 300);
	int fd = open(a, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd); /* fits */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && !hw_writer_note_written(w, fd))
		r = truncate(proc, size);
	(void)close(fd); /* O_PATH */
	return r;
}

static int do_mkdir(struct writer *w, char *a, char *b)
{
	(void)b;
	pick_new(w, "share", a);
	return mkdir(a, 0755);
}

/* Like mkdir -p, with a file in each level. */
static int do_mkdir_parents(struct writer *w, char *a, char *b)
{
	int r = 0;

	pick_new(w, "share", a);
	for (unsigned i = 0; !r && i < 3; i++) {
		size_t len = strlen(a);

		r = mkdir(a, 0755);
		if (!r && snprintf(b, PATH_BYTES, "%s/file", a) < (int)PATH_BYTES)
			(void)write_file(w, b, O_WRONLY | O_CREAT);
		if (len + NAME_MAX_BYTES + 2 >= PATH_BYTES)
			break;
		(void)snprintf(a + len, PATH_BYTES - len, "/%s",
			       w->names[hw_writer_pick(w, NAMES)]); /* fits */
	}
	*b = '\0';
	return r;
}

static int do_rename(struct writer *w, char *a, char *b)
{
	hw_writer_pick_old(w, "share", a);
	if (hw_writer_pick(w, 3))
		pick_new(w, "share", b);
	else
		hw_writer_pick_old(w, "share", b);
	return rename(a, b);
}

static int do_exchange(struct writer *w, char *a, char *b)
{
	hw_writer_pick_old(w, "share", a);
	hw_writer_pick_old(w, "share", b);
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static int do_move_in(struct writer *w, char *a, char *b)
{
	hw_writer_pick_old(w, "outside", a);
	pick_new(w, "share", b);
	return rename(a, b);
}

static int do_move_out(struct writer *w, char *a, char *b)
{
	hw_writer_pick_old(w, "share", a);
	pick_new(w, "outside", b);
	return rename(a, b);
}

static int do_outside(struct writer *w, char *a, char *b)
{
	struct stat st;

	if (!hw_writer_pick(w, 3)) {
		hw_writer_pick_old(w, "outside", a);
		/* The share reports no event for a write through a name outside it. */
		if (lstat(a, &st) || st.st_nlink > 1)
			return -1;
		return write_file(w, a, O_WRONLY | O_APPEND);
	}
	pick_new(w, "outside", a);
	if (hw_writer_pick(w, 2))
		return write_file(w, a, O_WRONLY | O_CREAT | O_EXCL);
	if (mkdir(a, 0755) || snprintf(b, PATH_BYTES, "%s/in", a) >= (int)PATH_BYTES)
		return -1;
	return write_file(w, b, O_WRONLY | O_CREAT | O_EXCL);
}

static int do_link(struct writer *w, char *a, char *b)
{
	struct stat st;

	hw_writer_pick_old(w, "share", a);
	pick_new(w, "share", b);
	if (link(a, b))
		return -1;
	if (!lstat(b, &st) && write(w->linked, &st.st_ino, sizeof(st.st_ino)) < 0)
		return -1;
	return 0;
}

static int do_symlink(struct writer *w, char *a, char *b)
{
	(void)b;
	pick_new(w, "share", a);
	return symlink(hw_writer_pick(w, 2) ? "." : "nowhere", a);
}

static int do_mknod(struct writer *w, char *a, char *b)
{
	(void)b;
	pick_new(w, "share", a);
	return mknod(a, (hw_writer_pick(w, 2) ? S_IFIFO : S_IFREG) | 0644, 0);
}

static int do_unlink(struct writer *w, char *a, char *b)
{
	(void)b;
	hw_writer_pick_old(w, "share", a);
	return unlink(a);
}

static int do_remove_tree(struct writer *w, char *a, char *b)
{
	char top[PATH_BYTES];

	(void)b;
	(void)snprintf(top, sizeof(top), "%s/share", w->config->base); /* fits */
	hw_writer_pick_old(w, "share", a);
	return strcmp(a, top) ? hw_scratch_remove_at(AT_FDCWD, a) : -1;
}

/* Weights of the operations: those that create outweigh those that remove, so that trees grow. */
static const struct {
	const char *name;
	unsigned weight;
	int (*run)(struct writer *w, char *a, char *b);
} operations[] = {
	{ "create", 14, do_create },         { "write", 8, do_write },
	{ "append", 8, do_append },          { "truncate", 4, do_truncate },
	{ "mkdir", 10, do_mkdir },           { "mkdir -p", 6, do_mkdir_parents },
	{ "rename", 14, do_rename },         { "exchange", 5, do_exchange },
	{ "move in", 5, do_move_in },        { "move out", 4, do_move_out },
	{ "outside", 5, do_outside },        { "link", 5, do_link },
	{ "symlink", 3, do_symlink },        { "mknod", 3, do_mknod },
	{ "chmod", 4, hw_writer_chmod },     { "chown", 3, hw_writer_chown },
	{ "utimens", 4, hw_writer_utimens }, { "xattr", 3, hw_writer_xattr },
	{ "unlink", 6, do_unlink },          { "rm -r", 2, do_remove_tree },
	{ "hold", 5, hw_writer_hold },       { "write held", 7, hw_writer_write_held },
	{ "release", 3, hw_writer_release },
};
#define OPERATIONS (sizeof(operations) / sizeof(*operations))

static unsigned pick_operation(struct writer *w)
{
	unsigned total = 0, i = 0;

	for (unsigned k = 0; k < OPERATIONS; k++)
		total += operations[k].weight;
	for (unsigned at = hw_writer_pick(w, total); at >= operations[i].weight; i++)
		at -= operations[i].weight;
	return i;
}

static void put_quoted(FILE *out, const char *path)
{
	for (; *path; path++)
		fprintf(out, *path <= ' ' || *path > '~' ? "\\x%02x" : "%c", (unsigned char)*path);
}

static void write_log(struct writer *w, const char *name, const char *a, const char *b, int error)
{
	size_t base = strlen(w->config->base) + 1;

	fprintf(w->log, "%lld %s ", (long long)hw_clock_realtime_ns(), name);
	put_quoted(w->log, strlen(a) > base ? a + base : a);
	fputc(' ', w->log);
	put_quoted(w->log, strlen(b) > base ? b + base : b);
	fprintf(w->log, " %s\n", error ? strerror(error) : "");
}

static void work(struct writer *w)
{
	for (unsigned i = 0; i < w->config->operations; i++) {
		char a[PATH_BYTES] = "", b[PATH_BYTES] = "";
		unsigned op = pick_operation(w);

		errno = 0;
		int r = operations[op].run(w, a, b);
		write_log(w, operations[op].name, a, b, r ? errno : 0);
	}
}

static int run(const struct hw_writer_config *config, int start_fd)
{
	struct writer w = { .config = config, .state = config->seed, .held = -1 };
	char path[PATH_BYTES], byte;

	(void)snprintf(path, sizeof(path), "%s/writer-%u.log", config->base,
		       config->number); /* fits */
	w.log = fopen(path, "we");
	(void)snprintf(path, sizeof(path), "%s/linked", config->base); /* fits */
	w.linked = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	(void)snprintf(path, sizeof(path), "%s/written", config->base); /* fits */
	w.written = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	(void)snprintf(path, sizeof(path), "%s/attributes", config->base); /* fits */
	w.attributes = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (!w.log || w.linked < 0 || w.written < 0 || w.attributes < 0)
		return 1;
	(void)signal(SIGPIPE, SIG_IGN); /* another writer may close the other end of a FIFO */
	make_names(&w);
	if (read(start_fd, &byte, 1) < 0)
		return 1;
	work(&w);
	(void)hw_writer_release(&w, path, path); /* if there is one */
	return fclose(w.log) ? 1 : 0;
}

pid_t hw_writer_start(const struct hw_writer_config *config, const int pipe_fds[2])
{
	if (strlen(config->base) > PATH_BYTES / 2)
		return -ENAMETOOLONG;
	pid_t pid = fork();

	if (!pid) {
		(void)close(pipe_fds[1]); /* otherwise this process would never see the end of the
					   * pipe */
		_exit(run(config, pipe_fds[0]));
	}
	return pid < 0 ? -errno : pid;
}
