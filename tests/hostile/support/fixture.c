/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#define LINE_ROOM 8192u

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)umask(022); /* other users must be able to enter directories made by tests */
	f->watcher = *state;
	f->dir = world_scratch();
	f->root = strdup(world_path(f->dir, "share"));
	assert_non_null(f->root);
	world_mkdir(f->root);
	*state = f;
	return 0;
}

/* proc(5) escapes special characters in mount points; the path of the scratch directory has
 * none. */
static void unmount_below(const char *dir)
{
	char line[LINE_ROOM], target[LINE_ROOM];
	FILE *mounts = fopen("/proc/self/mounts", "re");

	if (!mounts)
		return;
	while (fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %8191s", target) == 1 &&
		    strncmp(target, dir, strlen(dir)) == 0)
			(void)umount2(target, MNT_DETACH); /* a mount below another one is detached
							    * with it */
	(void)fclose(mounts); /* only read */
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	if (f->started) {
		(void)kill(f->program.pid, SIGKILL); /* the test failed before it ended the
						      * program */
		(void)program_end(&f->program, 0);
		program_free(&f->program);
	}
	if (f->replay.told)
		replay_end(&f->replay);
	unmount_below(f->dir);
	hw_scratch_remove(f->dir);
	free(f->root);
	free(f);
	return 0;
}

void fixture_watch(struct fixture *f, program_prepare_fn *prepare, void *arg)
{
	const char *watcher = f->watcher ? f->watcher : "auto";

	if (!prepare && f->watcher && !world_has_watcher(f->watcher, f->dir))
		skip();
	if (!f->replay.told)
		replay_begin(&f->replay, f->root);
	f->started = true;
	replay_start_watch(&f->program, f->root, watcher, prepare, arg);
}

/* Writes the file "conf"; every %s becomes the directory. */
static void write_config(struct fixture *f, const char *sections)
{
	FILE *file = fopen(world_path(f->dir, "conf"), "we");

	assert_non_null(file);
	(void)fprintf(file, "[hostwatch]\ncontrol = %s/ctl\n", f->dir);
	for (const char *at = sections; *at; at++) {
		if (at[0] == '%' && at[1] == 's') {
			(void)fputs(f->dir, file);
			at++;
		} else {
			(void)fputc(*at, file);
		}
	}
	assert_int_equal(fclose(file), 0);
}

void fixture_daemon(struct fixture *f, const char *sections, program_prepare_fn *prepare)
{
	write_config(f, sections);
	f->started = true;
	PROGRAM_START(&f->program, prepare, f, HOSTWATCHD, "-c", world_path(f->dir, "conf"));
	program_await(&f->program, &f->program.err, "ready: ");
}

int fixture_end(struct fixture *f)
{
	int status = program_end(&f->program, SIGTERM);

	f->started = false;
	if (status)
		print_message("stderr: %s", f->program.err.bytes);
	program_free(&f->program);
	return status;
}

void fixture_expect_equal(struct fixture *f)
{
	replay_until_equal(&f->replay, &f->program);
}

struct wanted {
	enum hw_kind kind;
	const char *path;
	bool found;
};

static void compare_event(void *arg, const struct hw_event *event)
{
	struct wanted *wanted = arg;
	size_t len = strlen(wanted->path);

	if (event->kind == wanted->kind && event->path && event->path_len == len &&
	    memcmp(event->path, wanted->path, len) == 0)
		wanted->found = true;
}

void fixture_expect_event(struct fixture *f, enum hw_kind kind, const char *path)
{
	struct wanted wanted = { .kind = kind, .path = path };
	char *line = NULL;

	f->replay.seen = compare_event;
	f->replay.arg = &wanted;
	while (!wanted.found && (line = program_line(&f->program, PROGRAM_DEADLINE_MS)))
		replay_line(&f->replay, line);
	f->replay.seen = NULL;
	if (!wanted.found)
		fail_msg("no event %d of \"%s\"; stderr: %s", kind, path, f->program.err.bytes);
}
