/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file gets a second name, and one of its names is renamed or removed before any record is read:
 * programs replace and rename files in this way. The data of the file is not new.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/scene.h"

#include <stdio.h>
#include <unistd.h>

/* Starts a share that has the files `a` and `b`. */
static void start(struct hw_scene *f, const char *backend)
{
	const struct hw_rig_config config = {
		.backend = backend,
		.interval_ns = 3600 * HW_SEC,
	};

	hw_scene_prepare(f);
	hw_scene_write(f->fd, "a", "old");
	hw_scene_write(f->fd, "b", "other");
	hw_clock_tick();
	if (hw_scene_start_with(f, &config))
		return;
	hw_scene_finish(f);
	skip();
}

static void finish(struct hw_scene *f)
{
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
	hw_scene_finish(f);
}

static void link_it(const struct hw_scene *f, const char *to)
{
	assert_int_equal(linkat(f->fd, "a", f->fd, to, 0), 0);
}

static void a_link_that_gets_a_new_name_is_no_change_of_data(void **state)
{
	struct hw_scene f;

	start(&f, *state);
	link_it(&f, "t");
	hw_scene_move(f.fd, "t", f.fd, "c");
	hw_scene_expect(&f, "create file t");
	hw_scene_expect(&f, "move file t -> c");
	finish(&f);
}

static void a_link_that_replaces_a_file_is_no_change_of_data(void **state)
{
	struct hw_scene f;

	start(&f, *state);
	link_it(&f, "t");
	hw_scene_move(f.fd, "t", f.fd, "b");
	hw_scene_expect(&f, "create file t");
	hw_scene_expect(&f, "move file t -> b (replaced)");
	finish(&f);
}

/* The name that the file had before is removed. */
static void a_link_that_remains_is_no_change_of_data(void **state)
{
	struct hw_scene f;

	start(&f, *state);
	link_it(&f, "t");
	assert_int_equal(unlinkat(f.fd, "a", 0), 0);
	hw_scene_expect(&f, "create file t");
	hw_scene_expect(&f, "delete file a");
	finish(&f);
}

/* Writes through this name after the link was made, and expects this close. */
static void write_to(const char *backend, const char *name, const char *expected)
{
	struct hw_scene f;

	start(&f, backend);
	link_it(&f, "t");
	hw_scene_write(f.fd, name, "more");
	hw_scene_move(f.fd, "t", f.fd, "c");
	assert_int_equal(hw_rig_flush(f.rig), 0);
	hw_scene_follow_to(&f, expected);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

static void what_is_written_to_a_link_is_a_change_of_its_file(void **state)
{
	write_to(*state, "t", "close_write a");
}

static void what_is_written_to_the_file_is_a_change_of_the_link(void **state)
{
	write_to(*state, "a", "close_write c");
}

static void a_new_file_that_gets_a_new_name_is_new_data(void **state)
{
	struct hw_scene f;

	start(&f, *state);
	hw_scene_write(f.fd, "t", "new");
	hw_scene_move(f.fd, "t", f.fd, "c");
	hw_scene_expect(&f, "create file t");
	hw_scene_expect(&f, "modify t");
	hw_scene_expect(&f, "close_write t");
	hw_scene_expect(&f, "move file t -> c");
	finish(&f);
}

#define UNDER_EACH(test)                                                                           \
	{ #test "/inotify", test, NULL, NULL, (void *)(uintptr_t) "inotify" },                     \
		{ #test "/fanotify", test, NULL, NULL, (void *)(uintptr_t) "fanotify" },           \
	{                                                                                          \
#test "/fanotify-inode", test, NULL, NULL, (void *)(uintptr_t) "fanotify-inode"    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNDER_EACH(a_link_that_gets_a_new_name_is_no_change_of_data),
		UNDER_EACH(a_link_that_replaces_a_file_is_no_change_of_data),
		UNDER_EACH(a_link_that_remains_is_no_change_of_data),
		UNDER_EACH(what_is_written_to_a_link_is_a_change_of_its_file),
		UNDER_EACH(what_is_written_to_the_file_is_a_change_of_the_link),
		UNDER_EACH(a_new_file_that_gets_a_new_name_is_new_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
