/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* More changes than the kernel's queue holds while the loop does not run: the stream must still end
 * at the state on disk. */
#include "tests/common/flood.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define QUEUE_TEXT "256"
#define DIRS 60u
#define FILES 100u

/* Reads a one-line sysctl. */
static int read_limit(const char *path, char *text, size_t size)
{
	FILE *in = fopen(path, "re");

	if (!in)
		return -errno;
	char *line = fgets(text, (int)size, in);
	(void)fclose(in); /* only read */
	return line ? 0 : -EIO;
}

static int write_limit(const char *path, const char *text)
{
	FILE *out = fopen(path, "we");

	if (!out)
		return -errno;
	fputs(text, out);
	return fclose(out) ? -errno : 0;
}

/* The kernel reads the limit when a group is created, so the limit is lowered only during the
 * start. */
static int start_with_short_queue(const char *backend, const struct hw_rig_config *config,
				  struct hw_rig **ret)
{
	char path[64], before[32];
	const char *why = "";

	(void)snprintf(path, sizeof(path), "/proc/sys/fs/%s/max_queued_events", backend);
	if (read_limit(path, before, sizeof(before)) || write_limit(path, QUEUE_TEXT)) {
		print_message("%s: cannot be lowered without root\n", path);
		return -EOPNOTSUPP;
	}
	int r = hw_rig_start(config, ret, &why);
	if (write_limit(path, before))
		print_error("%s: not restored to %s\n", path, before);
	if (r)
		print_message("%s: %s\n", backend, why);
	return r;
}

static void replay(struct hw_rig *rig, struct hw_model *model)
{
	struct hw_event event;
	char why[160] = "";
	int r;

	while ((r = hw_rig_next(rig, &event)) > 0)
		if (hw_model_apply(model, &event, why, sizeof(why)))
			fail_msg("kind %u %.*s: %s", event.kind, (int)event.path_len, event.path,
				 why);
	assert_int_equal(r, 0);
}

static void compare(struct hw_model *model, const char *root)
{
	struct hw_model *truth;

	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, root), 0);
	size_t differences = hw_model_compare(model, truth, stderr);
	hw_model_destroy(truth);
	assert_int_equal(differences, 0);
	assert_int_equal(hw_model_check_beliefs(model, stderr), 0);
	/* The changes must be reported as exact events, not as a rescan. */
	assert_int_equal(hw_model_rescans(model), 0);
}

static void flood(struct hw_rig *rig, const char *root)
{
	struct hw_share_status status;
	struct hw_model *model;

	assert_int_equal(hw_model_create(&model), 0);
	hw_model_look(model, root);
	assert_int_equal(hw_rig_snapshot(rig, model), 0);
	assert_int_equal(hw_flood_wide(root, DIRS, FILES), 0);
	hw_clock_tick();
	assert_int_equal(hw_rig_flush(rig), 0);
	replay(rig, model);
	compare(model, root);
	hw_share_get_status(hw_rig_share(rig), &status);
	assert_true(status.overflows > 0);
	/* Directories that appeared during the loss must be watched. */
	assert_int_equal(hw_flood_deep(root, 1), 0);
	hw_clock_tick();
	assert_int_equal(hw_rig_flush(rig), 0);
	assert_int_equal(hw_rig_unwatched(rig), 0);
	replay(rig, model);
	compare(model, root);
	hw_model_destroy(model);
}

static void stream_after_overflow_replays_to_the_disk(void **state)
{
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);

	for (unsigned i = 0; i < places; i++) {
		char *root = hw_scratch_create(place[i].path);
		const struct hw_rig_config config = { .backend = *state, .root = root };
		struct hw_rig *rig;

		assert_non_null(root);
		assert_int_equal(hw_flood_prepare(root, DIRS), 0);
		int r = start_with_short_queue(*state, &config, &rig);
		if (r == -EOPNOTSUPP) {
			hw_scratch_remove(root);
			skip();
		}
		assert_int_equal(r, 0);
		flood(rig, root);
		hw_rig_stop(rig);
		hw_scratch_remove(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "overflow/inotify", stream_after_overflow_replays_to_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "overflow/fanotify", stream_after_overflow_replays_to_the_disk, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
	};

	return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
