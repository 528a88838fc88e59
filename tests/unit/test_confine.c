/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Landlock: a confined process creates sockets where it may, reads everything, and writes nothing.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <hostwatch/listen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tempdir.h"

#define SKIPPED 77

static const struct hw_listen_how how = { 0600, (gid_t)-1 };

static int make_dir(void **state)
{
	char *dir = tempdir_create();

	assert_int_equal(mkdir(tempdir_path(dir, "run"), 0755), 0);
	tempdir_write(dir, "file", "text", 4);
	tempdir_write(dir, "run/file", "text", 4);
	*state = dir;
	return 0;
}

static int remove_dir(void **state)
{
	tempdir_remove(*state);
	return 0;
}

/* Runs the check in a confined process. It returns the line that failed, 0 if none did. */
static void confined(const char *dir, int (*check)(const char *dir))
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char run[512];
		const char *dirs[] = { run, "/no/such/directory" };
		int r;

		(void)snprintf(run, sizeof(run), "%s/run", dir);
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* fails later, if it does */
		r = hw_confine(&(struct hw_confine_to){ .sockets = dirs, .socket_count = 2 });
		_exit(r == -EOPNOTSUPP ? SKIPPED : r < 0 ? 1 : check(dir) ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED) {
		print_message("skipped: the kernel has no Landlock, or an old one\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* For the checks, which cannot use the assertions of the parent. */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno);  \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static int check_sockets(const char *dir)
{
	struct hw_listening l;
	struct hw_address address;
	const char *why;

	EXPECT(hw_address_unix(tempdir_path(dir, "run/s"), &address) == 0);
	EXPECT(hw_listen(&address, &how, &l, &why) == 0);
	EXPECT(access(tempdir_path(dir, "run/s"), F_OK) == 0);
	hw_listening_close(&l);
	EXPECT(access(tempdir_path(dir, "run/s"), F_OK) < 0);
	EXPECT(hw_address_unix(tempdir_path(dir, "s"), &address) == 0);
	EXPECT(hw_listen(&address, &how, &l, &why) == -EACCES);
	return 0;
}

static void sockets_are_made_and_removed_in_its_directories_only(void **state)
{
	confined(*state, check_sockets);
}

static int check_files(const char *dir)
{
	EXPECT(open(tempdir_path(dir, "file"), O_RDONLY | O_CLOEXEC) >= 0);
	EXPECT(open(tempdir_path(dir, "run"), O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
	EXPECT(open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0);
	EXPECT(open(tempdir_path(dir, "file"), O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
	EXPECT(open(tempdir_path(dir, "run/file"), O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
	EXPECT(open(tempdir_path(dir, "run/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 &&
	       errno == EACCES);
	EXPECT(unlink(tempdir_path(dir, "file")) < 0 && errno == EACCES);
	EXPECT(mkdir(tempdir_path(dir, "new"), 0700) < 0 && errno == EACCES);
	EXPECT(symlink("file", tempdir_path(dir, "run/link")) < 0 && errno == EACCES);
	return 0;
}

static void files_are_read_and_not_written(void **state)
{
	confined(*state, check_files);
}

static int check_rest(const char *dir)
{
	char *const argv[] = { (char *)"true", NULL };

	EXPECT(execv("/bin/true", argv) < 0 && errno == EACCES);
	if (geteuid() != 0)
		return 0;
	EXPECT(mount("none", dir, "tmpfs", 0, NULL) < 0 && errno == EPERM);
	/* Roots of shares may be held by detached clones of their mounts. */
	EXPECT(syscall(SYS_open_tree, AT_FDCWD, dir, 1 /* OPEN_TREE_CLONE */) >= 0 ||
	       errno == EPERM);
	return 0;
}

static void programs_are_not_run_and_nothing_is_mounted(void **state)
{
	confined(*state, check_rest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sockets_are_made_and_removed_in_its_directories_only),
		TEST(files_are_read_and_not_written),
		TEST(programs_are_not_run_and_nothing_is_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
