/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the kernel reports which processes a command has started, while other programs use the
 * same interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/needs.h"
#include "tools/family.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPTS 20000u
#define FORKING 4u

/* Another listener, and processes that start and end: every socket of this kind receives their
 * events. */
struct others {
	struct hw_loop *loop;
	struct hw_family family;
	pid_t forking[FORKING];
};

static const char *lacks_first_namespace(const char *path, const char *first)
{
	static char reason[80];
	char name[40];
	ssize_t len = readlink(path, name, sizeof(name) - 1);

	name[len < 0 ? 0 : len] = '\0';
	(void)snprintf(reason, sizeof(reason), "%s is not the first one", path);
	return strcmp(name, first) == 0 ? NULL : reason;
}

static void fork_forever(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* valid arguments cannot fail */
	while (getppid() == parent) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		(void)waitpid(pid, NULL, 0); /* only the next fork matters */
	}
	_exit(0);
}

static void begin(struct others *others)
{
	pid_t self = getpid();

	HW_NEED(hw_lacks_capability(CAP_SYS_ADMIN, "CAP_SYS_ADMIN"));
	HW_NEED(hw_lacks_capability(CAP_NET_ADMIN, "CAP_NET_ADMIN"));
	HW_NEED(lacks_first_namespace("/proc/self/ns/pid", "pid:[4026531836]"));
	HW_NEED(lacks_first_namespace("/proc/self/ns/user", "user:[4026531837]"));
	assert_int_equal(hw_loop_create(&others->loop), 0);
	assert_int_equal(hw_family_init(&others->family, others->loop), 0);
	hw_family_begin(&others->family);
	for (unsigned i = 0; i < FORKING; i++) {
		others->forking[i] = fork();
		if (others->forking[i] == 0)
			fork_forever(self);
		assert_true(others->forking[i] > 0);
	}
}

static void end(struct others *others)
{
	for (unsigned i = 0; i < FORKING; i++) {
		(void)kill(others->forking[i], SIGKILL);
		assert_int_equal(waitpid(others->forking[i], NULL, 0), others->forking[i]);
	}
	hw_family_end(&others->family);
	hw_family_free(&others->family);
	hw_loop_destroy(others->loop);
}

/* Returns the number of attempts that the kernel grants, or 255 if a loop cannot be created. */
static unsigned count_granted(void)
{
	struct hw_loop *loop;
	unsigned granted = 0;

	if (hw_loop_create(&loop) < 0)
		return 255;
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		struct hw_family family;

		if (hw_family_init(&family, loop) < 0)
			continue;
		granted++;
		hw_family_free(&family);
	}
	hw_loop_destroy(loop);
	return granted;
}

/* Runs as the first process of a PID namespace. */
static int count_in_namespace(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		pid_t inner;

		if (unshare(CLONE_NEWPID) < 0)
			_exit(254);
		inner = fork();
		if (inner == 0) {
			unsigned granted = count_granted();

			_exit(granted < 253 ? (int)granted : 253);
		}
		_exit(waitpid(inner, &status, 0) == inner && WIFEXITED(status) ? WEXITSTATUS(status)
									       : 255);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void what_others_receive_is_no_answer(void **state)
{
	struct others others;

	(void)state;
	begin(&others);
	assert_int_equal(count_in_namespace(), 0);
	end(&others);
}

static void the_answer_is_found_among_what_others_receive(void **state)
{
	struct others others;

	(void)state;
	begin(&others);
	assert_int_equal(count_granted(), ATTEMPTS);
	end(&others);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_receive_is_no_answer),
		cmocka_unit_test(the_answer_is_found_among_what_others_receive),
	};

	return cmocka_run_group_tests_name("family", tests, NULL, NULL);
}
