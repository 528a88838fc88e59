/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A listing shows which file has a name now; records that are still unread are about the files that
 * had it before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/model.h"
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/arguments.h"
#include "tests/unit/support/next.h"
#include "tests/unit/support/opening.h"
#include "tests/unit/support/scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALLS_MAX 4u

static void start(struct hw_scene *f, const char *backend)
{
	const struct hw_rig_config config = {
		.backend = backend,
		.interval_ns = 3600 * HW_SEC,
	};

	if (!hw_scene_start_with(f, &config)) {
		hw_scene_finish(f);
		skip();
	}
}

static void finish(struct hw_scene *f)
{
	hw_scene_check(f);
	hw_scene_finish(f);
}

/* ---- an old file replaces one that is written, while its directory is listed ---- */

static struct {
	int top, root;
	int fd; /* of the file that is replaced; -1: not open */
	unsigned calls; /* of getdents64(2) before the change; afterwards: UINT_MAX */
} writer = { .fd = -1 };

static void write_and_replace(void)
{
	if (writer.fd < 0 || writer.calls--)
		return;
	if (write(writer.fd, "more", 4) != 4 || close(writer.fd) ||
	    renameat(writer.top, "outside/old", writer.root, "d/f"))
		abort();
	writer.fd = -1;
}

#pragma GCC visibility push(default)
ssize_t getdents64(int fd, void *buffer, size_t size)
{
	write_and_replace();
	return NEXT(getdents64, fd, buffer, size);
}
#pragma GCC visibility pop

/* Returns how often data of d/f was reported after the last file had come there. */
static unsigned changes_of_the_last(struct hw_scene *f)
{
	struct hw_event event;
	unsigned count = 0;
	char why[200];

	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		char *text = hw_notation_text(&event);

		assert_int_equal(hw_model_apply(f->model, &event, why, sizeof(why)), 0);
		if (strstr(text, "create file d/f") || strstr(text, "-> d/f"))
			count = 0;
		if (!strcmp(text, "modify d/f") || !strcmp(text, "close_write d/f") ||
		    !strcmp(text, "attrib file d/f"))
			count++;
		free(text);
	}
	return count;
}

static void replace_at_call(const char *backend, const char *from, unsigned calls)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_make_dir(f.top, "outside/d");
	hw_scene_write(f.top, "outside/d/f", "first");
	hw_scene_write(f.top, "outside/old", "old");
	hw_clock_tick();
	start(&f, backend);
	if (!strcmp(from, "d")) { /* the files of a directory that was made here are new */
		hw_scene_make_dir(f.fd, "d");
		hw_scene_write(f.fd, "d/f", "first");
	} else {
		hw_scene_move(f.top, from, f.fd, "d");
	}
	writer.top = f.top;
	writer.root = f.fd;
	writer.fd = openat(f.fd, "d/f", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(writer.fd >= 0);
	writer.calls = calls;
	unsigned changes = changes_of_the_last(&f);

	if (writer.fd < 0)
		assert_int_equal(changes, 0);
	else
		assert_int_equal(close(writer.fd), 0); /* there were fewer calls */
	writer.fd = -1;
	finish(&f);
}

static void a_write_to_the_replaced_one_is_not_one_to_the_old_one(void **state)
{
	for (unsigned calls = 0; calls < CALLS_MAX; calls++) {
		replace_at_call(*state, "outside/d", calls);
		replace_at_call(*state, "d", calls);
	}
}

/* ---- a file is written, and moves to a new directory, while another directory is listed ---- */

static int root = -1;

/* Returns whether the directory "m" is opened, for the first time. */
static bool is_m(const char *path)
{
	size_t len = strlen(path);

	return root >= 0 && len && path[len - 1] == 'm';
}

static void write_and_move(const char *path)
{
	if (!is_m(path))
		return;
	hw_scene_make_dir(root, "n");
	hw_scene_write(root, "x", "second");
	hw_scene_move(root, "x", root, "n/b");
	hw_scene_write(root, "x", "new");
	root = -1;
}

static void what_was_written_before_a_listing_found_it_elsewhere_is_reported(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "x", "old");
	hw_clock_tick();
	start(&f, *state);
	hw_scene_write(f.fd, "x", "first");
	hw_scene_make_dir(f.fd, "m");
	root = f.fd;
	hw_opening_call(write_and_move);
	hw_scene_expect(&f, "modify x");
	hw_scene_follow_to(&f, "move file x -> n/b");
	hw_opening_call(NULL);
	hw_scene_follow_to(&f, "modify n/b");
	hw_scene_follow_to(&f, "close_write n/b");
	finish(&f);
}

static void write_on_the_way(const char *path)
{
	if (!is_m(path))
		return;
	hw_scene_move(root, "x", root, "k/i");
	hw_scene_write(root, "k/i", "second");
	hw_scene_move(root, "k/i", root, "m/b");
	root = -1;
}

static void what_was_written_under_a_name_in_between_is_reported(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "x", "old");
	hw_scene_make_dir(f.fd, "k");
	hw_clock_tick();
	start(&f, *state);
	hw_scene_write(f.fd, "x", "first");
	hw_scene_make_dir(f.fd, "m");
	root = f.fd;
	hw_opening_call(write_on_the_way);
	hw_scene_expect(&f, "modify x");
	hw_scene_follow_to(&f, "move file x -> m/b");
	hw_opening_call(NULL);
	hw_scene_follow_to(&f, "modify m/b");
	hw_scene_follow_to(&f, "close_write m/b");
	finish(&f);
}

static void exchange_twice(const char *path)
{
	if (!is_m(path))
		return;
	hw_scene_write(root, "m/c", "new");
	assert_int_equal(renameat2(root, "m/c", root, "a", RENAME_EXCHANGE), 0);
	assert_int_equal(renameat2(root, "m/c", root, "e", RENAME_EXCHANGE), 0);
	root = -1;
}

static void one_that_a_listing_found_is_not_the_one_that_was_exchanged_before(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "a");
	hw_scene_write(f.fd, "e", "e");
	hw_clock_tick();
	start(&f, *state);
	hw_scene_make_dir(f.fd, "m");
	root = f.fd;
	hw_opening_call(exchange_twice);
	hw_scene_expect(&f, "create dir m");
	hw_opening_call(NULL);
	hw_scene_expect(&f, "move file e -> m/c");
	/* Only a mark of the filesystem sees what happens in a directory that is not known yet. */
	if (!strcmp(*state, "fanotify")) {
		hw_scene_expect(&f, "move file a -> e");
		hw_scene_expect(&f, "create file a");
		hw_scene_expect(&f, "modify a");
		hw_scene_expect(&f, "close_write a");
		hw_scene_expect_no_more(&f);
	}
	finish(&f);
}

/* ---- a file leaves for a directory that arrives later ---- */

static void one_that_was_replaced_outside_is_not_the_one_that_came(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_make_dir(f.top, "outside/g");
	hw_scene_write(f.top, "outside/y", "y");
	hw_scene_write(f.fd, "x", "x");
	hw_clock_tick();
	start(&f, *state);
	hw_scene_make_dir(f.fd, "n");
	hw_scene_write(f.fd, "x", "more");
	hw_scene_move(f.fd, "x", f.top, "outside/g/v");
	hw_scene_move(f.top, "outside/y", f.top, "outside/g/v");
	hw_scene_move(f.top, "outside/g", f.fd, "n/g");

	assert_int_equal(hw_rig_flush(f.rig), 0);
	struct hw_event event;
	bool gone = false;
	char why[200];

	while (hw_rig_next(f.rig, &event) == 1) {
		char *text = hw_notation_text(&event);

		assert_int_equal(hw_model_apply(f.model, &event, why, sizeof(why)), 0);
		assert_false(event.kind == HW_MOVE && event.from && event.path &&
			     strstr(text, "x ->"));
		assert_false(!strcmp(text, "modify n/g/v") || !strcmp(text, "close_write n/g/v"));
		gone = gone || !strcmp(text, "delete file x") || !strcmp(text, "move file x ->");
		free(text);
	}
	assert_true(gone);
	finish(&f);
}

/* ---- a file comes from a new directory ---- */

static void one_from_a_new_directory_is_not_the_one_that_it_replaced(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.top, "outside/v", "v");
	hw_scene_write(f.fd, "y", "y");
	hw_clock_tick();
	start(&f, *state);
	hw_scene_move(f.top, "outside/v", f.fd, "x");
	hw_scene_write(f.fd, "x", "more");
	hw_scene_make_dir(f.fd, "k");
	assert_int_equal(mknodat(f.fd, "k/m", S_IFREG | 0644, 0), 0);
	hw_scene_move(f.fd, "k/m", f.fd, "x");
	hw_scene_expect(&f, "move file -> x");
	hw_scene_expect(&f, "modify x");
	hw_scene_expect(&f, "close_write x");
	hw_scene_expect(&f, "create dir k");
	/* Only a mark of the filesystem sees what happens in a directory that is not known yet. */
	if (!strcmp(*state, "fanotify")) {
		hw_scene_expect(&f, "create file k/m");
		hw_scene_expect(&f, "move file k/m -> x (replaced)");
	} else {
		hw_scene_expect(&f, "move file -> x (replaced)");
	}
	finish(&f);
}

/* ---- a file is renamed back, and another one takes its name ---- */

static void one_that_was_renamed_back_and_replaced_was_not_exchanged(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "a");
	hw_scene_write(f.fd, "c", "c");
	hw_scene_write(f.fd, "d", "d");
	start(&f, *state);
	hw_scene_move(f.fd, "c", f.fd, "d");
	hw_scene_move(f.fd, "d", f.fd, "c");
	hw_scene_move(f.fd, "a", f.fd, "c");
	hw_scene_expect(&f, "move file c -> d (replaced)");
	hw_scene_expect(&f, "move file d -> c");
	hw_scene_expect(&f, "move file a -> c (replaced)");
	hw_scene_expect_no_more(&f);
	finish(&f);
}

static void one_that_was_exchanged_and_replaced_was_not_renamed_back(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "a");
	hw_scene_write(f.fd, "c", "c");
	hw_scene_write(f.fd, "d", "d");
	start(&f, *state);
	assert_int_equal(renameat2(f.fd, "c", f.fd, "d", RENAME_EXCHANGE), 0);
	hw_scene_move(f.fd, "a", f.fd, "c");
	assert_int_equal(unlinkat(f.fd, "d", 0), 0);
	hw_scene_expect(&f, "move file c <-> d (exchange)");
	hw_scene_expect(&f, "move file a -> c (replaced)");
	hw_scene_expect(&f, "delete file d");
	hw_scene_expect_no_more(&f);
	finish(&f);
}

static void one_that_moved_on_after_it_was_renamed_back_was_not_exchanged(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "c", "c");
	hw_scene_write(f.fd, "d", "d");
	start(&f, *state);
	hw_scene_move(f.fd, "c", f.fd, "d");
	hw_scene_move(f.fd, "d", f.fd, "c");
	hw_scene_move(f.fd, "c", f.fd, "d");
	hw_scene_move(f.fd, "d", f.fd, "e");
	hw_scene_write(f.fd, "d", "new");
	hw_scene_expect(&f, "move file c -> d (replaced)");
	hw_scene_expect(&f, "move file d -> c");
	hw_scene_expect(&f, "move file c -> d"); /* fanotify merges it with the first one */
	hw_scene_expect(&f, "move file d -> e");
	hw_scene_expect(&f, "create file d");
	finish(&f);
}

/* ---- a name is removed between two links of one file, and the kernel merges the records ---- */

static void a_name_that_was_linked_twice_is_reported_twice(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "a");
	start(&f, *state);
	assert_int_equal(linkat(f.fd, "a", f.fd, "b", 0), 0);
	assert_int_equal(unlinkat(f.fd, "b", 0), 0);
	assert_int_equal(linkat(f.fd, "a", f.fd, "b", 0), 0);
	hw_scene_expect(&f, "create file b");
	hw_scene_expect(&f, "delete file b");
	hw_scene_expect(&f, "create file b");
	hw_scene_expect_no_more(&f);
	finish(&f);
}

static void a_link_that_was_removed_is_not_the_one_that_was_renamed_there(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "a");
	assert_int_equal(linkat(f.fd, "a", f.fd, "c", 0), 0);
	start(&f, *state);
	assert_int_equal(linkat(f.fd, "a", f.fd, "b", 0), 0);
	assert_int_equal(unlinkat(f.fd, "b", 0), 0);
	hw_scene_move(f.fd, "c", f.fd, "b");
	hw_scene_expect(&f, "create file b");
	hw_scene_expect(&f, "delete file b");
	hw_scene_expect(&f, "move file c -> b");
	hw_scene_expect_no_more(&f);
	finish(&f);
}

static void a_link_that_was_exchanged_there_is_not_the_one_that_was_deleted(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "a");
	assert_int_equal(linkat(f.fd, "a", f.fd, "c", 0), 0);
	start(&f, *state);
	hw_scene_move(f.fd, "a", f.fd, "b");
	assert_int_equal(unlinkat(f.fd, "b", 0), 0);
	hw_scene_write(f.fd, "b", "b");
	assert_int_equal(renameat2(f.fd, "c", f.fd, "b", RENAME_EXCHANGE), 0);
	hw_scene_expect(&f, "move file a -> b");
	hw_scene_expect(&f, "delete file b");
	hw_scene_expect(&f, "create file b");
	hw_scene_follow_to(&f, "move file b <-> c (exchange)");
	hw_scene_check(&f);
	finish(&f);
}

/* ---- a change after the examination ---- */

static void change_mode(const char *path)
{
	if (strcmp(path, ".") != 0 || root < 0)
		return;
	assert_int_equal(fchmodat(root, "g", 0600, 0), 0);
	root = -1;
}

/* The record of the mode is read before the mark, and is about the file that was to be there. */
static void a_mode_that_was_set_after_the_examination_is_reported(void **state)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_make_dir(f.fd, "x");
	start(&f, *state);
	assert_int_equal(mknodat(f.fd, "x/p", S_IFIFO | 0644, 0), 0);
	hw_scene_write(f.fd, "y", "y");
	hw_scene_move(f.fd, "x/p", f.fd, "g");
	root = f.fd;
	hw_opening_call(change_mode);
	hw_scene_follow_to(&f, "attrib other g");
	hw_opening_call(NULL);
	hw_scene_check(&f);
	finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HW_UNDER_EACH("a_write_to_the_replaced_one_is_not_one_to_the_old_one",
			      a_write_to_the_replaced_one_is_not_one_to_the_old_one),
		HW_UNDER_EACH("what_was_written_before_a_listing_found_it_elsewhere_is_reported",
			      what_was_written_before_a_listing_found_it_elsewhere_is_reported),
		HW_UNDER_EACH("what_was_written_under_a_name_in_between_is_reported",
			      what_was_written_under_a_name_in_between_is_reported),
		HW_UNDER_EACH("one_that_a_listing_found_is_not_the_one_that_was_exchanged_before",
			      one_that_a_listing_found_is_not_the_one_that_was_exchanged_before),
		HW_UNDER_EACH("one_that_was_replaced_outside_is_not_the_one_that_came",
			      one_that_was_replaced_outside_is_not_the_one_that_came),
		HW_UNDER_EACH("one_from_a_new_directory_is_not_the_one_that_it_replaced",
			      one_from_a_new_directory_is_not_the_one_that_it_replaced),
		HW_UNDER_EACH("one_that_was_renamed_back_and_replaced_was_not_exchanged",
			      one_that_was_renamed_back_and_replaced_was_not_exchanged),
		HW_UNDER_EACH("one_that_was_exchanged_and_replaced_was_not_renamed_back",
			      one_that_was_exchanged_and_replaced_was_not_renamed_back),
		HW_UNDER_EACH("one_that_moved_on_after_it_was_renamed_back_was_not_exchanged",
			      one_that_moved_on_after_it_was_renamed_back_was_not_exchanged),
		HW_UNDER_EACH("a_name_that_was_linked_twice_is_reported_twice",
			      a_name_that_was_linked_twice_is_reported_twice),
		HW_UNDER_EACH("a_link_that_was_removed_is_not_the_one_that_was_renamed_there",
			      a_link_that_was_removed_is_not_the_one_that_was_renamed_there),
		HW_UNDER_EACH("a_link_that_was_exchanged_there_is_not_the_one_that_was_deleted",
			      a_link_that_was_exchanged_there_is_not_the_one_that_was_deleted),
		HW_UNDER_EACH("a_mode_that_was_set_after_the_examination_is_reported",
			      a_mode_that_was_set_after_the_examination_is_reported),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
