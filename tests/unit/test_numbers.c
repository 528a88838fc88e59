/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept about inodes that records identify by number: numbers, and the ids of entries, are
 * used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"
#include "tests/unit/support/scene.h"

#include <string.h>
#include <sys/stat.h>

#define CREATED (HW_HINT_CREATED | HW_HINT_MODIFIED)
#define LATER (20u * HW_NAMELESS_SETS * HW_NAMELESS_WAYS)

static void begin(struct hw_scene *f)
{
	hw_scene_prepare(f);
	hw_puppet_start(f, 0, 0);
	hw_clock_tick();
	hw_scene_expect_no_more(f);
}

/* A hint with a handle of type FILEID_INO32_GEN. */
static void hint(const struct hw_scene *f, uint32_t what, const char *name, ino_t ino,
		 uint32_t generation)
{
	const uint32_t handle[] = { (uint32_t)ino, generation };
	const struct hw_hint hint = {
		.struct_size = sizeof(hint),
		.what = what,
		.dir = hw_puppet_dir(f, ""),
		.name = name,
		.name_len = (uint32_t)strlen(name),
		.type = HW_TYPE_FILE,
		.handle = (const void *)handle,
		.handle_len = sizeof(handle),
		.handle_type = 1,
	};

	hw_puppet.host->hint(hw_puppet.ctx, &hint);
}

static ino_t make_u(const struct hw_scene *f)
{
	struct stat st;

	hw_scene_write(f->fd, "u", "data");
	assert_int_equal(fstatat(f->fd, "u", &st, 0), 0);
	return st.st_ino;
}

static void lose_and_expect_u(struct hw_scene *f, const char *gone)
{
	char text[40];

	hw_puppet.host->lost(hw_puppet.ctx, HW_NO_DIR);
	(void)snprintf(text, sizeof(text), "delete file %s", gone);
	hw_scene_expect(f, text);
	hw_scene_expect(f, "create file u");
	hw_scene_expect(f, "modify u");
	hw_scene_expect(f, "close_write u");
	hw_scene_expect_no_more(f);
	hw_scene_finish(f);
}

/* The records that t was deleted, and that u was created, are lost. */
static void a_file_with_the_number_of_a_lost_one_is_a_new_one(void **state)
{
	struct hw_scene f;

	(void)state;
	begin(&f);
	ino_t ino = make_u(&f);

	hint(&f, CREATED, "t", ino, 7);
	hw_scene_expect(&f, "create file t");
	hw_scene_expect(&f, "modify t");
	lose_and_expect_u(&f, "t");
}

/* The second file gets the entry that the first one had. */
static void a_number_is_not_that_of_the_next_file_with_the_entry(void **state)
{
	struct hw_scene f;

	(void)state;
	begin(&f);
	ino_t ino = make_u(&f);

	hint(&f, CREATED, "t1", ino, 7);
	hint(&f, HW_HINT_DELETED, "t1", ino, 7);
	hint(&f, CREATED, "t2", ino + 1, 8);
	hw_scene_expect(&f, "create file t1");
	hw_scene_expect(&f, "modify t1");
	hw_scene_expect(&f, "delete file t1");
	hw_scene_expect(&f, "create file t2");
	hw_scene_expect(&f, "modify t2");
	hw_puppet_hint(&f, HW_HINT_MODIFIED, "", "u"); /* a round examines it */
	hw_scene_follow_to(&f, "create file u");
	hw_scene_finish(&f);
}

static void note(struct hw_share *share, uint64_t ino)
{
	const struct hw_fold_number number = { .ino = ino, .generation = 1 };

	hw_nameless_note(share, 0, &number, HW_HINT_CLOSE_WRITE);
}

static bool take(struct hw_share *share, uint64_t ino)
{
	const struct hw_fold_number number = { .ino = ino, .generation = 1 };

	return hw_nameless_take(share, 0, &number) == HW_HINT_CLOSE_WRITE;
}

static void others_that_were_taken_displace_no_nameless_inode(void **state)
{
	struct hw_scene f;

	(void)state;
	begin(&f);
	struct hw_share *share = hw_rig_share(f.rig);

	note(share, 1);
	for (uint64_t ino = 2; ino < LATER; ino++) {
		note(share, ino);
		assert_true(take(share, ino));
	}
	assert_true(take(share, 1));
	hw_scene_finish(&f);
}

static void the_oldest_nameless_inodes_are_dropped(void **state)
{
	struct hw_scene f;

	(void)state;
	begin(&f);
	struct hw_share *share = hw_rig_share(f.rig);

	for (uint64_t ino = 1; ino < LATER; ino++)
		note(share, ino);
	assert_false(take(share, 1));
	for (uint64_t ino = LATER - HW_NAMELESS_WAYS; ino < LATER; ino++)
		assert_true(take(share, ino));
	hw_scene_finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_with_the_number_of_a_lost_one_is_a_new_one),
		cmocka_unit_test(a_number_is_not_that_of_the_next_file_with_the_entry),
		cmocka_unit_test(others_that_were_taken_displace_no_nameless_inode),
		cmocka_unit_test(the_oldest_nameless_inodes_are_dropped),
	};

	return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}
