/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service scan(): for each watcher, at most one scan runs and one waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_NS (60 * INT64_C(1000000000))

static void turn_until_scans(struct hw_scene *f, unsigned scans)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	while (hw_puppet.scans < scans) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
	assert_int_equal(hw_puppet.scans, scans);
}

/* A barrier does not need a scan of a puppet: remaining scans would end before it. */
static void expect_no_scan(struct hw_scene *f)
{
	unsigned scans = hw_puppet.scans;

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_puppet.scans, scans);
}

static void prepare(struct hw_scene *f)
{
	hw_scene_prepare(f);
	hw_scene_make_dir(f->fd, "a");
	hw_scene_make_dir(f->fd, "b");
}

static void one_scan_runs_and_one_waits(void **state)
{
	struct hw_scene f;

	(void)state;
	prepare(&f);
	hw_puppet_start(&f, 0, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	turn_until_scans(&f, 2);
	expect_no_scan(&f);
	assert_int_equal(hw_puppet.scans_in_call, 0);
	hw_scene_finish(&f);
}

static void a_waiting_scan_sees_what_the_running_one_has_passed(void **state)
{
	struct hw_scene f;

	(void)state;
	prepare(&f);
	hw_puppet_start(&f, 0, 0);
	assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	hw_scene_make_dir(f.fd, "c");
	assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	turn_until_scans(&f, 2);
	hw_scene_expect(&f, "create dir c");
	hw_scene_finish(&f);
}

static void waiting_scans_of_two_directories_become_one_of_all(void **state)
{
	struct hw_scene f;

	(void)state;
	prepare(&f);
	hw_puppet_start(&f, 0, 0);
	assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	assert_int_equal(hw_puppet_scan(hw_puppet_dir(&f, "a")), 0);
	assert_int_equal(hw_puppet_scan(hw_puppet_dir(&f, "a")), 0);
	turn_until_scans(&f, 2);
	assert_int_equal(hw_puppet.entries, 0); /* directory a is empty */
	assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	assert_int_equal(hw_puppet_scan(hw_puppet_dir(&f, "a")), 0);
	assert_int_equal(hw_puppet_scan(hw_puppet_dir(&f, "b")), 0);
	turn_until_scans(&f, 4);
	assert_int_equal(hw_puppet.entries, 2);
	expect_no_scan(&f);
	hw_scene_finish(&f);
}

static void a_scan_of_a_directory_that_left_ends_without_entries(void **state)
{
	struct hw_scene f;

	(void)state;
	prepare(&f);
	hw_puppet_start(&f, 0, 0);
	hw_token a = hw_puppet_dir(&f, "a");

	assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	assert_int_equal(hw_puppet_scan(a), 0);
	assert_int_equal(unlinkat(f.fd, "a", AT_REMOVEDIR), 0);
	hw_puppet_hint(&f, HW_HINT_DELETED, "", "a");
	turn_until_scans(&f, 2);
	assert_int_equal(hw_puppet.entries, 0);
	assert_int_equal(hw_puppet_scan(a), -ENOENT);
	expect_no_scan(&f);
	hw_scene_finish(&f);
}

static uint64_t cpu_of_process_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

/* Nothing else uses CPU time here: most of what the process uses is the scan's. */
static void the_cpu_time_of_a_scan_is_that_of_all_threads(void **state)
{
	struct hw_scene f;
	uint64_t begun, used;
	char name[16];

	(void)state;
	prepare(&f);
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "a/%u", i);
		hw_scene_write(f.fd, name, "1");
	}
	hw_puppet_start(&f, 0, 0);
	begun = cpu_of_process_ns();
	assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	turn_until_scans(&f, 1);
	used = cpu_of_process_ns() - begun;
	assert_int_equal(hw_puppet.entries, 5002);
	assert_in_range(hw_puppet.cpu_ns, used / 2, used);
	hw_scene_finish(&f);
}

/* As while a signal has stopped the program, or others use the CPU. */
static void time_that_passes_is_not_cpu_time(void **state)
{
	const int pause_ms = 100;
	struct hw_scene f;

	(void)state;
	prepare(&f);
	hw_puppet_start(&f, 0, 0);
	assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	assert_int_equal(poll(NULL, 0, pause_ms), 0);
	turn_until_scans(&f, 1);
	assert_true(hw_puppet.elapsed_ns >= (uint64_t)pause_ms * HW_MS);
	assert_in_range(hw_puppet.cpu_ns, 1, hw_puppet.elapsed_ns / 4);
	hw_scene_finish(&f);
}

static void a_scan_requested_while_arming_runs_afterwards(void **state)
{
	struct hw_scene f;

	(void)state;
	prepare(&f);
	hw_puppet.scan_early = true;
	hw_puppet_start(&f, 0, 0);
	assert_int_equal(hw_puppet.early, 0);
	turn_until_scans(&f, 1);
	assert_int_equal(hw_puppet.entries, 2);
	expect_no_scan(&f);
	hw_scene_finish(&f);
}

static void a_scan_requested_while_offline_runs_when_the_root_is_back(void **state)
{
	struct hw_scene f;

	(void)state;
	prepare(&f);
	hw_puppet_start(&f, 0, 0);
	hw_scene_move(f.top, "root", f.top, "away");
	assert_int_equal(hw_rig_flush(f.rig), 0);
	assert_int_equal(hw_share_state(hw_rig_share(f.rig)), HW_SHARE_OFFLINE);
	assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
	expect_no_scan(&f);
	hw_scene_move(f.top, "away", f.top, "root");
	assert_int_equal(hw_rig_flush(f.rig), 0);
	turn_until_scans(&f, 1);
	hw_scene_finish(&f);
}

static void a_barrier_waits_for_the_scan_that_flush_requested(void **state)
{
	struct hw_scene f;

	(void)state;
	prepare(&f);
	hw_puppet_start(&f, 0, 0);
	hw_puppet.scan_in_flush = true;
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(hw_puppet_scan(HW_NO_DIR), 0);
		assert_int_equal(hw_rig_flush(f.rig), 0);
		assert_int_equal(hw_puppet.scans, 2 * i);
	}
	hw_scene_finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_scan_runs_and_one_waits),
		cmocka_unit_test(a_waiting_scan_sees_what_the_running_one_has_passed),
		cmocka_unit_test(waiting_scans_of_two_directories_become_one_of_all),
		cmocka_unit_test(a_scan_of_a_directory_that_left_ends_without_entries),
		cmocka_unit_test(the_cpu_time_of_a_scan_is_that_of_all_threads),
		cmocka_unit_test(time_that_passes_is_not_cpu_time),
		cmocka_unit_test(a_scan_requested_while_arming_runs_afterwards),
		cmocka_unit_test(a_scan_requested_while_offline_runs_when_the_root_is_back),
		cmocka_unit_test(a_barrier_waits_for_the_scan_that_flush_requested),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
