/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A filter of system calls refuses openat2(2), as that of a service or a container may: a share
 * and the agent in a guest do not start, and say why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "args.h"
#include "loop.h"
#include "openat2.h"
#include "share.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED_WRONGLY 1
#define NO_FILTER 77
#define AGENT HW_BUILD_DIR "/hostwatch-guest"

static int filter_openat2(unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* In a process of its own, since a filter stays. */
static int start_filtered(unsigned error)
{
	const struct hw_share_config config = { .name = "data",
						.path = "/",
						.interval_ns = HW_SEC };
	struct hw_share_status status;
	struct hw_share *share;
	struct hw_loop *loop;
	int r;

	if (filter_openat2(error) < 0)
		return NO_FILTER;
	if (hw_loop_create(&loop) < 0 || hw_share_create(loop, &config, &share) < 0)
		return REFUSED_WRONGLY;
	r = hw_share_start(share);
	hw_share_get_status(share, &status);
	(void)fprintf(stderr, "%s\n", status.why);
	if (r != -(int)error || !strstr(status.why, "openat2(2)") ||
	    !strstr(status.why, strerror((int)error)) || !strstr(status.why, "RestrictSUIDSGID="))
		r = REFUSED_WRONGLY;
	else
		r = 0;
	hw_share_destroy(share);
	hw_loop_destroy(loop);
	return r;
}

/* Returns the exit status. */
static int await(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_FILTER) {
		print_message("skipped: this kernel has no filters of system calls\n");
		skip();
	}
	return WEXITSTATUS(status);
}

static void check_refused(unsigned error)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(start_filtered(error));
	assert_int_equal(await(pid), 0);
}

static void a_filter_that_hides_openat2_is_named(void **state)
{
	(void)state;
	check_refused(ENOSYS);
}

static void a_filter_that_forbids_openat2_is_named(void **state)
{
	(void)state;
	check_refused(EPERM);
}

/* ---- the agent ---- */

/* Runs the agent, which nobody answers, and returns its exit status. */
static int run_agent(unsigned error, const char *inject, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* one that starts waits for ever */
		if (filter_openat2(error) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
			_exit(NO_FILTER);
		(void)close(fds[1]);
		(void)execl(AGENT, AGENT, "--channel", "unix:/none", "--mount", "/", "--inject",
			    inject, "--state", "", (char *)NULL);
		_exit(REFUSED_WRONGLY);
	}
	(void)close(fds[1]);
	while ((n = read(fds[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	(void)close(fds[0]);
	return await(pid);
}

static void the_agent_does_not_start_without_it(void **state)
{
	static const char *const injectors[] = { "touch", "module", "auto" };
	static const unsigned errors[] = { ENOSYS, EPERM };
	char text[4096];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(injectors) / sizeof(*injectors); i++) {
		assert_int_equal(run_agent(errors[i % 2], injectors[i / 2], text, sizeof(text)),
				 HW_EXIT_CONFIG);
		assert_non_null(strstr(text, "openat2(2) is refused"));
		assert_non_null(strstr(text, strerror((int)errors[i % 2])));
		assert_non_null(strstr(text, "RestrictSUIDSGID="));
	}
}

static void without_a_filter_nothing_is_refused(void **state)
{
	(void)state;
	assert_int_equal(hw_openat2_check(), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_that_hides_openat2_is_named),
		cmocka_unit_test(a_filter_that_forbids_openat2_is_named),
		cmocka_unit_test(the_agent_does_not_start_without_it),
		cmocka_unit_test(without_a_filter_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
