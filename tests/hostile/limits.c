/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Too few descriptors, inotify watches or fanotify marks: directories that cannot be watched must
 * be polled, with one message. */
#include "support/fixture.h"

#include "tests/common/needs.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- descriptors ---- */

static void allow_descriptors(void *arg)
{
	rlim_t count = *(const rlim_t *)arg;
	struct rlimit limit = { count, count };

	/* Those that were inherited from the runner of the tests do not count. */
	if (close_range(count > STDERR_FILENO ? (unsigned)count : STDERR_FILENO + 1u, ~0u, 0))
		_exit(125);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		_exit(125);
}

static void populate(struct fixture *f, unsigned dirs)
{
	for (unsigned i = 0; i < dirs; i++) {
		world_mkdir(world_path(f->root, "d%u", i));
		world_write(world_path(f->root, "d%u/file", i), "x");
	}
}

/* Changes every directory; new directories appear at once, some with many levels. */
static void change_all(struct fixture *f, unsigned dirs, unsigned round)
{
	for (unsigned i = 0; i < dirs; i++) {
		char path[512];
		int len = snprintf(path, sizeof(path), "%s/d%u/r%u", f->root, i, round);

		world_mkdir(path);
		for (unsigned level = 0; i % 50 == 0 && level < 100; level++) {
			len += snprintf(path + len, sizeof(path) - (size_t)len, "/l");
			world_mkdir(path);
		}
		(void)snprintf(path + len, sizeof(path) - (size_t)len, "/f");
		world_write(path, "x");
		if (i % 3 == 0)
			assert_int_equal(rename(world_path(f->root, "d%u/r%u", i, round),
						world_path(f->root, "d%u/m%u", i, round)),
					 0);
	}
}

static void change_with_few_descriptors(struct fixture *f, rlim_t count)
{
	enum { DIRS = 150 };

	if (!world_has_watcher(f->watcher, f->dir))
		skip();
	populate(f, DIRS);
	fixture_watch(f, allow_descriptors, &count);
	for (unsigned round = 0; round < 2; round++) {
		change_all(f, DIRS, round);
		fixture_expect_equal(f);
	}
	assert_in_range(program_descriptors(&f->program), 1, count);
	assert_int_equal(fixture_end(f), 0);
}

static void sixty_four_descriptors_are_enough(void **state)
{
	change_with_few_descriptors(*state, 64);
}

static void thirty_two_descriptors_are_enough(void **state)
{
	change_with_few_descriptors(*state, 32);
}

/* With any number of descriptors from 0 on, the program must work or report why it cannot. */
static void too_few_descriptors_are_told(void **state)
{
	struct fixture *f = *state;

	populate(f, 20);
	for (rlim_t count = 0; count < 28; count++) {
		struct program p;

		PROGRAM_START(&p, allow_descriptors, &count, HOSTWATCH, "watch", "--watcher",
			      f->watcher, "--exit-after-idle", "20ms", f->root);
		int status = program_end(&p, 0);

		/* With fewer than 4, the dynamic loader fails before main(). */
		if (status < 0 || (count > 3 && status != 1 && status != 3) ||
		    (count > 3 && status == 1 && !p.err.len))
			fail_msg("%lu descriptors: status %d: %s", (unsigned long)count, status,
				 p.err.bytes);
		program_free(&p);
	}
}

/* ---- descriptors of the daemon ---- */

enum { FEW = 64, MANY = 100 };

static void allow_few(void *arg)
{
	(void)arg;
	allow_descriptors(&(rlim_t){ FEW });
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Runs a command of the tool on the control socket, which must succeed. Returns whether its output
 * contains the text. */
static bool ask(struct fixture *f, const char *command, const char *operand, const char *text)
{
	struct program p;

	PROGRAM_START(&p, NULL, NULL, HOSTWATCH, command, "-s", world_path(f->dir, "ctl"), operand);
	int status = program_end(&p, 0);

	if (status)
		fail_msg("hostwatch %s: exit status %d: %s", command, status, p.err.bytes);
	bool found = strstr(p.out.bytes, text);

	program_free(&p);
	return found;
}

static void subscribers_leave_descriptors_to_the_rest(void **state)
{
	static const char sections[] = "[share one]\npath = %s/share\nwatcher = inotify\n"
				       "[sink out]\nplugin = socket\nlisten = unix:%s/out\n";
	struct fixture *f = *state;
	int fds[MANY];

	populate(f, 40);
	fixture_daemon(f, sections, allow_few);
	for (unsigned i = 0; i < MANY; i++)
		fds[i] = connect_to(world_path(f->dir, "out"));
	program_await(&f->program, &f->program.err, "cannot accept connections");
	assert_true(ask(f, "status", NULL, "no descriptors left for more than"));
	change_all(f, 40, 0);
	assert_true(ask(f, "sync", "one", ""));
	assert_int_equal(program_count(&f->program.err, "cannot read"), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(close(fds[i]), 0);
	assert_int_equal(fixture_end(f), 0);
}

/* Returns the lowest number of a descriptor that the program could open. */
static rlim_t lowest_free(const struct program *p)
{
	char path[64];
	rlim_t fd = 0;

	do
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%lu", p->pid, (unsigned long)fd++);
	while (access(path, F_OK) == 0 || errno == EACCES);
	return fd - 1;
}

static void status_answers_without_a_descriptor_left(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, none;

	fixture_daemon(f, "[share one]\npath = %s/share\nwatcher = inotify\n", NULL);
	assert_int_equal(prlimit(f->program.pid, RLIMIT_NOFILE, NULL, &limit), 0);
	none = limit;
	none.rlim_cur = lowest_free(&f->program);
	assert_int_equal(prlimit(f->program.pid, RLIMIT_NOFILE, &none, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(ask(f, "status", NULL, "one"));
	/* A second peer has to wait for the end of the first one, and nothing spins. */
	int first = connect_to(world_path(f->dir, "ctl"));

	program_await_count(&f->program, &f->program.err, "is kept back for it", 4);
	int second = connect_to(world_path(f->dir, "ctl"));
	unsigned cpu = program_cpu_ms(&f->program);

	assert_int_equal(send(second, "status\n", 7, MSG_NOSIGNAL), 7);
	(void)program_pump(&f->program, 300); /* a spinning program would use all of it */
	assert_true(program_cpu_ms(&f->program) < cpu + 150);
	assert_int_equal(close(first), 0);
	char byte;

	assert_int_equal(recv(second, &byte, 1, 0), 1);
	assert_int_equal(close(second), 0);
	assert_int_equal(prlimit(f->program.pid, RLIMIT_NOFILE, &limit, NULL), 0);
	assert_true(ask(f, "status", NULL, "one"));
	assert_int_equal(fixture_end(f), 0);
}

/* ---- the kernel's limits, in a user namespace of the program's own ---- */

struct limit {
	const char *file; /* below /proc/sys/user */
	unsigned value;
};

static void enter_limits(void *arg)
{
	const struct limit *limit = arg;

	if (hw_enter_user_limit(limit->file, limit->value))
		_exit(125);
}

/* Checks the message about a limit: printed once, with the value and the remedy. */
static void expect_told(struct fixture *f, const char *what, unsigned value, const char *remedy)
{
	const char *said = f->program.err.bytes;
	char number[16];

	(void)snprintf(number, sizeof(number), " %u", value);
	if (program_count(&f->program.err, what) != 1 || !strstr(said, number) ||
	    !strstr(said, remedy) || !strstr(said, "polling"))
		fail_msg("not told once: \"%s\", \"%s\", \"%s\": %s", what, number, remedy, said);
}

static void run_into_limit(struct fixture *f, struct limit *limit)
{
	enum { DIRS = 120 };

	HW_NEED(hw_lacks_user_limit(limit->file));
	populate(f, DIRS);
	fixture_watch(f, enter_limits, limit);
	change_all(f, DIRS, 0);
	fixture_expect_equal(f);
	change_all(f, DIRS, 1);
	fixture_expect_equal(f);
}

static void what_exceeds_inotify_watches_is_polled(void **state)
{
	struct limit limit = { "max_inotify_watches", 50 };
	struct fixture *f = *state;

	f->watcher = "inotify";
	run_into_limit(f, &limit);
	expect_told(f, "inotify watch limit reached", limit.value, "sysctl");
	/* Directories within the limit are still watched by inotify. */
	assert_non_null(strstr(f->program.err.bytes, "inotify watches \""));
	assert_int_equal(fixture_end(f), 0);
}

static void without_inotify_instances_all_is_polled(void **state)
{
	struct limit limit = { "max_inotify_instances", 0 };
	struct fixture *f = *state;

	f->watcher = "inotify";
	run_into_limit(f, &limit);
	expect_told(f, "inotify instance limit reached", limit.value, "sysctl");
	assert_non_null(strstr(f->program.err.bytes, "polling watches \""));
	assert_int_equal(fixture_end(f), 0);
}

static void one_inotify_instance_is_enough(void **state)
{
	struct limit limit = { "max_inotify_instances", 1 };
	struct fixture *f = *state;

	f->watcher = "inotify";
	run_into_limit(f, &limit);
	assert_non_null(strstr(f->program.err.bytes, "inotify watches \""));
	assert_int_equal(fixture_end(f), 0);
}

static void what_exceeds_fanotify_marks_is_polled(void **state)
{
	struct limit limit = { "max_fanotify_marks", 50 };
	struct fixture *f = *state;

	f->watcher = "fanotify";
	run_into_limit(f, &limit);
	expect_told(f, "fanotify mark limit reached", limit.value, "sysctl");
	assert_int_equal(fixture_end(f), 0);
}

static void without_fanotify_groups_all_is_polled(void **state)
{
	struct limit limit = { "max_fanotify_groups", 0 };
	struct fixture *f = *state;

	f->watcher = "fanotify";
	run_into_limit(f, &limit);
	expect_told(f, "fanotify group limit reached", limit.value, "sysctl");
	assert_int_equal(fixture_end(f), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST_EACH(sixty_four_descriptors_are_enough),
		HOSTILE_TEST_EACH(thirty_two_descriptors_are_enough),
		HOSTILE_TEST_EACH(too_few_descriptors_are_told),
		HOSTILE_TEST(subscribers_leave_descriptors_to_the_rest),
		HOSTILE_TEST(status_answers_without_a_descriptor_left),
		HOSTILE_TEST(what_exceeds_inotify_watches_is_polled),
		HOSTILE_TEST(without_inotify_instances_all_is_polled),
		HOSTILE_TEST(one_inotify_instance_is_enough),
		HOSTILE_TEST(what_exceeds_fanotify_marks_is_polled),
		HOSTILE_TEST(without_fanotify_groups_all_is_polled),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
