/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tests the table BELIEF of hostwatch-plugin(3): hints that are not true, and HW_HINT_LOOK, which
 * claims nothing. The watcher reports only what the test asks for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/plugin/instance.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK HW_HINT_LOOK

static const struct mode {
	uint32_t flags;
	uint64_t settle_ns;
} modes[] = {
	{ 0, 0 },
	{ HW_PLUGIN_ORDERED, 0 },
	{ 0, 3600 * HW_SEC },
	{ HW_PLUGIN_ORDERED, 3600 * HW_SEC },
};

static void prepare(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "d");
	hw_scene_write(f->fd, "old", "old");
	hw_scene_write(f->fd, "d/in", "old");
}

typedef void scene_fn(struct hw_scene *f);

static void play_in(const struct mode *mode, scene_fn *scene)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	prepare(&f);
	hw_puppet_start(&f, mode->flags, mode->settle_ns);
	scene(&f);
	hw_scene_check(&f);
	assert_int_equal(hw_model_rescans(f.model), 0);
	hw_scene_finish(&f);
}

static void play(scene_fn *scene)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		play_in(&modes[i], scene);
}

/* In each record's place in the queue, without settling. */
static void play_ordered(scene_fn *scene)
{
	const struct mode ordered = { HW_PLUGIN_ORDERED, 0 };

	play_in(&ordered, scene);
}

/* Expects exactly these events. */
static void expect(struct hw_scene *f, const char *const *events)
{
	assert_int_equal(hw_rig_flush(f->rig), 0);
	for (; *events; events++)
		hw_scene_expect(f, *events);
	hw_scene_expect_no_more(f);
}
#define EXPECT(f, ...) expect(f, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* ---- HW_HINT_LOOK ---- */

static void look_at_nothing_new(struct hw_scene *f)
{
	hw_puppet_hint(f, LOOK, "", "old");
	hw_puppet_hint(f, LOOK, "", "absent");
	hw_puppet_hint(f, LOOK, "", "d");
	hw_puppet_hint(f, LOOK, "d", ".");
	hw_puppet_hint(f, LOOK, "", ".");
	EXPECT(f);
}

static void look_at_a_new_file(struct hw_scene *f)
{
	hw_scene_write(f->fd, "new", "x");
	hw_puppet_hint(f, LOOK, "", "new");
	EXPECT(f, "create file new", "modify new", "close_write new");
}

static void look_at_a_new_directory(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "t");
	hw_scene_make_dir(f->fd, "t/u");
	hw_scene_write(f->fd, "t/u/x", "x");
	hw_puppet_hint(f, LOOK, "", "t");
	EXPECT(f, "create dir t", "create dir t/u", "create file t/u/x", "modify t/u/x",
	       "close_write t/u/x");
}

static void look_at_what_is_gone(struct hw_scene *f)
{
	assert_int_equal(unlinkat(f->fd, "old", 0), 0);
	hw_puppet_hint(f, LOOK, "", "old");
	EXPECT(f, "delete file old");
}

static void look_at_what_was_written(struct hw_scene *f)
{
	hw_clock_tick();
	hw_scene_write(f->fd, "old", "more");
	hw_puppet_hint(f, LOOK, "", "old");
	EXPECT(f, "modify old", "close_write old");
}

static void look_at_another_mode(struct hw_scene *f)
{
	assert_int_equal(fchmodat(f->fd, "old", 0600, 0), 0);
	hw_puppet_hint(f, LOOK, "", "old");
	EXPECT(f, "attrib file old");
	assert_int_equal(fchmodat(f->fd, "d", 0700, 0), 0);
	hw_puppet_hint(f, LOOK, "d", ".");
	EXPECT(f, "attrib dir d");
	assert_int_equal(fchmod(f->fd, 0700), 0);
	hw_puppet_hint(f, LOOK, "", ".");
	EXPECT(f, "attrib dir \"\"");
}

static void look_at_both_names(struct hw_scene *f)
{
	hw_scene_move(f->fd, "old", f->fd, "d/renamed");
	hw_puppet_hint(f, LOOK, "", "old");
	hw_puppet_hint(f, LOOK, "d", "renamed");
	EXPECT(f, "move file old -> d/renamed");
}

static void look_at_one_name_of_two(struct hw_scene *f)
{
	hw_scene_move(f->fd, "old", f->fd, "d/renamed");
	hw_puppet_hint(f, LOOK, "d", "renamed");
	EXPECT(f, "move file old -> d/renamed");
}

static void look_at_a_moved_directory(struct hw_scene *f)
{
	hw_scene_move(f->fd, "d", f->fd, "e");
	hw_puppet_hint(f, LOOK, "", "d");
	hw_puppet_hint(f, LOOK, "", "e");
	EXPECT(f, "move dir d -> e");
}

static void look_wins_over_other_bits(struct hw_scene *f)
{
	hw_puppet_hint(f, LOOK | HW_HINT_DELETED | HW_HINT_MODIFIED, "", "old");
	EXPECT(f);
}

#define TEST_OF(scene)                                                                             \
	static void test_##scene(void **state)                                                     \
	{                                                                                          \
		(void)state;                                                                       \
		play(scene);                                                                       \
	}
TEST_OF(look_at_nothing_new)
TEST_OF(look_at_a_new_file)
TEST_OF(look_at_a_new_directory)
TEST_OF(look_at_what_is_gone)
TEST_OF(look_at_what_was_written)
TEST_OF(look_at_another_mode)
TEST_OF(look_at_both_names)
TEST_OF(look_at_one_name_of_two)
TEST_OF(look_at_a_moved_directory)
TEST_OF(look_wins_over_other_bits)

/* ---- false hints ---- */

/* After a false hint, the stream must be consistent and end at the state on disk. Returns the
 * number of events. */
static unsigned count_events(struct hw_scene *f)
{
	struct hw_event event;
	unsigned count = 0;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		char why[256];

		if (hw_model_apply(f->model, &event, why, sizeof(why)))
			fail_msg("%s", why);
		count++;
	}
	return count;
}

static void created_of_what_is_known(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_CREATED, "", "old");
	EXPECT(f);
}

static void deleted_of_what_is_unknown(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_DELETED, "", "absent");
	EXPECT(f);
}

/* Applied without a check only if the watcher is HW_PLUGIN_ORDERED. */
static void deleted_of_what_is_there(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_DELETED, "", "old");
	(void)count_events(f);
	hw_puppet_hint(f, LOOK, "", "old");
	(void)count_events(f);
}

static void modified_of_what_is_absent(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_MODIFIED, "", "absent");
	hw_puppet_hint(f, HW_HINT_MODIFIED | HW_HINT_ATTRIB | HW_HINT_CLOSE_WRITE, "", "absent");
	EXPECT(f);
}

static void modified_of_what_was_not(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_MODIFIED, "", "old");
	EXPECT(f, "modify old", "close_write old");
}

static void attrib_of_what_was_not(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_ATTRIB, "", "old");
	(void)count_events(f);
}

static void closed_without_a_change(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_CLOSE_WRITE, "", "old");
	EXPECT(f);
}

static void attrib_and_close_of_what_is_absent(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_ATTRIB, "", "absent");
	hw_puppet_hint(f, HW_HINT_CLOSE_WRITE, "", "absent");
	EXPECT(f);
}

static void created_of_what_is_absent(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_CREATED, "", "absent");
	assert_true(count_events(f) <= 2); /* at most a create and a delete */
}

static void brief_of_what_stays(struct hw_scene *f)
{
	hw_scene_write(f->fd, "stays", "x");
	hw_puppet_hint(f, HW_HINT_CREATED | HW_HINT_BRIEF, "", "stays");
	(void)count_events(f);
}

static void moves_of_what_is_not_there(struct hw_scene *f)
{
	hw_puppet_move(f, "", "absent", "", "other");
	hw_puppet_move(f, "", "absent", "d", "in");
	hw_puppet_move(f, NULL, NULL, "", "other");
	hw_puppet_move(f, "", "absent", NULL, NULL);
	(void)count_events(f);
}

static void moves_of_what_did_not_move(struct hw_scene *f)
{
	hw_puppet_move(f, "", "old", "", "other");
	(void)count_events(f);
	hw_puppet_move(f, "", "old", NULL, NULL);
	(void)count_events(f);
	hw_puppet_move(f, NULL, NULL, "", "old");
	(void)count_events(f);
	hw_puppet_move(f, "", "d", "d", "in");
	(void)count_events(f);
}

static void gone_of_a_root_that_is_there(struct hw_scene *f)
{
	hw_puppet_hint(f, HW_HINT_GONE, "", "");
	hw_puppet_hint(f, HW_HINT_GONE, "d", "");
	EXPECT(f);
}

static void hints_of_the_wrong_type(struct hw_scene *f)
{
	struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = HW_HINT_CREATED,
		.dir = hw_puppet_dir(f, ""),
		.name = "t",
		.name_len = 1,
		.type = HW_TYPE_FILE,
	};

	hw_scene_make_dir(f->fd, "t");
	hw_puppet.host->hint(hw_puppet.ctx, &hint);
	(void)count_events(f);
}

TEST_OF(created_of_what_is_known)
TEST_OF(deleted_of_what_is_unknown)
TEST_OF(deleted_of_what_is_there)
TEST_OF(modified_of_what_is_absent)
TEST_OF(modified_of_what_was_not)
TEST_OF(attrib_of_what_was_not)
TEST_OF(closed_without_a_change)
TEST_OF(attrib_and_close_of_what_is_absent)
TEST_OF(created_of_what_is_absent)
TEST_OF(brief_of_what_stays)
TEST_OF(moves_of_what_is_not_there)
TEST_OF(moves_of_what_did_not_move)
TEST_OF(gone_of_a_root_that_is_there)
TEST_OF(hints_of_the_wrong_type)

/* Invalid hints are logged once, and ignored. */
/* ---- a change back, whose record the kernel has merged with that of the change ---- */

/* The times do not show whether its content or its times were changed. */
static void set_back(struct hw_scene *f, const char *dir)
{
	assert_int_equal(fchmodat(f->fd, dir, 0755, 0), 0);
	assert_int_equal(utimensat(f->fd, dir, NULL, 0), 0);
	hw_puppet_hint(f, HW_HINT_ATTRIB, "", dir);
}

static void a_mode_that_a_rename_showed(struct hw_scene *f)
{
	hw_scene_move(f->fd, "d", f->fd, "e");
	assert_int_equal(fchmodat(f->fd, "e", 0700, 0), 0);
	hw_puppet_move(f, "", "d", "", "e");
	EXPECT(f, "move dir d -> e");
	set_back(f, "e");
	EXPECT(f, "attrib dir e");
}

static void a_mode_that_a_new_name_showed(struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "d/new");
	assert_int_equal(fchmodat(f->fd, "d", 0700, 0), 0);
	hw_puppet_hint(f, HW_HINT_CREATED, "d", "new");
	EXPECT(f, "create dir d/new");
	set_back(f, "d");
	EXPECT(f, "attrib dir d");
}

/* Receivers that looked when the event arrived have another mode. */
static void test_modes_that_were_seen(void **state)
{
	(void)state;
	play_ordered(a_mode_that_a_rename_showed);
	play_ordered(a_mode_that_a_new_name_showed);
}

static void invalid_hints_are_ignored(void **state)
{
	struct hw_scene f;
	struct hw_hint hint = { 0 };

	(void)state;
	hw_scene_prepare(&f);
	prepare(&f);
	hw_puppet_start(&f, 0, 0);
	const struct hw_instance *instance = hw_puppet.ctx;

	assert_false(instance->complained);
	hw_puppet.host->hint(hw_puppet.ctx, &hint); /* struct_size is 0 */
	assert_true(instance->complained);
	hw_puppet_hint(&f, 0, "", "old");
	hw_puppet_hint(&f, 0x80000000u | HW_HINT_DELETED, "", "old");
	hw_puppet_hint(&f, HW_HINT_BRIEF | HW_HINT_DELETED, "", "old");
	hw_puppet_hint(&f, HW_HINT_MOVED | HW_HINT_DELETED, "", "old");
	hw_puppet_hint(&f, HW_HINT_DELETED, "", "d/in");
	hw_puppet_hint(&f, HW_HINT_DELETED, "", "..");
	hw_puppet_hint(&f, HW_HINT_DELETED, "", "");
	hw_puppet_move(&f, NULL, NULL, NULL, NULL);
	EXPECT(&f);
	hw_scene_finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look_at_nothing_new),
		cmocka_unit_test(test_look_at_a_new_file),
		cmocka_unit_test(test_look_at_a_new_directory),
		cmocka_unit_test(test_look_at_what_is_gone),
		cmocka_unit_test(test_look_at_what_was_written),
		cmocka_unit_test(test_look_at_another_mode),
		cmocka_unit_test(test_look_at_both_names),
		cmocka_unit_test(test_look_at_one_name_of_two),
		cmocka_unit_test(test_look_at_a_moved_directory),
		cmocka_unit_test(test_look_wins_over_other_bits),
		cmocka_unit_test(test_created_of_what_is_known),
		cmocka_unit_test(test_deleted_of_what_is_unknown),
		cmocka_unit_test(test_deleted_of_what_is_there),
		cmocka_unit_test(test_modified_of_what_is_absent),
		cmocka_unit_test(test_modified_of_what_was_not),
		cmocka_unit_test(test_attrib_of_what_was_not),
		cmocka_unit_test(test_closed_without_a_change),
		cmocka_unit_test(test_attrib_and_close_of_what_is_absent),
		cmocka_unit_test(test_created_of_what_is_absent),
		cmocka_unit_test(test_brief_of_what_stays),
		cmocka_unit_test(test_moves_of_what_is_not_there),
		cmocka_unit_test(test_moves_of_what_did_not_move),
		cmocka_unit_test(test_gone_of_a_root_that_is_there),
		cmocka_unit_test(test_hints_of_the_wrong_type),
		cmocka_unit_test(test_modes_that_were_seen),
		cmocka_unit_test(invalid_hints_are_ignored),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
