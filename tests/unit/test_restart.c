/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A share that continues with its state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/arm.h"
#include "framework/share/fill.h"
#include "framework/share/share_private.h"
#include "tests/common/model.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/opening.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a directory that moves whenever it is about to be opened ---- */

static struct {
	int root; /* of the scene */
	unsigned left; /* moves */
	bool away; /* it is b/m, not a/m */
} mover;

static bool leads_to_it(const char *path)
{
	for (; *path; path += strcspn(path, "/"), path += *path == '/')
		if (strcspn(path, "/") == 1 && *path == 'm')
			return true;
	return false;
}

static void before_open(const char *path)
{
	if (!mover.left || !leads_to_it(path))
		return;
	mover.left--;
	if (renameat(mover.root, mover.away ? "b/m" : "a/m", mover.root,
		     mover.away ? "a/m" : "b/m") < 0)
		abort();
	mover.away = !mover.away;
}

/* ---- the share ---- */

static uint64_t settle_ns;

static bool start(struct hw_scene *f, const char *backend)
{
	char state[PATH_MAX + 8];
	const struct hw_rig_config config = {
		.backend = backend,
		.state_dir = state,
		.settle_ns = settle_ns,
	};

	(void)snprintf(state, sizeof(state), "%s/state", f->path);
	return hw_scene_start_with(f, &config);
}

/* Ends the share and continues with its state. */
static void restart(struct hw_scene *f, const char *backend)
{
	hw_rig_stop(f->rig);
	f->rig = NULL;
	hw_model_destroy(f->model);
	f->model = NULL;
	assert_true(start(f, backend));
	assert_true(hw_rig_share(f->rig)->keep.loaded);
}

#define DEADLINE_NS (60 * INT64_C(1000000000))
#define FAR (UINT64_C(3) << 30) /* the number of the next event: more than INT32_MAX */

static void check_merging(struct hw_scene *f, const char *backend)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	struct hw_share *share = hw_rig_share(f->rig);

	while (!share->keep.on) { /* a snapshot is being written */
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
	hw_journal_reset(&share->journal, FAR);
	share->keep.seq = FAR - 1;
	share->keep.limit += FAR;
	restart(f, backend);
	share = hw_rig_share(f->rig);
	assert_int_equal(hw_share_seq(share), FAR - 1);
	for (uint32_t id = HW_ROOT; id < share->tree.used; id++)
		if (hw_tree_entry(&share->tree, id)->type != HW_TYPE_NONE)
			assert_false(hw_history_is_fresh(share, hw_tree_entry(&share->tree, id)));
	hw_scene_expect_no_more(f);
}

/* However many events there were: numbers of 32 bits are compared. */
static void no_event_is_merged_with_one_of_the_last_run(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		hw_scene_prepare(&f);
		hw_scene_make_dir(f.top, "state");
		hw_scene_write(f.fd, "file", "x");
		if (start(&f, hw_rig_backends[i]))
			check_merging(&f, hw_rig_backends[i]);
		hw_scene_finish(&f);
	}
}

/* ---- every directory has a watcher ---- */

#define MOVES_MAX 24u
#define SETTLE_NS (1000 * UINT64_C(1000))

static void expect_all_watched(struct hw_scene *f)
{
	const struct hw_share *share = hw_rig_share(f->rig);
	uint64_t watched = 0;

	for (unsigned i = 0; i < HW_WATCHERS_MAX; i++)
		watched += share->watchers.list[i].directories;
	assert_int_equal(watched, share->tree.directories);
}

static void move_while_started(struct hw_scene *f, const char *backend, unsigned moves)
{
	mover.root = f->fd;
	mover.left = moves;
	hw_opening_call(before_open);
	restart(f, backend);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	hw_opening_call(NULL);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	expect_all_watched(f);
	hw_scene_write(f->fd, mover.away ? "b/m/k/l/f" : "a/m/k/l/f", "x");
	hw_scene_check(f);
}

static void move_under_each_watcher(void)
{
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		mover.away = false;
		hw_scene_prepare(&f);
		hw_scene_make_dir(f.top, "state");
		hw_scene_make_dir(f.fd, "a");
		hw_scene_make_dir(f.fd, "b");
		hw_scene_make_dir(f.fd, "a/m");
		hw_scene_make_dir(f.fd, "a/m/k");
		hw_scene_make_dir(f.fd, "a/m/k/l");
		if (start(&f, hw_rig_backends[i]))
			for (unsigned moves = 1; moves <= MOVES_MAX; moves++)
				move_while_started(&f, hw_rig_backends[i], moves);
		hw_scene_finish(&f);
	}
}

/* Whatever it does while the tree is compared with the disk. */
static void a_directory_that_moves_during_the_start_is_watched(void **state)
{
	(void)state;
	move_under_each_watcher();
	settle_ns = SETTLE_NS;
	move_under_each_watcher();
	settle_ns = 0;
}

/* ---- the entries of a directory that was not listed yet ---- */

/* As if `d`, which a state has with its entries, was found only now: it had moved. */
static void find_late(struct hw_scene *f)
{
	struct hw_share *share = hw_rig_share(f->rig);
	uint32_t dir = hw_tree_find(&share->tree, HW_ROOT, "d", 1);

	hw_arm_leave_watcher(share, dir);
	hw_tree_entry(&share->tree, dir)->flags &= (uint8_t)~HW_ENTRY_LISTED;
	assert_int_equal(unlinkat(f->fd, "d/gone", 0), 0);
	hw_fill_moved(share, dir);
	hw_scene_check(f);
	expect_all_watched(f);
}

static void a_directory_that_is_found_late_is_compared(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		hw_scene_prepare(&f);
		hw_scene_make_dir(f.fd, "d");
		hw_scene_write(f.fd, "d/gone", "x");
		if (hw_scene_start(&f, hw_rig_backends[i], 0))
			find_late(&f);
		hw_scene_finish(&f);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_event_is_merged_with_one_of_the_last_run),
		cmocka_unit_test(a_directory_that_moves_during_the_start_is_watched),
		cmocka_unit_test(a_directory_that_is_found_late_is_compared),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
