/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sequence numbers that a snapshot reserves: a new snapshot is written before they are used up;
 * if none can be written, the old one is removed before a number is given that is not reserved.
 * And the lock of a state: which process has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_S 60

struct scene {
	char *base;
	char share[500], state[500];
	struct hw_rig *rig;
	struct hw_keep *keep;
	unsigned files;
};

static void path_in(const char *dir, const char *name, char path[600])
{
	(void)snprintf(path, 600, "%s/%s", dir, name);
}

static bool has(const struct scene *s, const char *name)
{
	char path[600];

	path_in(s->state, name, path);
	return access(path, F_OK) == 0;
}

static int64_t seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Runs the loop until a snapshot has replaced the one that had this limit. */
static void await_snapshot(struct scene *s, uint64_t limit)
{
	int64_t until = seconds() + DEADLINE_S;

	while (!s->keep->on || s->keep->writer || s->keep->limit <= limit) {
		assert_true(seconds() < until);
		s->keep->retry_ns = 0; /* not 10 seconds after a failure */
		hw_rig_turn(s->rig, 10);
	}
}

static struct scene *scene_in(char *base)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	assert_non_null(base);
	s->base = base;
	(void)snprintf(s->share, sizeof(s->share), "%s/share", s->base);
	(void)snprintf(s->state, sizeof(s->state), "%s/state", s->base);
	return s;
}

static struct scene *make_scene(void)
{
	struct scene *s = scene_in(hw_scratch_create("/tmp"));

	assert_int_equal(mkdir(s->share, 0755), 0);
	assert_int_equal(mkdir(s->state, 0700), 0);
	return s;
}

static void start(struct scene *s)
{
	const struct hw_rig_config config = {
		.backend = "inotify",
		.root = s->share,
		.state_dir = s->state,
	};
	const char *why = "";

	assert_int_equal(hw_rig_start(&config, &s->rig, &why), 0);
	s->keep = &hw_rig_share(s->rig)->keep;
}

static int setup_dirs(void **state)
{
	*state = make_scene();
	return 0;
}

static int setup(void **state)
{
	struct scene *s = make_scene();

	start(s);
	await_snapshot(s, 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	if (s->rig)
		hw_rig_stop(s->rig);
	hw_scratch_remove(s->base);
	free(s);
	return 0;
}

static void make_files(struct scene *s, unsigned count)
{
	while (count--) {
		char name[20], path[600];

		(void)snprintf(name, sizeof(name), "f%u", s->files++);
		path_in(s->share, name, path);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
		(void)close(fd);
	}
	assert_int_equal(hw_rig_flush(s->rig), 0);
}

static void numbers_are_reserved_in_time(void **state)
{
	struct scene *s = *state;

	s->keep->block = 1000;
	s->keep->limit = hw_share_seq(hw_rig_share(s->rig)) + s->keep->block;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t limit = s->keep->limit;

		make_files(s, 300);
		await_snapshot(s, limit);
		assert_true(has(s, "test.open"));
	}
}

static void numbers_that_are_not_reserved_are_not_given(void **state)
{
	struct scene *s = *state;
	struct hw_share *share = hw_rig_share(s->rig);
	char obstacle[600];

	path_in(s->state, "test.open.new", obstacle);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	s->keep->block = 100;
	s->keep->limit = hw_share_seq(share) + s->keep->block;
	assert_true(has(s, "test.open"));
	make_files(s, 300);
	assert_false(has(s, "test.open"));
	assert_int_equal(s->keep->limit, 0);
	assert_false(s->keep->on);
	assert_true(hw_share_seq(share) >= 300); /* receivers do not wait */
	assert_int_equal(rmdir(obstacle), 0);
	await_snapshot(s, 0);
	assert_true(has(s, "test.open"));
}

static void receivers_wait_while_the_old_state_cannot_be_removed(void **state)
{
	struct scene *s = *state;
	struct hw_share *share = hw_rig_share(s->rig);
	char obstacle[600], old[600];
	uint64_t limit = hw_share_seq(share) + 100;

	path_in(s->state, "test.open.new", obstacle);
	path_in(s->state, "test.open", old);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_int_equal(unlink(old), 0);
	assert_int_equal(mkdir(old, 0700), 0);
	s->keep->block = 100;
	s->keep->limit = limit;
	make_files(s, 300);
	assert_int_equal(s->keep->limit, limit);
	assert_int_equal(hw_share_seq(share), limit - 1);
	assert_int_equal(rmdir(obstacle), 0);
	assert_int_equal(rmdir(old), 0);
	await_snapshot(s, limit);
	assert_true(hw_share_seq(share) >= 300);
}

/* ---- the lock ---- */

/* Another process, which runs this program: a copy of one with threads could not start any. */
struct other {
	pid_t pid;
	int input; /* what still runs ends when it is closed */
	uint64_t epoch; /* 0: it has no share */
};

/* The same, seen from inside. */
struct role {
	struct scene *s;
	int input, output;
};

static void await_end_of_input(const struct role *role)
{
	char byte;

	(void)!read(role->input, &byte, 1);
}

static void say_begun(const struct role *role)
{
	uint64_t epoch = role->s->rig ? hw_rig_share(role->s->rig)->epoch : 0;

	(void)!write(role->output, &epoch, sizeof(epoch));
}

static void keep_state(const struct role *role)
{
	start(role->s);
	await_snapshot(role->s, 0);
	say_begun(role);
	await_end_of_input(role);
}

/* A child shares the descriptors, and with them the locks, as the one of a thread does that waits
 * for a filesystem. */
static void leave_child(const struct role *role)
{
	start(role->s);
	await_snapshot(role->s, 0);
	if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL) == 0) {
		await_end_of_input(role);
		_exit(0);
	}
	say_begun(role);
	(void)raise(SIGKILL);
}

/* It names no process, as before hostwatchd did that, and ends when the file has been read. */
static void lock_until_read(const struct role *role)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int notes = inotify_init1(IN_CLOEXEC), fd;
	struct pollfd note = { .fd = notes, .events = POLLIN };
	char path[600];

	path_in(role->s->state, "test.lock", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fcntl(fd, F_SETLK, &lock) < 0 ||
	    inotify_add_watch(notes, path, IN_ACCESS) < 0)
		return;
	say_begun(role);
	(void)poll(&note, 1, DEADLINE_S * 1000);
}

static const struct {
	const char *name;
	void (*run)(const struct role *role);
} roles[] = {
	{ "keep", keep_state },
	{ "leave", leave_child },
	{ "lock", lock_until_read },
};

static void run_role(char **argv)
{
	struct role role = { scene_in(argv[2]), atoi(argv[3]), atoi(argv[4]) };

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, argv[1]) == 0)
			roles[i].run(&role);
	_exit(0);
}

static void exec_role(const struct scene *s, const char *name, int input, int output)
{
	char numbers[2][12];
	char *argv[] = { (char *)(uintptr_t) "test_keep",
			 (char *)(uintptr_t)name,
			 s->base,
			 numbers[0],
			 numbers[1],
			 NULL };

	(void)snprintf(numbers[0], sizeof(numbers[0]), "%d", input);
	(void)snprintf(numbers[1], sizeof(numbers[1]), "%d", output);
	(void)fcntl(input, F_SETFD, 0);
	(void)fcntl(output, F_SETFD, 0);
	(void)execv("/proc/self/exe", argv);
	_exit(1);
}

static void begin_other(const struct scene *s, const char *role, struct other *ret)
{
	int input[2], output[2];
	struct pollfd begun = { .events = POLLIN };

	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	ret->pid = fork();
	assert_true(ret->pid >= 0);
	if (ret->pid == 0)
		exec_role(s, role, input[0], output[1]);
	(void)close(input[0]);
	(void)close(output[1]);
	ret->input = input[1];
	begun.fd = output[0];
	assert_int_equal(poll(&begun, 1, DEADLINE_S * 1000), 1);
	assert_int_equal(read(output[0], &ret->epoch, sizeof(ret->epoch)), sizeof(ret->epoch));
	(void)close(output[0]);
}

static void end_other(struct other *other)
{
	(void)close(other->input);
	assert_int_equal(waitpid(other->pid, NULL, 0), other->pid);
}

static bool is_locked(const struct scene *s)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[600];
	int fd;

	path_in(s->state, "test.lock", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETLK, &lock), 0);
	(void)close(fd); /* this process has no lock yet */
	return lock.l_type != F_UNLCK;
}

static void the_state_of_a_process_that_runs_is_refused(void **state)
{
	struct scene *s = *state;
	struct other other;

	begin_other(s, "keep", &other);
	start(s);
	assert_false(s->keep->usable);
	assert_non_null(strstr(s->keep->why, "another hostwatchd"));
	hw_rig_stop(s->rig);
	end_other(&other);
	start(s);
	await_snapshot(s, 0);
}

static void what_is_left_of_processes_that_ended_does_not_keep_the_state(void **state)
{
	struct scene *s = *state;
	struct other others[3];

	for (unsigned i = 0; i < 3; i++) {
		begin_other(s, "leave", &others[i]);
		assert_int_equal(waitpid(others[i].pid, NULL, 0), others[i].pid);
		assert_true(is_locked(s));
		assert_int_equal(others[i].epoch, others[0].epoch);
	}
	start(s);
	assert_int_equal(hw_rig_share(s->rig)->epoch, others[0].epoch);
	hw_rig_stop(s->rig);
	/* Again in the same process, as after a reload. */
	start(s);
	assert_int_equal(hw_rig_share(s->rig)->epoch, others[0].epoch);
	for (unsigned i = 0; i < 3; i++)
		(void)close(others[i].input);
}

static void the_start_waits_for_a_process_that_ends_soon(void **state)
{
	struct scene *s = *state;
	struct other other;

	begin_other(s, "lock", &other);
	assert_true(is_locked(s));
	start(s);
	assert_true(s->keep->usable);
	end_other(&other);
}

int main(int argc, char **argv)
{
	if (argc == 5)
		run_role(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_state_of_a_process_that_runs_is_refused,
						setup_dirs, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_left_of_processes_that_ended_does_not_keep_the_state, setup_dirs,
			teardown),
		cmocka_unit_test_setup_teardown(the_start_waits_for_a_process_that_ends_soon,
						setup_dirs, teardown),
		cmocka_unit_test_setup_teardown(numbers_are_reserved_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_that_are_not_reserved_are_not_given, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			receivers_wait_while_the_old_state_cannot_be_removed, setup, teardown),
	};

	return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
