/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes and closes are reported for the correct inode, without waiting for the interval or a
 * barrier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct mode {
	const char *backend;
	uint64_t settle_ns;
};

static const struct mode inotify_at_once = { "inotify", 0 };
static const struct mode inotify_settling = { "inotify", 20 * HW_MS };
static const struct mode fanotify_at_once = { "fanotify", 0 };
static const struct mode fanotify_settling = { "fanotify", 20 * HW_MS };
static const struct mode marks_at_once = { "fanotify-inode", 0 };
static const struct mode marks_settling = { "fanotify-inode", 20 * HW_MS };

/* The interval never ends here. */
static void start(struct hw_scene *f, const struct mode *mode)
{
	const struct hw_rig_config config = {
		.backend = mode->backend,
		.interval_ns = 3600 * HW_SEC,
		.settle_ns = mode->settle_ns,
	};

	if (!hw_scene_start_with(f, &config)) {
		hw_scene_finish(f);
		skip();
	}
}

static void finish(struct hw_scene *f)
{
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
	hw_scene_finish(f);
}

static int open_at(struct hw_scene *f, const char *name, int flags)
{
	int fd = openat(f->fd, name, flags | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	return fd;
}

static void put(int fd)
{
	hw_clock_tick();
	assert_int_equal(write(fd, "some", 4), 4);
}

/* ---- tests ---- */

static void a_file_in_a_new_directory_is_closed_at_once(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	start(&f, *state);
	hw_scene_make_dir(f.fd, "d");
	hw_scene_write(f.fd, "d/a", "some");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "create file d/a");
	hw_scene_expect(&f, "modify d/a");
	hw_scene_expect(&f, "close_write d/a");
	finish(&f);
}

static void make_below_new_one(int root)
{
	hw_scene_make_dir(root, "d");
	hw_scene_make_dir(root, "d/e");
	hw_scene_write(root, "d/e/a", "some");
}

static void save_in_new_one(int root)
{
	hw_scene_make_dir(root, "d");
	hw_scene_make_dir(root, "d/e");
	hw_scene_write(root, "d/t", "some");
	hw_scene_move(root, "d/t", root, "d/e/a");
}

static void rename_new_one(int root)
{
	hw_scene_make_dir(root, "t");
	hw_scene_make_dir(root, "t/e");
	hw_scene_write(root, "t/e/a", "some");
	hw_scene_move(root, "t", root, "d");
}

static void link_into_new_one(int root)
{
	hw_scene_make_dir(root, "d");
	hw_scene_make_dir(root, "d/e");
	hw_scene_write(root, "d/t", "some");
	assert_int_equal(linkat(root, "d/t", root, "d/e/a", 0), 0);
	assert_int_equal(unlinkat(root, "d/t", 0), 0);
}

/* However it came to its name d/e/a. */
static void a_file_below_new_directories_is_closed_at_once(void **state)
{
	static void (*const ways[])(int root) = { make_below_new_one, save_in_new_one,
						  rename_new_one, link_into_new_one };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct hw_scene f;

		hw_scene_prepare_on_disk(&f);
		start(&f, *state);
		ways[i](f.fd);
		hw_scene_follow_to(&f, "close_write d/e/a");
		hw_scene_replay(&f);
		hw_scene_check(&f);
		hw_scene_finish(&f);
	}
}

static void what_was_written_through_a_lost_link_is_reported(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "f", "some");
	start(&f, *state);
	assert_int_equal(linkat(f.fd, "f", f.fd, "g", 0), 0);
	int fd = open_at(&f, "g", O_APPEND);

	put(fd);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlinkat(f.fd, "g", 0), 0);
	hw_scene_follow_to(&f, "modify f");
	hw_scene_follow_to(&f, "close_write f");
	hw_scene_replay(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

/* Both files are open and were written. */
static void a_file_is_not_closed_with_the_one_that_had_its_name(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "a", "some");
	start(&f, *state);
	int old = open_at(&f, "a", O_APPEND);

	assert_int_equal(unlinkat(f.fd, "a", 0), 0);
	hw_scene_expect(&f, "delete file a");
	int new = open_at(&f, "a", O_CREAT | O_EXCL);

	put(new);
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	/* A file that changed within the last tick of its clock may have been changed again. */
	for (unsigned i = 0; i < 3; i++)
		hw_clock_tick();
	put(old);
	assert_int_equal(close(old), 0);
	close(open_at(&f, "b", O_CREAT | O_EXCL)); /* after that close */
	hw_scene_expect(&f, "create file b");
	hw_scene_expect(&f, "close_write b");
	put(new);
	hw_scene_expect(&f, "modify a");
	assert_int_equal(close(new), 0);
	hw_scene_expect(&f, "close_write a");
	finish(&f);
}

static void a_file_that_was_remade_is_closed_at_once(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "a", "some");
	start(&f, *state);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(unlinkat(f.fd, "a", 0), 0);
		hw_scene_expect(&f, "delete file a");
		int fd = open_at(&f, "a", O_CREAT | O_EXCL);

		put(fd);
		assert_int_equal(close(fd), 0);
		hw_scene_expect(&f, "create file a");
		hw_scene_expect(&f, "modify a");
		hw_scene_expect(&f, "close_write a");
	}
	finish(&f);
}

/* Another file has its name now and is written to; the mode of the one that had it changes before
 * that record is read. */
static void a_new_mode_is_not_a_write_under_the_former_name(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "a", "some");
	start(&f, *state);
	hw_scene_move(f.fd, "a", f.top, "outside/a");
	hw_scene_expect(&f, "move file a ->");
	hw_scene_move(f.top, "outside/a", f.fd, "b");
	hw_scene_expect(&f, "move file -> b");
	int fd = open_at(&f, "a", O_CREAT | O_EXCL);

	hw_scene_expect(&f, "create file a");
	put(fd);
	assert_int_equal(fchmodat(f.fd, "b", 0600, 0), 0);
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "attrib file b");
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write a");
	finish(&f);
}

/* The file that had the name is renamed before that record is read, which changes its ctime. */
static void a_rename_is_not_a_write_under_the_former_name(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "a", "some");
	start(&f, *state);
	hw_scene_move(f.fd, "a", f.top, "outside/a");
	hw_scene_expect(&f, "move file a ->");
	hw_scene_move(f.top, "outside/a", f.fd, "b");
	hw_scene_expect(&f, "move file -> b");
	int fd = open_at(&f, "a", O_CREAT | O_EXCL);

	hw_scene_expect(&f, "create file a");
	hw_clock_tick();
	put(fd);
	hw_scene_move(f.fd, "b", f.fd, "c");
	hw_scene_move(f.fd, "c", f.fd, "b");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "move file b -> c");
	hw_scene_expect(&f, "move file c -> b");
	assert_int_equal(close(fd), 0);
	hw_scene_expect(&f, "close_write a");
	finish(&f);
}

/* The names look as after an exchange, but the second file got the first name by another record. */
static void a_link_to_a_replaced_file_is_not_an_exchange(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "1");
	hw_scene_write(f.fd, "b", "2");
	assert_int_equal(linkat(f.fd, "b", f.fd, "c", 0), 0);
	start(&f, *state);
	hw_scene_move(f.fd, "a", f.fd, "b");
	assert_int_equal(linkat(f.fd, "c", f.fd, "a", 0), 0);
	hw_scene_expect(&f, "move file a -> b (replaced)");
	hw_scene_expect(&f, "create file a");
	hw_scene_expect_no_more(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

static void make_file(struct hw_scene *f, const char *name)
{
	assert_int_equal(close(open_at(f, name, O_CREAT | O_EXCL)), 0);
}

static void exchange(struct hw_scene *f, const char *a, const char *b)
{
	assert_int_equal(renameat2(f->fd, a, f->fd, b, RENAME_EXCHANGE), 0);
}

/* The records look like those of a file that replaced another and was renamed back; only the file
 * handle of the second one tells the difference. */
static void an_exchange_before_a_rename_is_an_exchange(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "a", "some");
	hw_scene_write(f.fd, "b", "other");
	start(&f, *state);
	exchange(&f, "a", "b");
	hw_scene_move(f.fd, "b", f.fd, "a");
	hw_scene_expect(&f, "move file a <-> b (exchange)");
	hw_scene_expect(&f, "move file b -> a (replaced)");
	finish(&f);
}

/* Records about other files may come between. */
static void an_exchange_before_a_removal_is_an_exchange(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "a", "some");
	hw_scene_write(f.fd, "b", "other");
	hw_scene_write(f.fd, "c", "third");
	start(&f, *state);
	exchange(&f, "a", "b");
	assert_int_equal(unlinkat(f.fd, "c", 0), 0);
	hw_scene_move(f.fd, "b", f.fd, "a");
	hw_scene_follow_to(&f, "move file a <-> b (exchange)");
	hw_scene_follow_to(&f, "move file b -> a (replaced)");
	finish(&f);
}

/* The record that tells the exchange from a file that is back may be unread when an iteration ends.
 */
static void a_held_move_waits_for_the_records_that_are_queued(void **state)
{
	struct hw_scene f;
	struct hw_event event;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "some");
	hw_scene_write(f.fd, "b", "other");
	hw_puppet.endless = true; /* a mark is reached when its backlog is read */
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	exchange(&f, "a", "b");
	hw_scene_move(f.fd, "b", f.fd, "a");
	hw_puppet.backlog = UINT32_MAX;
	hw_puppet_move(&f, "", "a", "", "b");
	hw_puppet_move(&f, "", "b", "", "a");
	for (unsigned i = 0; i < 4; i++)
		hw_rig_turn(f.rig, 0);
	assert_int_equal(hw_rig_next(f.rig, &event), 0);
	hw_puppet_move(&f, "", "b", "", "a");
	hw_puppet.backlog = 0;
	hw_scene_expect(&f, "move file a <-> b (exchange)");
	hw_scene_expect(&f, "move file b -> a (replaced)");
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

/* Its first two records are those of an exchange. */
static void a_file_that_replaced_another_is_back(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "a", "some");
	hw_scene_write(f.fd, "b", "other");
	start(&f, *state);
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_scene_move(f.fd, "b", f.fd, "a");
	hw_scene_expect(&f, "move file a -> b (replaced)");
	hw_scene_expect(&f, "move file b -> a");
	hw_scene_write(f.fd, "b", "new");
	hw_scene_expect(&f, "create file b");
	hw_scene_expect(&f, "modify b");
	hw_scene_expect(&f, "close_write b");
	finish(&f);
}

/* Another file has the other name by now. */
static void a_file_that_is_back_was_not_exchanged_with_a_later_one(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_write(f.fd, "a", "some");
	hw_scene_write(f.fd, "b", "other");
	hw_scene_write(f.top, "outside/c", "third");
	hw_clock_tick();
	start(&f, *state);
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_scene_move(f.fd, "b", f.fd, "a");
	hw_scene_write(f.fd, "b", "new");
	hw_scene_move(f.top, "outside/c", f.fd, "b");
	hw_scene_expect(&f, "move file a -> b (replaced)");
	hw_scene_expect(&f, "move file b -> a");
	hw_scene_expect(&f, "create file b");
	hw_scene_expect(&f, "modify b");
	hw_scene_expect(&f, "close_write b");
	hw_scene_expect(&f, "move file -> b (replaced)");
	finish(&f);
}

/* Each file is examined under the name of the other one. */
static void an_exchange_of_new_files_is_reported_once(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	start(&f, *state);
	make_file(&f, "a");
	make_file(&f, "b");
	exchange(&f, "a", "b");
	hw_scene_follow_to(&f, "move file a <-> b (exchange)");
	finish(&f);
}

/* The file that was created and removed is not the one that has its name now. */
static void a_brief_file_is_not_the_one_that_took_its_name(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "some");
	start(&f, *state);
	make_file(&f, "b");
	assert_int_equal(unlinkat(f.fd, "b", 0), 0);
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_scene_expect(&f, "create file b");
	hw_scene_follow_to(&f, "delete file b");
	hw_scene_expect(&f, "move file a -> b");
	finish(&f);
}

/* Neither is a link that was removed. */
static void a_brief_link_is_not_the_file_that_took_its_name(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "some");
	hw_scene_write(f.fd, "k", "other");
	start(&f, *state);
	assert_int_equal(linkat(f.fd, "k", f.fd, "b", 0), 0);
	assert_int_equal(unlinkat(f.fd, "b", 0), 0);
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_scene_expect(&f, "create file b");
	hw_scene_expect(&f, "delete file b");
	hw_scene_expect(&f, "move file a -> b");
	finish(&f);
}

/* A name was removed before the inode got it again by a rename of another link. */
static void a_link_that_was_removed_is_not_the_one_renamed_there(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "some");
	assert_int_equal(linkat(f.fd, "a", f.fd, "b", 0), 0);
	start(&f, *state);
	hw_clock_tick();
	hw_scene_expect_no_more(&f); /* everything until now is known */
	assert_int_equal(unlinkat(f.fd, "b", 0), 0);
	hw_scene_move(f.fd, "a", f.fd, "b");
	hw_scene_expect(&f, "delete file b");
	hw_scene_expect(&f, "move file a -> b");
	finish(&f);
}

/* Names that look as after an exchange; the next record is about other names. */
static void a_link_renamed_to_the_name_of_a_replacing_file_is_not_an_exchange(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_make_dir(f.fd, "x");
	hw_scene_make_dir(f.fd, "y");
	hw_scene_write(f.fd, "a", "some");
	hw_scene_write(f.fd, "b", "other");
	hw_scene_write(f.fd, "y/c", "third");
	hw_scene_write(f.fd, "y/d", "fourth");
	assert_int_equal(linkat(f.fd, "b", f.fd, "x/c", 0), 0);
	start(&f, *state);
	hw_scene_move(f.fd, "a", f.fd, "b");
	exchange(&f, "y/c", "y/d");
	hw_scene_move(f.fd, "x/c", f.fd, "a");
	hw_scene_expect(&f, "move file a -> b (replaced)");
	hw_scene_expect(&f, "move file y/c <-> y/d (exchange)");
	hw_scene_expect(&f, "move file x/c -> a");
	finish(&f);
}

/* The first entry is back at its name by a second exchange, and another file was renamed before.
 */
static void two_exchanges_with_a_rename_between_are_exchanges(void **state)
{
	struct hw_scene f;

	hw_scene_prepare_on_disk(&f);
	hw_scene_make_dir(f.fd, "x");
	hw_scene_make_dir(f.fd, "y");
	hw_scene_write(f.fd, "a", "some");
	hw_scene_write(f.fd, "y/d", "other");
	hw_scene_write(f.fd, "d", "third");
	start(&f, *state);
	exchange(&f, "y/d", "a");
	hw_scene_move(f.fd, "d", f.fd, "y/b");
	hw_scene_move(f.fd, "a", f.fd, "x/a");
	exchange(&f, "y/d", "x/a");
	hw_scene_expect(&f, "move file a <-> y/d (exchange)");
	hw_scene_expect(&f, "move file d -> y/b");
	hw_scene_expect(&f, "move file a -> x/a");
	hw_scene_expect(&f, "move file x/a <-> y/d (exchange)");
	finish(&f);
}

#define UNDER(test, mode)                                                                          \
	{                                                                                          \
#test " (" #mode ")", test, NULL, NULL, (void *)&mode                              \
	}
#define UNDER_ALL(test)                                                                            \
	UNDER(test, inotify_at_once), UNDER(test, inotify_settling),                               \
		UNDER(test, fanotify_at_once), UNDER(test, fanotify_settling),                     \
		UNDER(test, marks_at_once), UNDER(test, marks_settling)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		UNDER_ALL(a_file_in_a_new_directory_is_closed_at_once),
		UNDER_ALL(a_file_below_new_directories_is_closed_at_once),
		UNDER_ALL(what_was_written_through_a_lost_link_is_reported),
		UNDER_ALL(a_file_is_not_closed_with_the_one_that_had_its_name),
		UNDER_ALL(a_file_that_was_remade_is_closed_at_once),
		UNDER_ALL(a_new_mode_is_not_a_write_under_the_former_name),
		UNDER(a_rename_is_not_a_write_under_the_former_name, inotify_at_once),
		UNDER(a_rename_is_not_a_write_under_the_former_name, fanotify_at_once),
		UNDER(a_rename_is_not_a_write_under_the_former_name, marks_at_once),
		UNDER(a_link_to_a_replaced_file_is_not_an_exchange, inotify_at_once),
		UNDER(a_link_to_a_replaced_file_is_not_an_exchange, fanotify_at_once),
		UNDER(a_link_to_a_replaced_file_is_not_an_exchange, marks_at_once),
		UNDER(an_exchange_before_a_rename_is_an_exchange, inotify_at_once),
		UNDER(an_exchange_before_a_removal_is_an_exchange, inotify_at_once),
		UNDER(an_exchange_before_a_removal_is_an_exchange, fanotify_at_once),
		UNDER(an_exchange_before_a_removal_is_an_exchange, marks_at_once),
		cmocka_unit_test(a_held_move_waits_for_the_records_that_are_queued),
		UNDER(a_file_that_replaced_another_is_back, inotify_at_once),
		UNDER(a_file_that_replaced_another_is_back, fanotify_at_once),
		UNDER(a_file_that_replaced_another_is_back, marks_at_once),
		UNDER(an_exchange_before_a_rename_is_an_exchange, fanotify_at_once),
		UNDER(an_exchange_before_a_rename_is_an_exchange, marks_at_once),
		UNDER(an_exchange_of_new_files_is_reported_once, inotify_at_once),
		UNDER(an_exchange_of_new_files_is_reported_once, fanotify_at_once),
		UNDER(an_exchange_of_new_files_is_reported_once, marks_at_once),
		UNDER(a_brief_file_is_not_the_one_that_took_its_name, inotify_at_once),
		UNDER(a_brief_file_is_not_the_one_that_took_its_name, fanotify_at_once),
		UNDER(a_brief_file_is_not_the_one_that_took_its_name, marks_at_once),
		UNDER(a_brief_link_is_not_the_file_that_took_its_name, inotify_at_once),
		UNDER(a_brief_link_is_not_the_file_that_took_its_name, fanotify_at_once),
		UNDER(a_brief_link_is_not_the_file_that_took_its_name, marks_at_once),
		UNDER(a_link_that_was_removed_is_not_the_one_renamed_there, inotify_at_once),
		UNDER(a_link_that_was_removed_is_not_the_one_renamed_there, fanotify_at_once),
		UNDER(a_link_that_was_removed_is_not_the_one_renamed_there, marks_at_once),
		UNDER(a_link_renamed_to_the_name_of_a_replacing_file_is_not_an_exchange,
		      inotify_at_once),
		UNDER(a_link_renamed_to_the_name_of_a_replacing_file_is_not_an_exchange,
		      fanotify_at_once),
		UNDER(a_link_renamed_to_the_name_of_a_replacing_file_is_not_an_exchange,
		      marks_at_once),
		UNDER(two_exchanges_with_a_rename_between_are_exchanges, inotify_at_once),
		UNDER(two_exchanges_with_a_rename_between_are_exchanges, fanotify_at_once),
		UNDER(two_exchanges_with_a_rename_between_are_exchanges, marks_at_once),
		UNDER(a_file_that_is_back_was_not_exchanged_with_a_later_one, inotify_at_once),
		UNDER(a_file_that_is_back_was_not_exchanged_with_a_later_one, fanotify_at_once),
		UNDER(a_file_that_is_back_was_not_exchanged_with_a_later_one, marks_at_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
