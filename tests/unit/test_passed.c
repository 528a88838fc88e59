/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An entry moves while a comparison runs: from a directory that is still to be listed into one that
 * has been listed. No listing shows it, and it may be what was lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"

#include <stdio.h>

#define DEEP "p/1/2/3/4/5/6/7/8/9"
#define ABOVE 10u /* directories in that path */
#define IN_B 30u
#define ROUNDS_MAX 50u
#define DEADLINE_NS (60 * INT64_C(1000000000))

typedef void change_fn(struct hw_scene *f);

static void prepare(struct hw_scene *f)
{
	char path[64] = "p";

	hw_scene_prepare(f);
	hw_scene_make_dir(f->fd, path);
	for (unsigned i = 1; i < ABOVE; i++) {
		(void)snprintf(path, sizeof(path), "%.*s", (int)(2 * i + 1), DEEP);
		hw_scene_make_dir(f->fd, path);
	}
	hw_scene_make_dir(f->fd, DEEP "/x");
	hw_scene_make_dir(f->fd, DEEP "/x/below");
	hw_scene_write(f->fd, DEEP "/f", "text");
	hw_scene_make_dir(f->fd, "b");
	hw_scene_make_dir(f->fd, "b/y");
	for (unsigned i = 0; i + 1 < IN_B; i++) {
		(void)snprintf(path, sizeof(path), "b/%u", i);
		hw_scene_write(f->fd, path, "text");
	}
	hw_puppet_start(f, HW_PLUGIN_ORDERED, 0);
}

/* Runs a comparison until "b" has been listed. Returns whether the directory above DEEP has not
 * been listed: one is listed after the other. */
static bool compare_b(struct hw_scene *f)
{
	const struct hw_share *share = hw_rig_share(f->rig);
	uint64_t before = share->scan.entries;
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	hw_puppet.host->lost(hw_puppet.ctx, HW_NO_DIR);
	while (share->scan.entries < before + 2 + IN_B) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
	return share->scan.entries < before + 2 + IN_B + ABOVE - 1;
}

static void expect_modify(struct hw_scene *f)
{
	struct hw_event event;
	unsigned count = 0;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1)
		count += event.kind == HW_MODIFY && event.type == HW_TYPE_FILE;
	assert_int_equal(count, 1);
}

/* Repeats it until the order is the one that the test is about. */
static void play(change_fn *lost, change_fn *moved, change_fn *expect)
{
	bool in_time = false;

	for (unsigned i = 0; i < ROUNDS_MAX && !in_time; i++) {
		struct hw_scene f;

		prepare(&f);
		lost(&f);
		in_time = compare_b(&f);
		moved(&f);
		expect(&f);
		hw_scene_finish(&f);
	}
	assert_true(in_time);
}

/* ---- what is lost ---- */

static void lose_new(struct hw_scene *f)
{
	hw_scene_write(f->fd, DEEP "/x/below/new", "text");
}

static void lose_data(struct hw_scene *f)
{
	hw_scene_write(f->fd, DEEP "/f", "more");
}

/* ---- moves ---- */

static void move_dir(struct hw_scene *f)
{
	hw_scene_move(f->fd, DEEP "/x", f->fd, "b/x");
	hw_puppet_move(f, DEEP, "x", "b", "x");
}

static void move_above(struct hw_scene *f)
{
	hw_scene_move(f->fd, "p/1/2/3/4/5/6/7/8", f->fd, "b/above");
	hw_puppet_move(f, "p/1/2/3/4/5/6/7", "8", "b", "above");
}

static void move_file(struct hw_scene *f)
{
	hw_scene_move(f->fd, DEEP "/f", f->fd, "b/f");
	hw_puppet_move(f, DEEP, "f", "b", "f");
}

static void replace_file(struct hw_scene *f)
{
	hw_scene_move(f->fd, DEEP "/f", f->fd, "b/0");
	hw_puppet_move(f, DEEP, "f", "b", "0");
}

static void exchange(struct hw_scene *f)
{
	assert_int_equal(renameat2(f->fd, DEEP "/x", f->fd, "b/y", RENAME_EXCHANGE), 0);
	hw_puppet_move(f, DEEP, "x", "b", "y");
	hw_puppet_move(f, "b", "y", DEEP, "x");
}

static void a_directory_that_a_comparison_missed_is_compared(void **state)
{
	(void)state;
	play(lose_new, move_dir, hw_scene_check);
	play(lose_new, move_above, hw_scene_check);
	play(lose_new, exchange, hw_scene_check);
}

static void a_file_that_a_comparison_missed_is_examined(void **state)
{
	(void)state;
	play(lose_data, move_file, expect_modify);
	play(lose_data, replace_file, expect_modify);
	play(lose_data, move_above, expect_modify);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_that_a_comparison_missed_is_compared),
		cmocka_unit_test(a_file_that_a_comparison_missed_is_examined),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
