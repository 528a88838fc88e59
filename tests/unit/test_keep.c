/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sequence numbers that a snapshot reserves: a new snapshot is written before they are used up;
 * if none can be written, the old one is removed before a number is given that is not reserved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "share_private.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_S 60

struct scene {
	char *base;
	char share[500], state[500];
	struct hw_rig *rig;
	struct hw_keep *keep;
	unsigned files;
};

static void path_in(const char *dir, const char *name, char path[600])
{
	(void)snprintf(path, 600, "%s/%s", dir, name);
}

static bool has(const struct scene *s, const char *name)
{
	char path[600];

	path_in(s->state, name, path);
	return access(path, F_OK) == 0;
}

static int64_t seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Runs the loop until a snapshot has replaced the one that had this limit. */
static void await_snapshot(struct scene *s, uint64_t limit)
{
	int64_t until = seconds() + DEADLINE_S;

	while (!s->keep->on || s->keep->writer || s->keep->limit <= limit) {
		assert_true(seconds() < until);
		s->keep->retry_ns = 0; /* not 10 seconds after a failure */
		hw_rig_turn(s->rig, 10);
	}
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	const char *why = "";

	assert_non_null(s);
	s->base = hw_scratch_create("/tmp");
	assert_non_null(s->base);
	(void)snprintf(s->share, sizeof(s->share), "%s/share", s->base);
	(void)snprintf(s->state, sizeof(s->state), "%s/state", s->base);
	assert_int_equal(mkdir(s->share, 0755), 0);
	assert_int_equal(mkdir(s->state, 0700), 0);
	const struct hw_rig_config config = {
		.backend = "inotify",
		.root = s->share,
		.state_dir = s->state,
	};

	assert_int_equal(hw_rig_start(&config, &s->rig, &why), 0);
	s->keep = &hw_rig_share(s->rig)->keep;
	await_snapshot(s, 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	hw_rig_stop(s->rig);
	hw_scratch_remove(s->base);
	free(s);
	return 0;
}

static void make_files(struct scene *s, unsigned count)
{
	while (count--) {
		char name[20], path[600];

		(void)snprintf(name, sizeof(name), "f%u", s->files++);
		path_in(s->share, name, path);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
		(void)close(fd);
	}
	assert_int_equal(hw_rig_flush(s->rig), 0);
}

static void numbers_are_reserved_in_time(void **state)
{
	struct scene *s = *state;

	s->keep->block = 1000;
	s->keep->limit = hw_share_seq(hw_rig_share(s->rig)) + s->keep->block;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t limit = s->keep->limit;

		make_files(s, 300);
		await_snapshot(s, limit);
		assert_true(has(s, "test.open"));
	}
}

static void numbers_that_are_not_reserved_are_not_given(void **state)
{
	struct scene *s = *state;
	struct hw_share *share = hw_rig_share(s->rig);
	char obstacle[600];

	path_in(s->state, "test.open.new", obstacle);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	s->keep->block = 100;
	s->keep->limit = hw_share_seq(share) + s->keep->block;
	assert_true(has(s, "test.open"));
	make_files(s, 300);
	assert_false(has(s, "test.open"));
	assert_int_equal(s->keep->limit, 0);
	assert_false(s->keep->on);
	assert_true(hw_share_seq(share) >= 300); /* receivers do not wait */
	assert_int_equal(rmdir(obstacle), 0);
	await_snapshot(s, 0);
	assert_true(has(s, "test.open"));
}

static void receivers_wait_while_the_old_state_cannot_be_removed(void **state)
{
	struct scene *s = *state;
	struct hw_share *share = hw_rig_share(s->rig);
	char obstacle[600], old[600];
	uint64_t limit = hw_share_seq(share) + 100;

	path_in(s->state, "test.open.new", obstacle);
	path_in(s->state, "test.open", old);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_int_equal(unlink(old), 0);
	assert_int_equal(mkdir(old, 0700), 0);
	s->keep->block = 100;
	s->keep->limit = limit;
	make_files(s, 300);
	assert_int_equal(s->keep->limit, limit);
	assert_int_equal(hw_share_seq(share), limit - 1);
	assert_int_equal(rmdir(obstacle), 0);
	assert_int_equal(rmdir(old), 0);
	await_snapshot(s, limit);
	assert_true(hw_share_seq(share) >= 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_are_reserved_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_that_are_not_reserved_are_not_given, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			receivers_wait_while_the_old_state_cannot_be_removed, setup, teardown),
	};

	return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
