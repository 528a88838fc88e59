/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A share that continues with its state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/model.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/scene.h"

#include <limits.h>
#include <stdio.h>

static bool start(struct hw_scene *f, const char *backend)
{
	char state[PATH_MAX + 8];
	const struct hw_rig_config config = { .backend = backend, .state_dir = state };

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_event_is_merged_with_one_of_the_last_run),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
