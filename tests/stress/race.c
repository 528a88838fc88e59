/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories are made and filled faster than they can be watched: every entry must be reported
 * exactly once. */
#include "tests/common/flood.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS 1000u
#define DEADLINE_NS (120 * INT64_C(1000000000))

struct count {
	struct hw_model *model;
	unsigned creates;
};

static void replay(struct hw_rig *rig, struct count *count)
{
	struct hw_event event;
	char why[160] = "";
	int r;

	while ((r = hw_rig_next(rig, &event)) > 0) {
		if (hw_model_apply(count->model, &event, why, sizeof(why)))
			fail_msg("%.*s: %s", (int)event.path_len, event.path, why);
		count->creates += event.kind == HW_CREATE;
	}
	assert_int_equal(r, 0);
}

static void follow(struct hw_rig *rig, pid_t writer, struct count *count)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	int status = 0;

	while (!waitpid(writer, &status, WNOHANG)) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(rig, 5);
		replay(rig, count);
	}
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	hw_clock_tick();
	assert_int_equal(hw_rig_flush(rig), 0);
	assert_int_equal(hw_rig_unwatched(rig), 0);
	replay(rig, count);
}

static void compare(struct count *count, const char *root)
{
	struct hw_model *truth;

	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, root), 0);
	size_t differences = hw_model_compare(count->model, truth, stderr);
	hw_model_destroy(truth);
	assert_int_equal(differences, 0);
	assert_int_equal(count->creates, ROUNDS * HW_FLOOD_ROUND_ENTRIES);
	assert_int_equal(hw_model_rescans(count->model), 0);
}

static void race(const char *backend, const char *root)
{
	const struct hw_rig_config config = {
		.backend = backend,
		.root = root,
		.interval_ns = strcmp(backend, "polling") ? 0 : 20 * HW_MS,
	};
	struct count count = { 0 };
	struct hw_rig *rig;
	const char *why;
	int r = hw_rig_start(&config, &rig, &why);

	if (r == -EOPNOTSUPP) {
		print_message("%s: %s\n", backend, why);
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(hw_model_create(&count.model), 0);
	pid_t writer = fork();
	if (!writer)
		_exit(hw_flood_deep(root, ROUNDS) ? 1 : 0);
	assert_true(writer > 0);
	follow(rig, writer, &count);
	compare(&count, root);
	hw_rig_stop(rig);
	hw_model_destroy(count.model);
}

static void every_entry_is_told_once(void **state)
{
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);

	for (unsigned i = 0; i < places; i++) {
		char *root = hw_scratch_create(place[i].path);

		assert_non_null(root);
		race(*state, root);
		hw_scratch_remove(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "recursion_race/inotify", every_entry_is_told_once, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "recursion_race/fanotify", every_entry_is_told_once, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "recursion_race/fanotify-inode", every_entry_is_told_once, NULL, NULL,
		  (void *)(uintptr_t) "fanotify-inode" },
		{ "recursion_race/polling", every_entry_is_told_once, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
	};

	return cmocka_run_group_tests_name("recursion race", tests, NULL, NULL);
}
