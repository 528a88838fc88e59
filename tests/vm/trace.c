/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-trace BASE TRACE: runs one conformance trace in BASE/share and BASE/outside, step by step, on
 * commands from standard input. It first empties both directories, makes BARRIERS in the share,
 * which contains only barriers, and runs the setup of the trace; then it prints "ready".
 *
 *	step PID	runs the operations of the next step while process PID is stopped; 0: no
 *			process. Prints "step N", or "end" if there is no further step
 *	barrier N	makes a FIFO named N in BARRIERS. Prints "barrier N"
 *	finish		closes and unmounts everything that the trace opened or mounted. Prints
 *			"finished"
 *
 * If an operation fails, prints "failed: ..." and exits.
 */
#include "tests/common/scratch.h"
#include "tests/conformance/ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define BARRIERS_NAME ".barrier"
#define BARRIERS "share/" BARRIERS_NAME
#define STOP_DEADLINE_NS INT64_C(20000000000)

static int fail(const char *what, int error)
{
	printf("failed: %s: %s\n", what, strerror(-error));
	return 1;
}

/* ---- the two directories ---- */

static bool is_kept(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, BARRIERS_NAME);
}

/* Programs may have the share mounted and watch the barriers, so both directories and BARRIERS are
 * kept; everything else is removed. */
static int empty(int base, const char *name)
{
	int fd, r = 0;
	struct dirent *entry;
	DIR *dir;

	if (mkdirat(base, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	if (fchmod(fd, 0755) < 0)
		r = -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (!is_kept(entry->d_name))
			r = hw_scratch_remove_at(fd, entry->d_name);
	(void)closedir(dir); /* only read from */
	return r;
}

static int prepare(struct hw_world *world)
{
	int r;

	if (asprintf(&world->root, "%s/share", world->base) < 0)
		return -ENOMEM;
	world->fd = open(world->base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (world->fd < 0)
		return -errno;
	r = empty(world->fd, "outside");
	if (r == 0)
		r = empty(world->fd, "share");
	if (r == 0 && mkdirat(world->fd, BARRIERS, 0755) < 0 && errno != EEXIST)
		r = -errno;
	return r;
}

static void release(struct hw_world *world)
{
	for (unsigned i = 0; i < HW_WORLD_HANDLES; i++)
		if (world->handles[i].name) {
			(void)close(world->handles[i].fd); /* the trace is over */
			free(world->handles[i].name);
			world->handles[i].name = NULL;
		}
	while (world->mount_count) {
		char *at = world->mounts[--world->mount_count];

		(void)umount2(at, MNT_DETACH); /* fails if the mount failed */
		free(at);
	}
}

/* ---- the stopped program ---- */

static char state_of(pid_t pid)
{
	char path[64], text[256], *end;
	ssize_t len = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		(void)close(fd); /* only read from */
	}
	if (len <= 0)
		return '\0';
	text[len] = '\0';
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '\0';
}

static int stop(pid_t pid)
{
	int64_t end = hw_clock_monotonic_ns() + STOP_DEADLINE_NS;

	if (pid == 0)
		return 0;
	if (kill(pid, SIGSTOP) < 0)
		return -errno;
	while (state_of(pid) != 'T') {
		if (hw_clock_monotonic_ns() > end)
			return -ETIMEDOUT;
		(void)sched_yield(); /* cannot fail */
	}
	return 0;
}

/* ---- commands ---- */

static int run_ops(struct hw_world *world, const struct hw_ops *ops, const char **ret_failed)
{
	int r = 0;

	for (size_t i = 0; i < ops->count && r == 0; i++) {
		r = hw_op_run(world, &ops->items[i]);
		*ret_failed = ops->items[i].text;
	}
	hw_clock_tick();
	return r;
}

static int run_step(struct hw_world *world, const struct hw_step *step, size_t number, pid_t pid)
{
	const char *failed = "a step";
	int r = stop(pid);

	if (r == 0)
		r = run_ops(world, &step->ops, &failed);
	if (pid != 0)
		(void)kill(pid, SIGCONT); /* it existed a moment ago */
	if (r < 0)
		return fail(failed, r);
	return printf("step %zu\n", number) < 0;
}

static int make_barrier(const struct hw_world *world, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), BARRIERS "/%d", atoi(name));
	if (mkfifoat(world->fd, path, 0644) < 0)
		return fail(path, -errno);
	return printf("barrier %d\n", atoi(name)) < 0;
}

static int serve(struct hw_world *world, const struct hw_trace *trace)
{
	char line[64];
	size_t next = 0;
	int r = 0;

	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		bool step = strncmp(line, "step ", 5) == 0;

		if (step && next == trace->step_count) {
			r = puts("end") < 0;
		} else if (step) {
			r = run_step(world, &trace->steps[next], next + 1, (pid_t)atoi(line + 5));
			next++;
		} else if (strncmp(line, "barrier ", 8) == 0) {
			r = make_barrier(world, line + 8);
		} else if (strcmp(line, "finish\n") == 0) {
			return release(world), puts("finished") < 0;
		} else {
			r = fail(line, -EINVAL);
		}
	}
	return r;
}

int main(int argc, char **argv)
{
	struct hw_world world = { .base = argc > 1 ? argv[1] : NULL };
	const char *failed = "its directories";
	struct hw_trace *trace;
	int r;

	if (argc != 3)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)umask(022);
	r = hw_trace_load(argv[2], &trace);
	if (r < 0)
		return fail(argv[2], r);
	r = prepare(&world);
	if (r == 0)
		r = run_ops(&world, &trace->setup, &failed);
	if (r < 0)
		return release(&world), fail(failed, r);
	(void)puts("ready");
	r = serve(&world, trace);
	release(&world);
	return r;
}
