/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries that were moved away while it is unknown where to: their names may be taken by others,
 * and they may come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/unit/support/puppet.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An unverified name may be a directory that an entry was moved into: a record with one directory
 * then proves nothing. */
static void move_away(struct hw_scene *f, const char *name)
{
	hw_unverified_name(hw_rig_share(f->rig), HW_ROOT, "unknown", 7);
	hw_puppet_move(f, "", name, NULL, NULL);
}

static void end(struct hw_scene *f)
{
	hw_scene_expect_no_more(f);
	hw_scene_check(f);
	hw_scene_finish(f);
}

/* ---- another entry with the name ---- */

static void replace_file(struct hw_scene *f)
{
	hw_scene_prepare(f);
	hw_scene_write(f->fd, "a", "old");
	hw_puppet_start(f, HW_PLUGIN_ORDERED, 0);
	hw_scene_move(f->fd, "a", f->top, "outside/a");
	hw_scene_write(f->fd, "a", "new data");
	move_away(f, "a");
}

static void expect_another_file(struct hw_scene *f)
{
	hw_scene_expect(f, "move file a ->");
	hw_scene_expect(f, "create file a");
	hw_scene_expect(f, "modify a");
	hw_scene_expect(f, "close_write a");
	end(f);
}

static void data_of_a_new_file_is_not_that_of_one_which_had_its_name(void **state)
{
	struct hw_scene f;

	(void)state;
	replace_file(&f);
	hw_puppet_hint(&f, HW_HINT_CREATED, "", "a");
	hw_puppet_hint(&f, HW_HINT_MODIFIED, "", "a");
	hw_puppet_hint(&f, HW_HINT_CLOSE_WRITE, "", "a");
	expect_another_file(&f);
}

static void one_hint_about_a_new_file_is_not_about_one_which_had_its_name(void **state)
{
	struct hw_scene f;

	(void)state;
	replace_file(&f);
	hw_puppet_hint(&f, HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "", "a");
	expect_another_file(&f);
}

static void a_file_that_is_back_is_written_under_its_name(void **state)
{
	struct hw_scene f;

	(void)state;
	replace_file(&f);
	hw_puppet_hint(&f, HW_HINT_CREATED, "", "a");
	assert_int_equal(unlinkat(f.fd, "a", 0), 0);
	hw_scene_move(f.top, "outside/a", f.fd, "a");
	hw_scene_write(f.fd, "a", "more");
	hw_puppet_hint(&f, HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "", "a");
	hw_scene_expect(&f, "move file a ->");
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_expect(&f, "move file -> a (replaced)");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	end(&f);
}

/* It was gone when it was examined. */
static void a_new_file_is_not_a_transient_one_that_had_its_name(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	hw_puppet_hint(&f, HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "", "a");
	move_away(&f, "a");
	assert_int_equal(mknodat(f.fd, "a", S_IFIFO | 0600, 0), 0);
	hw_puppet_hint(&f, HW_HINT_CREATED, "", "a");
	hw_scene_expect(&f, "create file a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	hw_scene_expect(&f, "delete file a");
	hw_scene_expect(&f, "create other a");
	end(&f);
}

/* The first record of the name is that of another file, which came and went. The file that is found
 * then came last. */
static void data_of_other_files_is_not_that_of_one_which_comes_later(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_write(f.top, "outside/old", "old");
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	hw_scene_move(f.top, "outside/old", f.fd, "a");
	hw_unverified_name(hw_rig_share(f.rig), HW_ROOT, "unknown", 7);
	hw_puppet_move(&f, NULL, NULL, "", "a");
	move_away(&f, "a");
	hw_puppet_hint(&f, HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "", "a");
	move_away(&f, "a");
	hw_puppet_move(&f, NULL, NULL, "", "a");
	hw_scene_expect(&f, "move file -> a");
	hw_scene_expect(&f, "attrib file a");
	hw_scene_expect_no_more(&f);
	hw_scene_write(f.fd, "a", "more");
	hw_puppet_hint(&f, HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "", "a");
	hw_scene_expect(&f, "modify a");
	hw_scene_expect(&f, "close_write a");
	end(&f);
}

/* ---- a directory that comes back ---- */

static void leave_and_come_back(struct hw_scene *f)
{
	hw_scene_prepare(f);
	hw_scene_make_dir(f->fd, "d");
	hw_scene_write(f->fd, "d/f", "old");
	hw_scene_write(f->fd, "d/unchanged", "old");
	hw_scene_make_dir(f->fd, "e");
	hw_scene_write(f->fd, "e/g", "old");
	hw_puppet_start(f, HW_PLUGIN_ORDERED, 0);
	hw_scene_expect_no_more(f);
	hw_scene_write(f->fd, "d/f", "new");
	hw_scene_move(f->fd, "e", f->fd, "d/e");
	hw_scene_move(f->fd, "d", f->top, "outside/d");
	move_away(f, "d");
	hw_puppet_hint(f, HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "d", "f");
	hw_puppet_move(f, "", "e", "d", "e");
	hw_scene_expect(f, "modify d/f");
	hw_scene_expect(f, "close_write d/f");
	hw_scene_expect(f, "move dir e -> d/e");
}

/* Its entries did not exist for receivers of the events about them. */
static void entries_reported_while_their_directory_was_away_are_reported_again(void **state)
{
	struct hw_scene f;

	(void)state;
	leave_and_come_back(&f);
	hw_scene_move(f.top, "outside/d", f.fd, "d");
	hw_puppet_move(&f, NULL, NULL, "", "d");
	hw_scene_expect(&f, "attrib dir d");
	hw_scene_expect(&f, "attrib dir d/e");
	hw_scene_expect(&f, "attrib file d/e/g");
	hw_scene_expect(&f, "attrib file d/f");
	end(&f);
}

static void nothing_is_reported_again_of_a_directory_that_is_gone(void **state)
{
	struct hw_scene f;

	(void)state;
	leave_and_come_back(&f);
	hw_scene_expect(&f, "delete file d/e/g");
	hw_scene_expect(&f, "delete dir d/e");
	hw_scene_expect(&f, "delete file d/f");
	hw_scene_expect(&f, "delete file d/unchanged");
	hw_scene_expect(&f, "delete dir d");
	end(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_of_a_new_file_is_not_that_of_one_which_had_its_name),
		cmocka_unit_test(one_hint_about_a_new_file_is_not_about_one_which_had_its_name),
		cmocka_unit_test(data_of_other_files_is_not_that_of_one_which_comes_later),
		cmocka_unit_test(a_file_that_is_back_is_written_under_its_name),
		cmocka_unit_test(a_new_file_is_not_a_transient_one_that_had_its_name),
		cmocka_unit_test(
			entries_reported_while_their_directory_was_away_are_reported_again),
		cmocka_unit_test(nothing_is_reported_again_of_a_directory_that_is_gone),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("away", tests, NULL, NULL);
}
