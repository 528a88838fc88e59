/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Roots that do not exist, are not directories, or disappear and come back. */
#include "support/fixture.h"

#include "tests/common/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- refused roots ---- */

static void refused(const char *dir, const char *reason, program_prepare_fn *prepare)
{
	struct program p;

	PROGRAM_START(&p, prepare, NULL, HOSTWATCH, "watch", "--json", dir);
	int status = program_end(&p, 0);

	if (status != 1 || !strstr(p.err.bytes, reason) || program_count(&p.err, "\n") != 1)
		fail_msg("\"%.80s\": exit status %d, not 1 and one line with \"%s\": %s", dir,
			 status, reason, p.err.bytes);
	assert_int_equal(p.out.len, 0);
	program_free(&p);
}

static void what_is_no_directory_is_refused_with_the_reason(void **state)
{
	struct fixture *f = *state;
	char *longest = malloc(5000);

	assert_non_null(longest);
	memset(longest, 'x', 4999);
	longest[4999] = '\0';
	world_write(world_path(f->root, "file"), "x");
	assert_int_equal(mkfifo(world_path(f->root, "fifo"), 0600), 0);
	assert_int_equal(symlink("nowhere", world_path(f->root, "broken")), 0);
	assert_int_equal(symlink("circle", world_path(f->root, "circle")), 0);
	refused(world_path(f->root, "missing"), "No such file or directory", NULL);
	refused(world_path(f->root, "missing/below"), "No such file or directory", NULL);
	refused(world_path(f->root, "file/below"), "Not a directory", NULL);
	refused(world_path(f->root, "fifo"), "not a directory or regular file", NULL);
	refused(world_path(f->root, "broken"), "No such file or directory", NULL);
	refused(world_path(f->root, "circle"), "Too many levels of symbolic links", NULL);
	refused(longest, "File name too long", NULL);
	free(longest);
}

/* Root may read every directory, an ordinary user may lack permission even for a directory of his
 * own. */
static void a_directory_without_permission_is_refused_with_the_reason(void **state)
{
	struct fixture *f = *state;
	program_prepare_fn *prepare = geteuid() == 0 ? world_become_nobody : NULL;

	if (prepare)
		world_need_nobody(f->dir);
	assert_int_equal(chmod(f->root, 0), 0);
	refused(f->root, "Permission denied", prepare);
	assert_int_equal(chmod(f->root, 0111), 0);
	refused(f->root, "Permission denied", prepare);
}

static void the_daemon_names_the_line_of_a_bad_path(void **state)
{
	static const char *const paths[] = { "missing", "file", "circle" };
	struct fixture *f = *state;

	world_write(world_path(f->dir, "file"), "x");
	assert_int_equal(symlink("circle", world_path(f->dir, "circle")), 0);
	for (unsigned i = 0; i < 3; i++) {
		FILE *file = fopen(world_path(f->dir, "conf"), "we");
		struct program p;

		assert_non_null(file);
		(void)fprintf(file, "[hostwatch]\ncontrol =\n[share one]\npath = %s/%s\n", f->dir,
			      paths[i]);
		assert_int_equal(fclose(file), 0);
		PROGRAM_START(&p, NULL, NULL, HOSTWATCHD, "-c", world_path(f->dir, "conf"));
		assert_int_equal(program_end(&p, 0), 78);
		assert_non_null(strstr(p.err.bytes, "/conf:4: "));
		program_free(&p);
	}
}

/* ---- symlinks ---- */

static void a_root_may_be_a_link(void **state)
{
	struct fixture *f = *state;
	char *link = strdup(world_path(f->dir, "link"));

	assert_non_null(link);
	assert_int_equal(symlink("share", link), 0);
	free(f->root);
	f->root = link; /* the target is removed with the directory of the test */
	fixture_watch(f, NULL, NULL);
	world_write(world_path(f->root, "file"), "x");
	/* Symlinks in the root are entries, whatever their targets. */
	assert_int_equal(symlink("..", world_path(f->root, "up")), 0);
	assert_int_equal(symlink("/", world_path(f->root, "top")), 0);
	assert_int_equal(symlink(".", world_path(f->root, "here")), 0);
	fixture_expect_equal(f);
	assert_int_equal(hw_model_entries(f->replay.told), 4);
	assert_int_equal(fixture_end(f), 0);
}

static void a_link_is_followed_at_the_start_only(void **state)
{
	struct fixture *f = *state;
	char *link = strdup(world_path(f->dir, "link")), *share = f->root;

	assert_non_null(link);
	world_write(world_path(f->root, "old"), "x");
	world_mkdir(world_path(f->dir, "other"));
	world_write(world_path(f->dir, "other/new"), "x");
	assert_int_equal(symlink("share", link), 0);
	replay_begin(&f->replay, f->root); /* the directory that the link leads to at the start */
	f->root = link;
	fixture_watch(f, NULL, NULL);
	f->root = share;
	assert_int_equal(symlink("other", world_path(f->dir, "next")), 0);
	assert_int_equal(rename(world_path(f->dir, "next"), link), 0);
	world_write(world_path(f->dir, "other/newer"), "x");
	world_write(world_path(f->dir, "share/newest"), "x");
	fixture_expect_event(f, HW_CREATE, "newest");
	fixture_expect_equal(f);
	assert_null(strstr(f->program.out.bytes, "newer"));
	assert_int_equal(fixture_end(f), 0);
	free(link);
}

/* ---- a root that is replaced by the owner of the directory above it ---- */

#define MALLORY 1000

/* Gives the directory of the share, and everything else that the test has made, to a user. */
static void give_away(struct fixture *f, const char *const *names)
{
	if (geteuid() != 0) {
		print_message("only root can give a directory to another user\n");
		skip();
	}
	for (; *names; names++)
		assert_int_equal(chown(world_path(f->dir, "%s", *names), MALLORY, MALLORY), 0);
}

/* DIR/home belongs to the user; DIR/secret, of root, is what nobody may learn about. */
static void prepare_theft(struct fixture *f, const char *share)
{
	world_mkdir(world_path(f->dir, "home"));
	world_mkdir(world_path(f->dir, "home/work"));
	world_mkdir(world_path(f->dir, "home/work/%s", share));
	world_mkdir(world_path(f->dir, "secret"));
	world_mkdir(world_path(f->dir, "secret/%s", share));
	assert_int_equal(chmod(world_path(f->dir, "secret"), 0700), 0);
	free(f->root);
	f->root = strdup(world_path(f->dir, "home/work/%s", share));
	assert_non_null(f->root);
	give_away(f, (const char *const[]){ "home", "home/work", NULL });
}

static void expect_refusal(struct fixture *f, const char *reason)
{
	fixture_expect_event(f, HW_RESCAN, "");
	program_await(&f->program, &f->program.err, reason);
	program_await(&f->program, &f->program.err, "the share stays offline");
}

/* The root is back. Nothing of the directory that was in its place may have been reported. */
static void expect_return(struct fixture *f)
{
	world_write(world_path(f->root, "after"), "x");
	fixture_expect_event(f, HW_CREATE, "after");
	fixture_expect_equal(f);
	assert_null(strstr(f->program.out.bytes, "password"));
	assert_int_equal(fixture_end(f), 0);
}

static void a_link_in_the_place_of_the_root_is_refused(void **state)
{
	struct fixture *f = *state;

	prepare_theft(f, "share");
	fixture_watch(f, NULL, NULL);
	assert_int_equal(rename(f->root, world_path(f->dir, "home/work/old")), 0);
	assert_int_equal(symlink(world_path(f->dir, "secret"), f->root), 0);
	expect_refusal(f, "/home/work/share\" is now a symbolic link");
	world_write(world_path(f->dir, "secret/password"), "x");
	assert_int_equal(unlink(f->root), 0);
	assert_int_equal(rename(world_path(f->dir, "home/work/old"), f->root), 0);
	expect_return(f);
}

static void a_link_above_the_root_is_refused(void **state)
{
	struct fixture *f = *state;
	const char *work;

	prepare_theft(f, "share");
	fixture_watch(f, NULL, NULL);
	work = world_path(f->dir, "home/work");
	assert_int_equal(rename(work, world_path(f->dir, "home/old")), 0);
	assert_int_equal(symlink("../secret", work), 0);
	expect_refusal(f, "/home/work\" is now a symbolic link");
	world_write(world_path(f->dir, "secret/share/password"), "x");
	work = world_path(f->dir, "home/work");
	assert_int_equal(unlink(work), 0);
	assert_int_equal(rename(world_path(f->dir, "home/old"), work), 0);
	expect_return(f);
}

/* The owner of the directory above may rename directories of others in it. */
static void a_root_of_another_owner_is_refused(void **state)
{
	struct fixture *f = *state;

	prepare_theft(f, "share");
	give_away(f, (const char *const[]){ "home/work/share", NULL });
	world_mkdir(world_path(f->dir, "home/work/private"));
	fixture_watch(f, NULL, NULL);
	assert_int_equal(rename(f->root, world_path(f->dir, "home/work/old")), 0);
	assert_int_equal(rename(world_path(f->dir, "home/work/private"), f->root), 0);
	expect_refusal(f, "now belongs to uid 0");
	world_write(world_path(f->root, "password"), "x");
	assert_int_equal(rename(f->root, world_path(f->dir, "home/work/private")), 0);
	assert_int_equal(rename(world_path(f->dir, "home/work/old"), f->root), 0);
	expect_return(f);
}

static void a_link_of_a_user_is_not_followed_at_the_start(void **state)
{
	struct fixture *f = *state;
	char *link;

	prepare_theft(f, "share");
	link = strdup(world_path(f->dir, "home/link"));
	assert_non_null(link);
	assert_int_equal(symlink("../secret", link), 0);
	assert_int_equal(lchown(link, MALLORY, MALLORY), 0);
	refused(link, "is a symbolic link of uid 1000 to a directory of uid 0", NULL);
	assert_int_equal(lchown(link, 0, 0), 0);
	free(f->root);
	f->root = link;
	fixture_watch(f, NULL, NULL);
	world_write(world_path(f->root, "file"), "x");
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

/* ---- disappearing and coming back ---- */

static void populate(struct fixture *f, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		world_mkdir(world_path(f->root, "dir%u", i));
		world_write(world_path(f->root, "dir%u/file", i), "x");
	}
}

static void a_root_that_is_deleted_and_made_again_is_told(void **state)
{
	struct fixture *f = *state;

	populate(f, 0, 20);
	fixture_watch(f, NULL, NULL);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(hw_scratch_remove_at(AT_FDCWD, f->root), 0);
		fixture_expect_event(f, HW_RESCAN, "");
		program_await_count(&f->program, &f->program.err, "waiting for it to reappear",
				    round + 1);
		world_mkdir(f->root);
		populate(f, 10 + round, 30);
		fixture_expect_equal(f);
		world_write(world_path(f->root, "dir29/after"), "x");
		fixture_expect_equal(f);
	}
	assert_int_equal(fixture_end(f), 0);
}

static void a_root_that_is_replaced_at_once_is_noticed(void **state)
{
	struct fixture *f = *state;
	const char *other;

	populate(f, 0, 5);
	fixture_watch(f, NULL, NULL);
	world_mkdir(world_path(f->dir, "other"));
	world_write(world_path(f->dir, "other/inside"), "x");
	other = world_path(f->dir, "other");
	assert_int_equal(rename(f->root, world_path(f->dir, "old")), 0);
	assert_int_equal(rename(other, f->root), 0);
	fixture_expect_event(f, HW_RESCAN, "");
	fixture_expect_equal(f);
	world_write(world_path(f->dir, "old/unseen"), "x");
	world_write(world_path(f->root, "seen"), "x");
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

static void a_file_in_the_place_of_the_root_is_no_root(void **state)
{
	struct fixture *f = *state;

	populate(f, 0, 2);
	fixture_watch(f, NULL, NULL);
	assert_int_equal(rename(f->root, world_path(f->dir, "old")), 0);
	world_write(f->root, "a file");
	fixture_expect_event(f, HW_RESCAN, "");
	unsigned used = program_cpu_ms(&f->program);

	/* The program must wait without spinning. Some CPU time is allowed: a filesystem mark also
	 * receives changes of other programs. */
	assert_null(program_line(&f->program, 1000));
	assert_true(program_cpu_ms(&f->program) - used < 400);
	assert_int_equal(unlink(f->root), 0);
	assert_int_equal(rename(world_path(f->dir, "old"), f->root), 0);
	world_write(world_path(f->root, "after"), "x");
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

static void a_root_that_is_mounted_over_shows_what_is_mounted(void **state)
{
	struct fixture *f = *state;

	world_need_mounts();
	populate(f, 0, 3);
	fixture_watch(f, NULL, NULL);
	world_mount_tmpfs(f->root, 0);
	world_write(world_path(f->root, "inside"), "x");
	fixture_expect_event(f, HW_RESCAN, "");
	fixture_expect_equal(f);
	assert_int_equal(umount2(f->root, MNT_DETACH), 0);
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

static void a_root_whose_filesystem_is_mounted_again_is_told(void **state)
{
	struct fixture *f = *state;

	world_need_mounts();
	world_mkdir(world_path(f->dir, "mount"));
	world_mount_tmpfs(world_path(f->dir, "mount"), 0);
	free(f->root);
	f->root = strdup(world_path(f->dir, "mount/share"));
	assert_non_null(f->root);
	world_mkdir(f->root);
	populate(f, 0, 3);
	fixture_watch(f, NULL, NULL);
	for (unsigned round = 0; round < 2; round++) {
		/* The program holds the root open, and another filesystem gets another device. */
		assert_int_equal(umount2(world_path(f->dir, "mount"), MNT_DETACH), 0);
		fixture_expect_event(f, HW_RESCAN, "");
		world_mount_tmpfs(world_path(f->dir, "mount"), 0);
		world_mkdir(f->root);
		populate(f, 2 + round, 5);
		fixture_expect_equal(f);
		world_write(world_path(f->root, "after"), "x");
		fixture_expect_equal(f);
	}
	assert_int_equal(fixture_end(f), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST(what_is_no_directory_is_refused_with_the_reason),
		HOSTILE_TEST(a_directory_without_permission_is_refused_with_the_reason),
		HOSTILE_TEST(the_daemon_names_the_line_of_a_bad_path),
		HOSTILE_TEST_EACH(a_root_may_be_a_link),
		HOSTILE_TEST_EACH(a_link_is_followed_at_the_start_only),
		HOSTILE_TEST_EACH(a_link_in_the_place_of_the_root_is_refused),
		HOSTILE_TEST_EACH(a_link_above_the_root_is_refused),
		HOSTILE_TEST_EACH(a_root_of_another_owner_is_refused),
		HOSTILE_TEST(a_link_of_a_user_is_not_followed_at_the_start),
		HOSTILE_TEST_EACH(a_root_that_is_deleted_and_made_again_is_told),
		HOSTILE_TEST_EACH(a_root_that_is_replaced_at_once_is_noticed),
		HOSTILE_TEST_EACH(a_file_in_the_place_of_the_root_is_no_root),
		HOSTILE_TEST_EACH(a_root_that_is_mounted_over_shows_what_is_mounted),
		HOSTILE_TEST_EACH(a_root_whose_filesystem_is_mounted_again_is_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("root", tests, NULL, NULL);
}
