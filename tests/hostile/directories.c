/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories that cannot be read, that can be reached by two paths, or that are covered by
 * mounts. */
#include "support/fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- permissions ---- */

/* Only root can enter "closed"; the program runs as another user. */
static void watch_as_nobody(struct fixture *f)
{
	world_need_nobody(f->dir);
	world_mkdir(world_path(f->root, "closed"));
	world_write(world_path(f->root, "closed/secret"), "s");
	world_mkdir(world_path(f->root, "open"));
	assert_int_equal(hw_model_create(&f->replay.told), 0);
	f->replay.root = f->root;
	/* The state that the program can see at the start. */
	assert_int_equal(chmod(world_path(f->root, "closed"), 0700), 0);
	const struct hw_event known[] = {
		{ .kind = HW_CREATE, .type = HW_TYPE_DIR, .path = "closed", .path_len = 6 },
		{ .kind = HW_CREATE, .type = HW_TYPE_DIR, .path = "open", .path_len = 4 },
	};
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(hw_model_apply(f->replay.told, &known[i], NULL, 0), 0);
	fixture_watch(f, world_become_nobody, NULL);
}

static void an_unreadable_directory_is_named_once_and_the_rest_is_watched(void **state)
{
	struct fixture *f = *state;

	watch_as_nobody(f);
	for (unsigned i = 0; i < 8; i++) {
		world_write(world_path(f->root, "open/%u", i), "x");
		fixture_expect_event(f, HW_CLOSE_WRITE, world_path(".", "open/%u", i) + 2);
	}
	unsigned said = program_count(&f->program.err, "/closed\"");

	if (said != 1)
		fail_msg("\"closed\" is named %u times: %s", said, f->program.err.bytes);
	assert_int_equal(fixture_end(f), 0);
}

static void what_becomes_readable_is_told(void **state)
{
	struct fixture *f = *state;

	watch_as_nobody(f);
	assert_int_equal(chmod(world_path(f->root, "closed"), 0755), 0);
	fixture_expect_equal(f);
	/* From now on, the directory must be watched. */
	world_write(world_path(f->root, "closed/new"), "n");
	world_mkdir(world_path(f->root, "closed/below"));
	world_write(world_path(f->root, "closed/below/new"), "n");
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

static void what_changed_while_unreadable_is_told_afterwards(void **state)
{
	struct fixture *f = *state;

	watch_as_nobody(f);
	assert_int_equal(chmod(world_path(f->root, "closed"), 0755), 0);
	fixture_expect_equal(f);
	assert_int_equal(chmod(world_path(f->root, "closed"), 0700), 0);
	fixture_expect_event(f, HW_ATTRIB, "closed");
	world_write(world_path(f->root, "closed/later"), "l");
	assert_int_equal(unlink(world_path(f->root, "closed/secret")), 0);
	world_write(world_path(f->root, "open/meanwhile"), "m");
	fixture_expect_event(f, HW_CLOSE_WRITE, "open/meanwhile");
	assert_int_equal(chmod(world_path(f->root, "closed"), 0755), 0);
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

static void a_directory_created_unreadable_is_told(void **state)
{
	struct fixture *f = *state;

	watch_as_nobody(f);
	mode_t mask = umask(0077);
	world_mkdir(world_path(f->root, "open/private"));
	world_write(world_path(f->root, "open/private/file"), "x");
	(void)umask(mask);
	fixture_expect_event(f, HW_CREATE, "open/private");
	assert_int_equal(chmod(world_path(f->root, "open/private"), 0755), 0);
	assert_int_equal(chmod(world_path(f->root, "closed"), 0755), 0);
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

/* ---- one directory, two places ---- */

static void a_directory_mounted_below_itself_is_not_entered(void **state)
{
	struct fixture *f = *state;

	world_need_mounts();
	world_mkdir(world_path(f->root, "a"));
	world_mkdir(world_path(f->root, "a/b"));
	replay_begin(&f->replay, f->root);
	assert_int_equal(mount(f->root, world_path(f->root, "a/b"), NULL, MS_BIND | MS_REC, NULL),
			 0);
	fixture_watch(f, NULL, NULL);
	world_write(world_path(f->root, "a/file"), "x");
	fixture_expect_event(f, HW_CLOSE_WRITE, "a/file");
	/* All reported entries are outside the loop. */
	assert_int_equal(hw_model_entries(f->replay.told), 3);
	assert_true(strstr(f->program.err.bytes, "/a/b\"") != NULL);
	assert_int_equal(program_count(&f->program.err, "not entering"), 1);
	assert_int_equal(fixture_end(f), 0);
}

static void a_loop_that_is_mounted_while_running_is_not_entered(void **state)
{
	struct fixture *f = *state;

	world_need_mounts();
	world_mkdir(world_path(f->root, "a"));
	world_mkdir(world_path(f->root, "a/b"));
	fixture_watch(f, NULL, NULL);
	world_bind(f->root, world_path(f->root, "a/b"));
	program_await(&f->program, &f->program.err, "not entering");
	world_write(world_path(f->root, "a/file"), "x");
	fixture_expect_event(f, HW_CLOSE_WRITE, "a/file");
	assert_int_equal(hw_model_entries(f->replay.told), 3);
	assert_int_equal(fixture_end(f), 0);
}

static void a_directory_mounted_twice_is_told_at_both_places(void **state)
{
	struct fixture *f = *state;

	world_need_mounts();
	world_mkdir(world_path(f->root, "one"));
	world_mkdir(world_path(f->root, "one/deep"));
	world_mkdir(world_path(f->root, "two"));
	world_bind(world_path(f->root, "one"), world_path(f->root, "two"));
	fixture_watch(f, NULL, NULL);
	world_write(world_path(f->root, "one/file"), "x");
	world_write(world_path(f->root, "two/deep/file"), "x");
	fixture_expect_equal(f);
	assert_int_equal(rename(world_path(f->root, "two/deep"), world_path(f->root, "two/moved")),
			 0);
	fixture_expect_equal(f);
	assert_int_equal(unlink(world_path(f->root, "one/file")), 0);
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

/* ---- mounts that come and go ---- */

static void a_mount_that_appears_is_told_and_watched(void **state)
{
	struct fixture *f = *state;

	world_need_mounts();
	world_mkdir(world_path(f->root, "mnt"));
	world_write(world_path(f->root, "mnt/covered"), "c");
	fixture_watch(f, NULL, NULL);
	world_mount_tmpfs(world_path(f->root, "mnt"), 0);
	world_write(world_path(f->root, "mnt/inside"), "i");
	fixture_expect_equal(f);
	world_mkdir(world_path(f->root, "mnt/dir"));
	world_write(world_path(f->root, "mnt/dir/file"), "f");
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

/* EBUSY if a process keeps the mount busy: the program may do so only for a moment. */
static void unmount_soon(const char *path)
{
	int r = -1;

	for (unsigned i = 0; i < 300 && r; i++) {
		r = umount2(path, 0);
		if (r)
			(void)poll(NULL, 0, 10);
	}
	if (r)
		fail_msg("%s cannot be unmounted: the program keeps it busy", path);
}

static void a_mount_that_disappears_uncovers_what_was_below(void **state)
{
	struct fixture *f = *state;

	world_need_mounts();
	world_mkdir(world_path(f->root, "mnt"));
	world_write(world_path(f->root, "mnt/covered"), "c");
	world_mount_tmpfs(world_path(f->root, "mnt"), 0);
	world_write(world_path(f->root, "mnt/inside"), "i");
	world_mkdir(world_path(f->root, "mnt/dir"));
	fixture_watch(f, NULL, NULL);
	world_write(world_path(f->root, "mnt/dir/file"), "f");
	fixture_expect_equal(f);
	unmount_soon(world_path(f->root, "mnt"));
	fixture_expect_equal(f);
	world_write(world_path(f->root, "mnt/afterwards"), "a");
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

static void a_bind_mount_is_not_kept_busy(void **state)
{
	struct fixture *f = *state;

	world_need_mounts();
	world_mkdir(world_path(f->root, "one"));
	world_mkdir(world_path(f->root, "one/deep"));
	world_mkdir(world_path(f->root, "two"));
	world_bind(world_path(f->root, "one"), world_path(f->root, "two"));
	fixture_watch(f, NULL, NULL);
	world_write(world_path(f->root, "two/deep/file"), "x");
	fixture_expect_equal(f);
	unmount_soon(world_path(f->root, "two"));
	fixture_expect_equal(f);
	assert_int_equal(fixture_end(f), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST_EACH(an_unreadable_directory_is_named_once_and_the_rest_is_watched),
		HOSTILE_TEST_EACH(what_becomes_readable_is_told),
		HOSTILE_TEST_EACH(what_changed_while_unreadable_is_told_afterwards),
		HOSTILE_TEST_EACH(a_directory_created_unreadable_is_told),
		HOSTILE_TEST_EACH(a_directory_mounted_below_itself_is_not_entered),
		HOSTILE_TEST_EACH(a_loop_that_is_mounted_while_running_is_not_entered),
		HOSTILE_TEST_EACH(a_directory_mounted_twice_is_told_at_both_places),
		HOSTILE_TEST_EACH(a_mount_that_appears_is_told_and_watched),
		HOSTILE_TEST_EACH(a_mount_that_disappears_uncovers_what_was_below),
		HOSTILE_TEST_EACH(a_bind_mount_is_not_kept_busy),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("directories", tests, NULL, NULL);
}
