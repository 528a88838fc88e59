/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Outputs that are full or closed, or that are never read. */
#include "support/fixture.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FULL_BYTES 65536u
#define MS INT64_C(1000000)

/* ---- no space ---- */

static void redirect(int fd, const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (file < 0 || dup2(file, fd) < 0)
		_exit(125);
	(void)close(file);
}

static void print_to_file(void *arg)
{
	redirect(STDOUT_FILENO, arg);
}

static void print_to_full_device(void *arg)
{
	(void)arg;
	redirect(STDOUT_FILENO, "/dev/full");
}

static void log_to_full_device(void *arg)
{
	(void)arg;
	redirect(STDERR_FILENO, "/dev/full");
}

static void close_output(void *arg)
{
	(void)arg;
	(void)close(STDOUT_FILENO);
}

static void close_everything(void *arg)
{
	(void)arg;
	for (int fd = 0; fd < 3; fd++)
		(void)close(fd);
}

/* Causes more output than fits, until the program ends. */
static void change_until_it_ends(struct fixture *f)
{
	const char *path =
		world_path(f->root, "a-name-that-makes-lines-long-enough-to-fill-it-soon");
	int64_t deadline = hw_clock_monotonic_ns() + PROGRAM_DEADLINE_MS * MS;

	while (f->program.err.fd >= 0 && hw_clock_monotonic_ns() < deadline) {
		world_write(path, "x");
		assert_int_equal(unlink(path), 0);
		(void)program_pump(&f->program, 0);
	}
}

static void expect_failure(struct fixture *f, const char *text)
{
	int status = program_end(&f->program, 0);

	f->started = false;
	if (status != 1 || !strstr(f->program.err.bytes, text))
		fail_msg("exit status %d, not 1 with \"%s\": %s", status, text,
			 f->program.err.bytes);
	/* The message must appear once. */
	assert_int_equal(program_count(&f->program.err, text), 1);
	program_free(&f->program);
}

static void fill_the_disk(struct fixture *f, const char *option)
{
	char *file;

	world_need_mounts();
	world_mkdir(world_path(f->dir, "full"));
	world_mount_tmpfs(world_path(f->dir, "full"), FULL_BYTES);
	file = strdup(world_path(f->dir, "full/out"));
	f->started = true;
	PROGRAM_START(&f->program, print_to_file, file, HOSTWATCH, "watch", option, f->root);
	program_await(&f->program, &f->program.err, " watches ");
	change_until_it_ends(f);
	expect_failure(f, "No space left on device");
	free(file);
}

static void a_full_disk_ends_watch_with_the_reason(void **state)
{
	fill_the_disk(*state, "--json");
}

static void a_full_disk_ends_watch_for_people_with_the_reason(void **state)
{
	fill_the_disk(*state, "--settle=1ms");
}

static void every_command_tells_that_it_could_not_print(void **state)
{
	static const char *const commands[][4] = {
		{ HOSTWATCH, "--help" },
		{ HOSTWATCH, "--version" },
		{ HOSTWATCH, "watch", "-h" },
		{ HOSTWATCH, "tail", "-h" },
		{ HOSTWATCH, "check", "-h" },
		{ HOSTWATCH, "plugins" },
		{ HOSTWATCH, "plugins", "socket" },
		{ HOSTWATCH, "explain", "/" },
		{ HOSTWATCHD, "--help" },
		{ HOSTWATCHD, "--version" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct program p;

		program_start(&p, commands[i], print_to_full_device, NULL);
		int status = program_end(&p, 0);

		if (status == 0 || !strstr(p.err.bytes, "No space left on device"))
			fail_msg("%s %s: exit status %d: \"%s\"", commands[i][0], commands[i][1],
				 status, p.err.bytes);
		program_free(&p);
	}
}

static void a_full_log_stops_nothing(void **state)
{
	struct fixture *f = *state;

	replay_begin(&f->replay, f->root);
	f->started = true;
	replay_start_watch(&f->program, f->root, "auto", log_to_full_device, NULL);
	world_write(world_path(f->root, "file"), "x");
	fixture_expect_equal(f);
	/* Causes messages: the program must continue. */
	assert_int_equal(rename(f->root, world_path(f->dir, "elsewhere")), 0);
	fixture_expect_event(f, HW_RESCAN, "");
	assert_int_equal(rename(world_path(f->dir, "elsewhere"), f->root), 0);
	world_write(world_path(f->root, "again"), "x");
	fixture_expect_event(f, HW_CREATE, "again");
	assert_int_equal(fixture_end(f), 0);
}

/* ---- closed ---- */

static void a_closed_output_is_told(void **state)
{
	struct fixture *f = *state;

	f->started = true;
	PROGRAM_START(&f->program, close_output, NULL, HOSTWATCH, "watch", "--json", f->root);
	expect_failure(f, "standard output");
}

/* No file that is opened as descriptor 0, 1 or 2 may be written by mistake. */
static void nothing_is_written_into_what_takes_the_place_of_closed_outputs(void **state)
{
	struct fixture *f = *state;
	struct program p;

	PROGRAM_START(&p, close_everything, NULL, HOSTWATCH, "watch", f->root);
	assert_int_equal(program_end(&p, 0), 1); /* it must not write its events to another file */
	program_free(&p);
	PROGRAM_START(&p, close_everything, NULL, HOSTWATCHD, "-c", "/nowhere");
	assert_int_equal(program_end(&p, 0), 78);
	program_free(&p);
}

static void a_reader_that_leaves_ends_watch_in_silence(void **state)
{
	struct fixture *f = *state;

	f->started = true;
	PROGRAM_START(&f->program, NULL, NULL, HOSTWATCH, "watch", f->root);
	program_await(&f->program, &f->program.err, " watches ");
	(void)close(f->program.out.fd);
	f->program.out.fd = -1;
	world_write(world_path(f->root, "file"), "x");
	assert_int_equal(program_end(&f->program, 0), 0);
	assert_null(strstr(f->program.err.bytes, "error"));
	f->started = false;
	program_free(&f->program);
}

/* ---- never read ---- */

#define LONG_NAME 240
#define LEVELS 14u
#define FILES 11000u

/* Causes two events per file, with paths of 3,600 bytes: more than the 64 MiB of the journal. */
static void flood(struct fixture *f, unsigned files)
{
	char name[LONG_NAME + 1], path[8192];
	int len = snprintf(path, sizeof(path), "%s", f->root);

	memset(name, 'n', LONG_NAME);
	name[LONG_NAME] = '\0';
	for (unsigned i = 0; i < LEVELS; i++) {
		len += snprintf(path + len, sizeof(path) - (size_t)len, "/%s", name);
		world_mkdir(path);
	}
	for (unsigned i = 0; i < files; i++) {
		(void)snprintf(path + len, sizeof(path) - (size_t)len, "/%u-%s", i, name + 8);
		world_write(path, "");
	}
}

/* Waits until the program is idle: asleep at each check, and without use of CPU time. */
static void await_rest(struct fixture *f)
{
	unsigned used = 0, asleep = 0;

	while (asleep < 20) {
		unsigned now = program_cpu_ms(&f->program);

		asleep = now == used && program_is_asleep(&f->program) ? asleep + 1 : 0;
		used = now;
		(void)poll(NULL, 0, 20);
	}
}

static void stop_reading(struct fixture *f, int *ret_fd)
{
	*ret_fd = f->program.out.fd;
	f->program.out.fd = -1;
}

static void a_reader_that_never_reads_is_told_rescan_when_it_does(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->watcher = "inotify"; /* a filesystem mark also receives changes of other programs, and
				 * would never be idle */
	fixture_watch(f, NULL, NULL);
	stop_reading(f, &fd);
	flood(f, FILES);
	await_rest(f);
	f->program.out.fd = fd;
	/* A gap must be reported: replaying would stop there, so the lines are checked as text. */
	program_await(&f->program, &f->program.out, "\"event\":\"rescan\",\"path\":\"\"");
	world_write(world_path(f->root, "last"), "x");
	program_await(&f->program, &f->program.out,
		      "\"close_write\",\"type\":\"file\",\"path\":\"last\"");
	assert_int_equal(program_count(&f->program.out, "\"rescan\""), 1);
	assert_int_equal(fixture_end(f), 0);
}

static void an_interrupt_ends_watch_though_nobody_reads(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->watcher = "inotify"; /* a filesystem mark also receives changes of other programs, and
				 * would never be idle */
	fixture_watch(f, NULL, NULL);
	stop_reading(f, &fd);
	flood(f, FILES / 8);
	await_rest(f);
	int64_t begun = hw_clock_monotonic_ns();
	int status = program_end(&f->program, SIGINT);

	f->started = false;
	(void)close(fd); /* its unread content is not needed */
	program_free(&f->program);
	assert_int_equal(status, 0);
	assert_true(hw_clock_monotonic_ns() - begun < PROGRAM_DEADLINE_MS * MS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST(a_full_disk_ends_watch_with_the_reason),
		HOSTILE_TEST(a_full_disk_ends_watch_for_people_with_the_reason),
		HOSTILE_TEST(every_command_tells_that_it_could_not_print),
		HOSTILE_TEST(a_full_log_stops_nothing),
		HOSTILE_TEST(a_closed_output_is_told),
		HOSTILE_TEST(nothing_is_written_into_what_takes_the_place_of_closed_outputs),
		HOSTILE_TEST(a_reader_that_leaves_ends_watch_in_silence),
		HOSTILE_TEST(a_reader_that_never_reads_is_told_rescan_when_it_does),
		HOSTILE_TEST(an_interrupt_ends_watch_though_nobody_reads),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
