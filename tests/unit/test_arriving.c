/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A directory comes from outside and moves on whenever it is about to be opened: its files are old,
 * under whichever name they are found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/model.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/opening.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOVES_MAX 6u
#define SETTLE_NS (1000 * UINT64_C(1000))

static struct {
	int root; /* of the scene */
	const char *here, *there; /* the names of the directory */
	unsigned left; /* moves */
} mover;

static void before_open(const char *path)
{
	const char *was = mover.here;
	size_t name = strlen(was) - 1; /* it has one letter */
	size_t len = strlen(path);

	if (!mover.left || !len || path[len - 1] != was[name])
		return;
	if (renameat(mover.root, was, mover.root, mover.there) < 0)
		abort();
	mover.here = mover.there;
	mover.there = was;
	mover.left--;
}

static void expect_old_files(struct hw_scene *f)
{
	unsigned arrivals = 0, created = 0;
	struct hw_event event;
	char why[256];

	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		assert_int_equal(hw_model_apply(f->model, &event, why, sizeof(why)), 0);
		assert_int_not_equal(event.kind, HW_MODIFY);
		assert_int_not_equal(event.kind, HW_CLOSE_WRITE);
		assert_true(event.kind != HW_MOVE || event.path);
		arrivals += event.kind == HW_MOVE && !event.from;
		created += event.kind == HW_CREATE && event.type == HW_TYPE_FILE;
	}
	assert_int_equal(arrivals, 1);
	assert_int_equal(created, 2);
}

static void play(struct hw_scene *f, const char *here, const char *there, unsigned moves)
{
	hw_scene_move(f->top, "outside/p", f->fd, "p");
	mover.root = f->fd;
	mover.here = here;
	mover.there = there;
	mover.left = moves;
	hw_opening_call(before_open);
	expect_old_files(f);
	hw_opening_call(NULL);
	hw_scene_check(f);
}

static void arrive(const char *backend, uint64_t settle_ns, const char *here, const char *there)
{
	for (unsigned moves = 0; moves <= MOVES_MAX; moves++) {
		struct hw_scene f;

		hw_scene_prepare(&f);
		hw_scene_make_dir(f.top, "outside/p");
		hw_scene_make_dir(f.top, "outside/p/s");
		hw_scene_write(f.top, "outside/p/old", "old");
		hw_scene_write(f.top, "outside/p/s/old", "old");
		hw_clock_tick();
		if (hw_scene_start(&f, backend, settle_ns))
			play(&f, here, there, moves);
		hw_scene_finish(&f);
	}
}

static void files_of_a_directory_that_arrives_and_moves_on_are_old(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		if (!strcmp(hw_rig_backends[i], "polling"))
			continue; /* the next scan finds it */
		arrive(hw_rig_backends[i], 0, "p", "q");
		arrive(hw_rig_backends[i], SETTLE_NS, "p", "q");
		arrive(hw_rig_backends[i], 0, "p/s", "p/t");
		arrive(hw_rig_backends[i], SETTLE_NS, "p/s", "p/t");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_a_directory_that_arrives_and_moves_on_are_old),
	};

	return cmocka_run_group_tests_name("arriving", tests, NULL, NULL);
}
