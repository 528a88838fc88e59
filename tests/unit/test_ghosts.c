/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hints about names that do not exist: a watcher may be late, or wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES 500u

static atomic_uint stats; /* calls of statx(2) */
static atomic_bool losing; /* each file has lost a link whose name is still there */

int statx(int dir, const char *restrict path, int flags, unsigned mask, struct statx *restrict stx)
{
	static __typeof__(&statx) next;
	void *symbol;

	atomic_fetch_add(&stats, 1);
	if (!next) {
		symbol = dlsym(RTLD_NEXT, "statx");
		if (!symbol)
			abort();
		memcpy(&next, &symbol, sizeof(next));
	}
	int r = next(dir, path, flags, mask, stx);

	if (r == 0 && atomic_load(&losing) && S_ISREG(stx->stx_mode))
		stx->stx_nlink--;
	return r;
}

static const char *name_of(unsigned n)
{
	static char name[32];

	(void)snprintf(name, sizeof(name), "file%u", n);
	return name;
}

static const uint32_t bits[] = {
	HW_HINT_MODIFIED,    HW_HINT_ATTRIB,
	HW_HINT_CLOSE_WRITE, HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE,
	HW_HINT_CREATED,     HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE,
};
#define BITS (sizeof(bits) / sizeof(bits[0]))

static const uint64_t settles[] = { 0, HW_MS };
#define SETTLES (sizeof(settles) / sizeof(settles[0]))

static void hint_names_that_never_were(uint32_t what, uint64_t settle_ns)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_puppet_start(&f, 0, settle_ns);
	for (unsigned i = 0; i < NAMES; i++)
		hw_puppet_hint(&f, what, "", name_of(i));
	hw_scene_expect_no_more(&f);
	hw_scene_finish(&f);
}

static void of_a_name_that_never_was_nothing_is_reported(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BITS * SETTLES; i++)
		hint_names_that_never_were(bits[i % BITS], settles[i / BITS]);
}

static void expect_deletes_only(struct hw_scene *f)
{
	struct hw_event event;
	unsigned count = 0;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		assert_int_equal(event.kind, HW_DELETE);
		count++;
	}
	assert_int_equal(count, NAMES);
	assert_int_equal(hw_rig_share(f->rig)->tree.entries, 1);
}

/* Iterations of the loop without new hints must not stat the names again. */
static void expect_rest(struct hw_scene *f)
{
	unsigned before;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	before = atomic_load(&stats);
	for (unsigned i = 0; i < 20; i++) {
		hw_share_kick(hw_rig_share(f->rig));
		hw_rig_turn(f->rig, 10);
	}
	/* The root may be checked. */
	assert_in_range(atomic_load(&stats) - before, 0, NAMES / 10);
}

static void hint_names_that_are_gone(uint32_t what, uint32_t flags, uint64_t settle_ns)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	for (unsigned i = 0; i < NAMES; i++)
		hw_scene_write(f.fd, name_of(i), "text");
	hw_puppet_start(&f, flags, settle_ns);
	for (unsigned i = 0; i < NAMES; i++)
		assert_int_equal(unlinkat(f.fd, name_of(i), 0), 0);
	for (unsigned i = 0; i < NAMES; i++)
		hw_puppet_hint(&f, what, "", name_of(i));
	if (flags & HW_PLUGIN_ORDERED)
		hw_scene_check(&f); /* the reported modify, and delete */
	else
		expect_deletes_only(&f);
	expect_rest(&f);
	hw_scene_finish(&f);
}

static void of_a_name_that_is_gone_the_deletion_is_reported(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BITS * SETTLES; i++)
		hint_names_that_are_gone(bits[i % BITS], 0, settles[i / BITS]);
}

static void an_ordered_watcher_that_is_wrong_costs_nothing_later(void **state)
{
	(void)state;
	hint_names_that_are_gone(HW_HINT_MODIFIED, HW_PLUGIN_ORDERED, 0);
	hint_names_that_are_gone(HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, HW_PLUGIN_ORDERED, 0);
	hint_names_that_are_gone(HW_HINT_ATTRIB, HW_PLUGIN_ORDERED, 0);
}

/* The name refers to another file by now. */
static void of_a_name_with_another_file_the_new_one_is_reported(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "a", "old");
	hw_scene_write(f.fd, "b", "other");
	hw_puppet_start(&f, 0, 0);
	hw_scene_move(f.fd, "b", f.fd, "a");
	hw_puppet_hint(&f, HW_HINT_MODIFIED, "", "a");
	hw_scene_expect(&f, "move file b -> a (replaced)");
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

/* A listing found the file that replaced the new one. */
static void a_file_that_was_replaced_before_it_was_listed_is_not_reported(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_write(f.top, "outside/old", "text");
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	hw_scene_make_dir(f.fd, "d");
	hw_scene_move(f.top, "outside/old", f.fd, "d/f");
	hw_puppet_hint(&f, HW_HINT_CREATED, "", "d");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "move file -> d/f");
	hw_puppet_hint(&f, HW_HINT_CREATED | HW_HINT_MODIFIED | HW_HINT_CLOSE_WRITE, "d", "f");
	hw_scene_expect_no_more(&f);
	hw_scene_finish(&f);
}

/* unlink(2) lowers the link count before the name is gone: ext4_unlink() in fs/ext4/namei.c,
 * vfs_unlink() in fs/namei.c. */
static void a_link_is_not_from_outside_while_its_first_name_is_removed(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_write(f.fd, "f", "text");
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	hw_scene_make_dir(f.fd, "d");
	assert_int_equal(linkat(f.fd, "f", f.fd, "d/f", 0), 0);
	atomic_store(&losing, true);
	hw_puppet_hint(&f, HW_HINT_CREATED, "", "d");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "create file d/f");
	atomic_store(&losing, false);
	assert_int_equal(unlinkat(f.fd, "f", 0), 0);
	hw_puppet_hint(&f, HW_HINT_DELETED, "", "f");
	hw_scene_expect(&f, "delete file f");
	hw_scene_expect_no_more(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

/* Its inode is unknown, since the watcher knew that its first name was gone. */
static void a_link_to_a_brief_file_is_not_from_outside(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	hw_clock_tick();
	hw_scene_expect_no_more(&f);
	hw_clock_tick();
	hw_scene_write(f.fd, "f", "text");
	hw_clock_tick();
	hw_scene_make_dir(f.fd, "d");
	assert_int_equal(linkat(f.fd, "f", f.fd, "d/f", 0), 0);
	assert_int_equal(unlinkat(f.fd, "f", 0), 0);
	hw_puppet_hint(&f, HW_HINT_CREATED | HW_HINT_BRIEF, "", "f");
	hw_puppet_hint(&f, HW_HINT_CREATED, "", "d");
	hw_puppet_hint(&f, HW_HINT_DELETED, "", "f");
	hw_scene_expect(&f, "create file f");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect(&f, "create file d/f");
	hw_scene_expect(&f, "delete file f");
	hw_scene_expect(&f, "modify d/f");
	hw_scene_expect(&f, "close_write d/f");
	hw_scene_expect_no_more(&f);
	hw_scene_check(&f);
	hw_scene_finish(&f);
}

static void a_directory_of_unknown_type_is_a_directory(void **state)
{
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_puppet_start(&f, 0, 0);
	hw_scene_make_dir(f.fd, "d");
	hw_puppet_hint(&f, HW_HINT_CREATED, "", "d");
	hw_scene_expect(&f, "create dir d");
	hw_scene_expect_no_more(&f);
	hw_scene_finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_name_that_never_was_nothing_is_reported),
		cmocka_unit_test(of_a_name_that_is_gone_the_deletion_is_reported),
		cmocka_unit_test(an_ordered_watcher_that_is_wrong_costs_nothing_later),
		cmocka_unit_test(of_a_name_with_another_file_the_new_one_is_reported),
		cmocka_unit_test(a_file_that_was_replaced_before_it_was_listed_is_not_reported),
		cmocka_unit_test(a_link_is_not_from_outside_while_its_first_name_is_removed),
		cmocka_unit_test(a_link_to_a_brief_file_is_not_from_outside),
		cmocka_unit_test(a_directory_of_unknown_type_is_a_directory),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("ghosts", tests, NULL, NULL);
}
