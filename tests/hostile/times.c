/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File times that no clock returns. */
#include "support/fixture.h"

#include "tests/common/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
	const char *name;
	time_t seconds;
	long nanoseconds;
} times[] = {
	{ "epoch", 0, 0 },
	{ "before", -1, 999999999 },
	{ "1901", -2147483648, 0 },
	{ "2038", 2147483648, 0 },
	{ "2262", 9223372036, 854775807 }, /* the last time that 64 bits of nanoseconds hold */
	{ "2446", 15032385535, 0 }, /* the last second of ext4 */
	{ "year-1", -62135596800, 1 },
	{ "tomorrow", 0, 0 },
};
#define TIMES (sizeof(times) / sizeof(times[0]))

static void set_time(const char *path, unsigned which)
{
	time_t seconds = times[which].seconds;

	if (strcmp(times[which].name, "tomorrow") == 0)
		seconds = (time_t)(hw_clock_realtime_ns() / 1000000000) + 86400;
	struct timespec both[2] = {
		{ seconds, times[which].nanoseconds },
		{ seconds, times[which].nanoseconds },
	};

	/* The filesystem clamps or rounds times that it cannot store. */
	assert_int_equal(utimensat(AT_FDCWD, path, both, 0), 0);
}

static void append(const char *path)
{
	FILE *file = fopen(path, "ae");

	assert_non_null(file);
	assert_true(fputs("more", file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void files_with_odd_times_are_told_like_others(void **state)
{
	struct fixture *f = *state;

	world_mkdir(world_path(f->root, "dir"));
	for (unsigned i = 0; i < TIMES; i++) {
		world_write(world_path(f->root, "old-%s", times[i].name), "x");
		set_time(world_path(f->root, "old-%s", times[i].name), i);
	}
	set_time(world_path(f->root, "dir"), 1);
	fixture_watch(f, NULL, NULL);
	for (unsigned i = 0; i < TIMES; i++) {
		char *old = strdup(world_path(f->root, "old-%s", times[i].name));

		/* Create a file with this time, write to an old one, set its time again, rename
		 * it. */
		world_write(world_path(f->root, "new-%s", times[i].name), "x");
		set_time(world_path(f->root, "new-%s", times[i].name), i);
		fixture_expect_event(f, HW_CLOSE_WRITE,
				     world_path("", "new-%s", times[i].name) + 1);
		append(old);
		fixture_expect_event(f, HW_CLOSE_WRITE,
				     world_path("", "old-%s", times[i].name) + 1);
		set_time(old, i);
		fixture_expect_event(f, HW_CLOSE_WRITE,
				     world_path("", "old-%s", times[i].name) + 1);
		assert_int_equal(rename(old, world_path(f->root, "dir/old-%s", times[i].name)), 0);
		fixture_expect_event(f, HW_MOVE, world_path("", "dir/old-%s", times[i].name) + 1);
		free(old);
	}
	fixture_expect_equal(f);
	assert_int_equal(hw_model_rescans(f->replay.told), 0);
	assert_int_equal(fixture_end(f), 0);
}

/* The origin of an entry must not be derived from its times. */
static void directories_with_odd_times_are_listed(void **state)
{
	struct fixture *f = *state;

	fixture_watch(f, NULL, NULL);
	for (unsigned i = 0; i < TIMES; i++) {
		char *dir = strdup(world_path(f->root, "%s", times[i].name));

		world_mkdir(dir);
		world_write(world_path(dir, "file"), "x");
		world_mkdir(world_path(dir, "below"));
		set_time(world_path(dir, "file"), i);
		set_time(world_path(dir, "below"), i);
		set_time(dir, i);
		fixture_expect_equal(f);
		world_write(world_path(dir, "below/after"), "x");
		set_time(world_path(dir, "below"), i);
		fixture_expect_equal(f);
		free(dir);
	}
	assert_int_equal(fixture_end(f), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST_EACH(files_with_odd_times_are_told_like_others),
		HOSTILE_TEST_EACH(directories_with_odd_times_are_listed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("times", tests, NULL, NULL);
}
