/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories that have no watcher for a reason that ends: then they get one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/needs.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/scene.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_NS (60 * INT64_C(1000000000))

static void expect_all_watched(struct hw_scene *f)
{
	const struct hw_share *share = hw_rig_share(f->rig);
	uint64_t watched = 0;

	for (unsigned i = 0; i < HW_WATCHERS_MAX; i++)
		watched += share->watchers.list[i].directories;
	assert_int_equal(watched, share->tree.directories);
}

/* The share runs without the privileges of root. */
static void await_refusal(struct hw_scene *f)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	assert_int_equal(seteuid(HW_NOBODY), 0);
	while (!hw_rig_share(f->rig)->retry.count) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
	assert_int_equal(seteuid(0), 0);
}

static void flush(struct hw_scene *f)
{
	assert_int_equal(seteuid(HW_NOBODY), 0);
	int r = hw_rig_flush(f->rig);

	assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, 0);
}

/* The share keeps the descriptors of only so many directories. */
static void close_path(struct hw_scene *f, const char *dir, const char *name)
{
	struct hw_share *share = hw_rig_share(f->rig);
	uint32_t id = hw_tree_find(&share->tree, HW_ROOT, dir, strlen(dir));

	id = hw_tree_find(&share->tree, id, name, strlen(name));
	assert_true(id != 0);
	hw_disk_forget_dir(&share->disk, id);
}

/* `l/c/d` is new, and cannot be opened because of `l`. */
static void leave_unreadable(struct hw_scene *f, bool exchange)
{
	assert_int_equal(fchmodat(f->fd, "l", 0700, 0), 0);
	await_refusal(f);
	close_path(f, "l", "c");
	hw_scene_make_dir(f->fd, "l/c/d");
	flush(f);
	if (exchange)
		assert_int_equal(renameat2(f->fd, "l/c", f->fd, "e", RENAME_EXCHANGE), 0);
	else
		hw_scene_move(f->fd, "l/c", f->fd, "e");
	flush(f);
	expect_all_watched(f);
	hw_scene_write(f->fd, "e/d/f", "x");
	assert_int_equal(fchmodat(f->fd, "l", 0755, 0), 0);
	flush(f);
	hw_scene_check(f);
}

static void leave(bool exchange)
{
	struct hw_scene f;

	HW_NEED(hw_lacks_capability(CAP_SETUID, "CAP_SETUID"));
	hw_scene_prepare(&f);
	hw_scene_make_dir(f.fd, "l");
	hw_scene_make_dir(f.fd, "l/c");
	if (exchange)
		hw_scene_make_dir(f.fd, "e");
	if (hw_scene_start(&f, "inotify", 0))
		leave_unreadable(&f, exchange);
	hw_scene_finish(&f);
}

static void a_directory_that_leaves_an_unreadable_one_is_watched(void **state)
{
	(void)state;
	leave(false);
}

static void a_directory_exchanged_out_of_an_unreadable_one_is_watched(void **state)
{
	(void)state;
	leave(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_that_leaves_an_unreadable_one_is_watched),
		cmocka_unit_test(a_directory_exchanged_out_of_an_unreadable_one_is_watched),
	};

	return cmocka_run_group_tests_name("unarmed", tests, NULL, NULL);
}
