/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the tests of inotify and fanotify: a temporary directory with a root and two
 * directories below it, watched with tokens 1 (root), 2 (a) and 3 (b), and an unwatched directory
 * beside the root. Header only.
 */
#ifndef HW_TESTS_WATCHER_FIXTURE_H
#define HW_TESTS_WATCHER_FIXTURE_H

#include "recording_host.h"

#include "tests/common/needs.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOT = 1, A = 2, B = 3 };

struct fixture {
	char path[64]; /* of the temporary directory */
	int top; /* descriptor of the temporary directory */
	int root, a, b; /* top/root, top/root/a, top/root/b */
	int outside; /* top/outside */
	struct rh *rh;
};

/* The places of the tests: on disk and in memory. */
static const char *const fixture_places[] = { "/var/tmp", "/dev/shm" };

static int fixture_mkdir(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
	int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static RH_UNUSED void fixture_make(struct fixture *f, const char *place)
{
	HW_NEED(hw_lacks_scratch(place));
	memset(f, 0, sizeof(*f));
	snprintf(f->path, sizeof(f->path), "%s/hw-XXXXXX", place);
	assert_non_null(mkdtemp(f->path));
	assert_int_equal(chmod(f->path, 0755), 0);
	f->top = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->top >= 0);
	f->root = fixture_mkdir(f->top, "root");
	f->a = fixture_mkdir(f->root, "a");
	f->b = fixture_mkdir(f->root, "b");
	f->outside = fixture_mkdir(f->top, "outside");
}

static RH_UNUSED int watch(struct rh *rh, hw_token token, int dirfd)
{
	if (token < RH_DIRS && !rh->dirs[token])
		rh->dirs[token] = dup(dirfd);
	return rh->plugin->watch_dir(rh->self, token, dirfd);
}

static RH_UNUSED void fixture_watch(struct fixture *f)
{
	assert_int_equal(watch(f->rh, ROOT, f->root), 0);
	assert_int_equal(watch(f->rh, A, f->a), 0);
	assert_int_equal(watch(f->rh, B, f->b), 0);
}

/* Makes the temporary directory in one place, and starts a watcher. */
static RH_UNUSED void fixture_start(struct fixture *f, const char *place, const char *plugin,
				    const struct hw_setting *settings, size_t count)
{
	fixture_make(f, place);
	f->rh = rh_start(plugin, settings, count);
	fixture_watch(f);
}

static int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static RH_UNUSED void fixture_end(struct fixture *f)
{
	if (f->rh)
		rh_destroy(f->rh);
	close(f->a);
	close(f->b);
	close(f->root);
	close(f->outside);
	close(f->top);
	assert_int_equal(nftw(f->path, fixture_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static RH_UNUSED void touch(int dir, const char *name)
{
	assert_int_equal(mknodat(dir, name, S_IFREG | 0644, 0), 0);
}

static RH_UNUSED void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Reads a number from a file of /proc; ULONG_MAX if it cannot be read. */
static RH_UNUSED unsigned long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long number;

	if (!file)
		return ULONG_MAX;
	if (fscanf(file, "%lu", &number) != 1)
		number = ULONG_MAX;
	fclose(file);
	return number;
}

/* Runs fn in a child process, because its changes cannot be undone. The child exits with 0, or 77
 * to skip. */
static RH_UNUSED int in_child(int (*fn)(const struct fixture *f), const struct fixture *f)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child)
		_exit(fn(f));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Drops all privileges of root; call it in a child process. An ordinary user has none. */
static RH_UNUSED int drop_rights(void)
{
	return geteuid() == 0 ? hw_become_nobody() : 0;
}

/* Returns NULL, or the reason why drop_rights() does not work, or why the fixture could not be
 * reached after it. */
static RH_UNUSED const char *fixture_lacks_drop(const struct fixture *f)
{
	const char *const paths[] = { f->path, NULL };

	return geteuid() == 0 ? hw_lacks_nobody(paths) : NULL;
}

static RH_UNUSED unsigned open_files(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Mounts root/a on outside in a mount namespace of this process, and opens it there; negative if
 * that is not permitted. */
static RH_UNUSED int fixture_bind(const struct fixture *f)
{
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/root/a", f->path);
	snprintf(to, sizeof(to), "%s/outside", f->path);
	if (hw_lacks_mounts() || mount(from, to, NULL, MS_BIND, NULL))
		return -1;
	return open(to, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static RH_UNUSED void fixture_unbind(const struct fixture *f, int bound)
{
	char to[128];

	if (bound < 0)
		return;
	close(bound);
	snprintf(to, sizeof(to), "%s/outside", f->path);
	assert_int_equal(umount2(to, MNT_DETACH), 0);
}

static RH_UNUSED bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

#endif
