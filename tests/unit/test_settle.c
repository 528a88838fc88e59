/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a settle window reports files whose hints are read late: as created or as moved in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include "share_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_NS (60 * INT64_C(1000000000))

struct fixture {
	char *path; /* of the scratch directory: "root" is shared, "outside" is not */
	int root, outside;
	struct hw_rig *rig;
};

static int make_dir(const char *base, const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	assert_int_equal(mkdir(path, 0755), 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool start(struct fixture *f, const char *backend)
{
	unsigned count;
	char root[4096];
	const char *why = "";

	f->path = hw_scratch_create(hw_scratch_places(&count)->path);
	assert_non_null(f->path);
	f->root = make_dir(f->path, "root");
	f->outside = make_dir(f->path, "outside");
	(void)snprintf(root, sizeof(root), "%s/root", f->path);
	const struct hw_rig_config config = {
		.backend = backend,
		.root = root,
		.settle_ns = HW_MS,
	};

	hw_clock_tick();
	int r = hw_rig_start(&config, &f->rig, &why);
	if (r == -EOPNOTSUPP) {
		print_message("%s: %s\n", backend, why);
		return false;
	}
	assert_int_equal(r, 0);
	hw_clock_tick();
	return true;
}

static void finish(struct fixture *f)
{
	hw_rig_stop(f->rig);
	assert_int_equal(close(f->root), 0);
	assert_int_equal(close(f->outside), 0);
	hw_scratch_remove(f->path);
}

/* Waits until the hint is read, or an event is reported. */
static void wait_for_hint(struct fixture *f)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	struct hw_share *share = hw_rig_share(f->rig);

	while (!share->unverified.names.count && !hw_share_seq(share)) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
}

static void expect(struct fixture *f, const char *text)
{
	struct hw_event event;

	assert_int_equal(hw_rig_next(f->rig, &event), 1);
	char *got = hw_notation_text(&event);

	assert_string_equal(got, text);
	free(got);
}

static void make_fifo(int dir, const char *name)
{
	assert_int_equal(mkfifoat(dir, name, 0644), 0);
}

/* The window ends while the hint about the second file is in the kernel's queue. */
static void what_is_made_as_a_window_ends_is_made(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS - 1; i++) {
		struct fixture f = { 0 };

		if (start(&f, hw_rig_backends[i])) {
			make_fifo(f.root, "first");
			wait_for_hint(&f);
			make_fifo(f.root, "second");
			hw_clock_tick();
			assert_int_equal(hw_rig_flush(f.rig), 0);
			expect(&f, "create other first");
			expect(&f, "create other second");
		}
		finish(&f);
	}
}

static void wait_for_event(struct fixture *f, uint64_t seq)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	while (hw_share_seq(hw_rig_share(f->rig)) < seq) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
}

/* Like the previous test, between two scans. */
static void what_is_made_behind_a_scan_is_made(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	assert_true(start(&f, "polling"));
	struct hw_watcher *polling = &hw_rig_share(f.rig)->watchers.list[0];

	make_fifo(f.root, "first");
	assert_int_equal(hw_watcher_scan(polling, HW_NO_DIR), 0);
	wait_for_hint(&f);
	make_fifo(f.root, "second");
	hw_clock_tick();
	wait_for_event(&f, 1);
	assert_int_equal(hw_watcher_scan(polling, HW_NO_DIR), 0);
	wait_for_event(&f, 2);
	expect(&f, "create other first");
	expect(&f, "create other second");
	finish(&f);
}

/* The file was made after the last observation of the share, but outside it and long ago. */
static void what_comes_from_outside_is_moved_in(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HW_RIG_BACKENDS - 1; i++) {
		struct fixture f = { 0 };

		if (start(&f, hw_rig_backends[i])) {
			make_fifo(f.outside, "a");
			hw_rig_share(f.rig)->turn.ended_ns =
				hw_now_coarse_ns() + (int64_t)(2 * HW_SEC);
			assert_int_equal(renameat(f.outside, "a", f.root, "b"), 0);
			make_fifo(f.root, "c");
			assert_int_equal(hw_rig_flush(f.rig), 0);
			expect(&f, "move other -> b");
			expect(&f, "create other c");
		}
		finish(&f);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_as_a_window_ends_is_made),
		cmocka_unit_test(what_is_made_behind_a_scan_is_made),
		cmocka_unit_test(what_comes_from_outside_is_moved_in),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
