/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The probes that decide whether a test is skipped: they must name the obstacle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tempdir.h"
#include "tests/common/needs.h"

#include <sys/wait.h>

static void assert_says(const char *reason, const char *text)
{
	assert_non_null(reason);
	if (!strstr(reason, text))
		fail_msg("\"%s\" does not say \"%s\"", reason, text);
}

static void the_directory_that_nobody_cannot_enter_is_named(void **state)
{
	char *dir = tempdir_create(), closed[256], file[512], expected[512];
	const char *const paths[] = { file, NULL };

	(void)state;
	(void)snprintf(closed, sizeof(closed), "%s/closed", dir);
	(void)snprintf(file, sizeof(file), "%s/below", closed);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(mkdir(closed, 0700), 0);
	assert_int_equal(mkdir(file, 0755), 0);
	const char *reason = hw_lacks_nobody(paths);

	if (geteuid() == 0)
		(void)snprintf(expected, sizeof(expected), "%s cannot be entered by nobody",
			       closed);
	else
		(void)snprintf(expected, sizeof(expected), "cannot become another user");
	assert_says(reason, expected);
	assert_int_equal(chmod(closed, 0755), 0);
	reason = hw_lacks_nobody(paths);
	if (geteuid() == 0 && reason)
		assert_says(reason, "CAP_SETUID"); /* root in a container may lack it */
	tempdir_remove(dir);
}

static void a_file_that_nobody_cannot_run_is_named(void **state)
{
	char *dir = tempdir_create(), file[256], expected[512];
	const char *const paths[] = { file, NULL };

	(void)state;
	HW_NEED(geteuid() ? "only root can become another user" : NULL);
	assert_int_equal(chmod(dir, 0755), 0);
	(void)snprintf(file, sizeof(file), "%s/program", dir);
	tempdir_write(dir, "program", "x", 1);
	assert_int_equal(chmod(file, 0700), 0);
	(void)snprintf(expected, sizeof(expected), "%s cannot be used by nobody", file);
	assert_says(hw_lacks_nobody(paths), expected);
	tempdir_remove(dir);
}

/* The probes run in an unprivileged child process: each must name the missing privilege. */
static const char *all_without_rights(const char *dir)
{
	const char *reason, *wrong = NULL;

	if (geteuid() == 0 && hw_become_nobody())
		return "cannot become nobody";
	if (!(reason = hw_lacks_chown(dir)) || !strstr(reason, "(CAP_CHOWN)"))
		wrong = "chown";
	else if (!(reason = hw_lacks_mknod(dir)) || !strstr(reason, "(CAP_MKNOD)"))
		wrong = "mknod";
	else if (!(reason = hw_lacks_handles(dir)) ||
		 (!strstr(reason, "(CAP_DAC_READ_SEARCH)") && !strstr(reason, "not supported")))
		wrong = "handles";
	else if (!(reason = hw_lacks_mounts()) || !strstr(reason, "(CAP_SYS_ADMIN)"))
		wrong = "mounts";
	else if (!(reason = hw_lacks_capability(CAP_SYS_ADMIN, "CAP_SYS_ADMIN")) ||
		 !strstr(reason, "has no CAP_SYS_ADMIN"))
		wrong = "capability";
	else if (!hw_lacks_writing("/proc/sys/fs/inotify/max_queued_events"))
		wrong = "writing";
	else if (hw_lacks_scratch(dir))
		wrong = "scratch";
	else if (!(reason = hw_lacks_scratch("/nowhere")) ||
		 !strstr(reason, "nothing can be made in /nowhere: No such file"))
		wrong = "scratch that is not there";
	return wrong;
}

static void without_rights_each_probe_names_the_one_that_is_missing(void **state)
{
	char *dir = tempdir_create();
	int status;

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const char *wrong = all_without_rights(dir);

		if (wrong)
			(void)fprintf(stderr, "wrong: %s\n", wrong);
		_exit(wrong ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	tempdir_remove(dir);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_directory_that_nobody_cannot_enter_is_named),
		cmocka_unit_test(a_file_that_nobody_cannot_run_is_named),
		cmocka_unit_test(without_rights_each_probe_names_the_one_that_is_missing),
	};

	return cmocka_run_group_tests_name("needs", tests, NULL, NULL);
}
