/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recording_host.h"

enum { FIRST = 1 };

static struct rh *start(const char *interval, const char *idle_max, const char *budget)
{
	const struct hw_setting settings[] = {
		{ "interval", interval },
		{ "idle_max", idle_max },
		{ "budget", budget },
	};

	return rh_start("polling", settings, 3);
}

static void watch(struct rh *rh, hw_token token)
{
	assert_int_equal(rh->plugin->watch_dir(rh->self, token, -1), 0);
}

/* A scan that took longer than its CPU time. */
static void end_slow_scan(struct rh *rh, uint64_t elapsed_ns, uint64_t cpu_ns)
{
	struct hw_scan_result result = {
		.struct_size = sizeof(result),
		.entries = 10,
		.changes = 1,
		.elapsed_ns = elapsed_ns,
		.cpu_ns = cpu_ns,
	};

	rh->plugin->scanned(rh->self, &result);
}

static void end_scan(struct rh *rh, uint64_t changes, uint64_t elapsed_ns)
{
	struct hw_scan_result result = {
		.struct_size = sizeof(result),
		.entries = 10,
		.changes = changes,
		.elapsed_ns = elapsed_ns,
		.cpu_ns = elapsed_ns,
	};

	rh->plugin->scanned(rh->self, &result);
}

static void turn_until_scan(struct rh *rh, unsigned scans)
{
	uint64_t deadline = rh_now_ns() + RH_DEADLINE_MS * HW_MS;

	while (rh->scans < scans) {
		assert_true(rh_now_ns() < deadline);
		rh_turn(rh, 20);
	}
	assert_int_equal(rh->scans, scans);
}

static void scans_come_at_the_interval(void **state)
{
	struct rh *rh = start("20ms", "0s", "100");
	uint64_t before = rh_now_ns();

	(void)state;
	watch(rh, FIRST);
	turn_until_scan(rh, 1);
	assert_true(rh_now_ns() - before >= 20 * HW_MS);
	rh_turn(rh, 50);
	assert_int_equal(rh->scans, 1); /* the first scan has not ended */
	end_scan(rh, 0, 5 * HW_MS);
	assert_int_equal(rh->last_delay_ns, 15 * HW_MS);
	turn_until_scan(rh, 2);
	rh_destroy(rh);
}

static void nothing_is_scanned_without_directories(void **state)
{
	struct rh *rh = start("10ms", "0s", "100");

	(void)state;
	rh_turn(rh, 50);
	assert_int_equal(rh->plugin->flush(rh->self), 0);
	watch(rh, FIRST);
	watch(rh, FIRST + 1);
	rh->plugin->forget_dir(rh->self, FIRST);
	rh->plugin->forget_dir(rh->self, FIRST + 1);
	rh_turn(rh, 50);
	assert_int_equal(rh->scans, 0);
	rh_destroy(rh);
}

static void an_idle_tree_is_scanned_less_and_less_often(void **state)
{
	struct rh *rh = start("1s", "5s", "100");

	(void)state;
	watch(rh, FIRST);
	end_scan(rh, 0, 0);
	assert_int_equal(rh->last_delay_ns, 2 * HW_SEC);
	end_scan(rh, 0, 0);
	assert_int_equal(rh->last_delay_ns, 4 * HW_SEC);
	end_scan(rh, 0, 0);
	assert_int_equal(rh->last_delay_ns, 5 * HW_SEC);
	end_scan(rh, 0, 0);
	assert_int_equal(rh->last_delay_ns, 5 * HW_SEC);
	end_scan(rh, 1, 0);
	assert_int_equal(rh->last_delay_ns, 1 * HW_SEC);
	rh_destroy(rh);
}

static void without_idle_max_the_interval_stays(void **state)
{
	struct rh *rh = start("1s", "0s", "100");

	(void)state;
	watch(rh, FIRST);
	for (unsigned i = 0; i < 5; i++)
		end_scan(rh, 0, 0);
	assert_int_equal(rh->last_delay_ns, 1 * HW_SEC);
	rh_destroy(rh);
}

static void a_long_scan_keeps_to_its_share_of_the_cpu(void **state)
{
	struct rh *rh = start("1s", "0s", "10");

	(void)state;
	watch(rh, FIRST);
	end_scan(rh, 1, 50 * HW_MS);
	assert_int_equal(rh->last_delay_ns, 950 * HW_MS);
	end_scan(rh, 1, 2 * HW_SEC);
	assert_int_equal(rh->last_delay_ns, 18 * HW_SEC);
	rh_destroy(rh);
	rh = start("10ms", "0s", "100");
	watch(rh, FIRST);
	end_scan(rh, 1, 2 * HW_SEC);
	assert_int_equal(rh->last_delay_ns, HW_MS);
	rh_destroy(rh);
}

static void the_time_of_other_programs_is_not_part_of_the_budget(void **state)
{
	struct rh *rh = start("100ms", "0s", "10");

	(void)state;
	watch(rh, FIRST);
	end_slow_scan(rh, 50 * HW_MS, 50 * HW_MS);
	assert_int_equal(rh->last_delay_ns, 450 * HW_MS);
	end_slow_scan(rh, 400 * HW_MS, 50 * HW_MS);
	assert_int_equal(rh->last_delay_ns, 100 * HW_MS);
	rh_destroy(rh);
}

static void a_scan_that_was_stopped_does_not_delay_the_next_one(void **state)
{
	struct rh *rh = start("100ms", "0s", "10");

	(void)state;
	watch(rh, FIRST);
	end_slow_scan(rh, 50 * HW_MS, 50 * HW_MS);
	end_slow_scan(rh, 30 * HW_SEC, 50 * HW_MS);
	assert_int_equal(rh->last_delay_ns, HW_MS);
	end_slow_scan(rh, 50 * HW_MS, 50 * HW_MS);
	assert_int_equal(rh->last_delay_ns, 450 * HW_MS);
	rh_destroy(rh);
}

static void scans_that_wait_take_half_of_the_time(void **state)
{
	struct rh *rh = start("100ms", "0s", "10");

	(void)state;
	watch(rh, FIRST);
	for (unsigned i = 0; i < 3; i++) {
		end_slow_scan(rh, 2 * HW_SEC, 10 * HW_MS);
		assert_int_equal(rh->last_delay_ns, 2 * HW_SEC);
	}
	rh_destroy(rh);
	rh = start("100ms", "0s", "80");
	watch(rh, FIRST);
	end_slow_scan(rh, 2 * HW_SEC, 10 * HW_MS);
	assert_int_equal(rh->last_delay_ns, 500 * HW_MS);
	rh_destroy(rh);
}

static void a_host_that_does_not_measure_cpu_time_gives_the_length(void **state)
{
	struct rh *rh = start("1s", "0s", "10");
	struct hw_scan_result result = {
		.struct_size = offsetof(struct hw_scan_result, cpu_ns),
		.elapsed_ns = 2 * HW_SEC,
	};

	(void)state;
	watch(rh, FIRST);
	rh->plugin->scanned(rh->self, &result);
	assert_int_equal(rh->last_delay_ns, 18 * HW_SEC);
	rh_destroy(rh);
}

static void the_cost_is_the_period_that_a_scan_allows(void **state)
{
	struct rh *rh = start("1s", "8s", "10");
	struct hw_watcher_cost cost = {
		.struct_size = sizeof(cost),
		.scan_ns = 50 * HW_MS,
		.cpu_ns = 50 * HW_MS,
	};

	(void)state;
	rh->plugin->cost(rh->self, -1, &cost);
	assert_int_equal(cost.period_ns, HW_SEC);
	assert_int_equal(cost.idle_period_ns, 8 * HW_SEC);
	assert_int_equal(cost.per_directory, 0);
	cost.scan_ns = 300 * HW_MS;
	cost.cpu_ns = 200 * HW_MS;
	rh->plugin->cost(rh->self, -1, &cost);
	assert_int_equal(cost.period_ns, 2 * HW_SEC);
	assert_int_equal(cost.idle_period_ns, 8 * HW_SEC);
	rh_destroy(rh);
}

static void a_barrier_scans_at_once(void **state)
{
	struct rh *rh = start("1h", "0s", "10");

	(void)state;
	watch(rh, FIRST);
	assert_int_equal(rh->plugin->flush(rh->self), 1);
	assert_int_equal(rh->scans, 1);
	end_scan(rh, 0, 0);
	assert_int_equal(rh->scans, 1);
	assert_int_equal(rh->last_delay_ns, 3600 * HW_SEC);
	rh_destroy(rh);
}

static void a_barrier_during_a_scan_requests_another(void **state)
{
	struct rh *rh = start("1h", "0s", "10");

	(void)state;
	watch(rh, FIRST);
	assert_int_equal(rh->plugin->flush(rh->self), 1);
	assert_int_equal(rh->plugin->flush(rh->self), 1);
	assert_int_equal(rh->scans, 2); /* the host runs the second scan after the first */
	end_scan(rh, 0, HW_SEC);
	end_scan(rh, 0, HW_SEC);
	assert_int_equal(rh->scans, 2);
	rh_destroy(rh);
}

static void the_last_directory_leaving_ends_the_scans(void **state)
{
	struct rh *rh = start("10ms", "0s", "100");

	(void)state;
	watch(rh, FIRST);
	turn_until_scan(rh, 1);
	rh->plugin->forget_dir(rh->self, FIRST);
	end_scan(rh, 1, 0);
	rh_turn(rh, 50);
	assert_int_equal(rh->scans, 1);
	watch(rh, FIRST + 1);
	turn_until_scan(rh, 2);
	rh_destroy(rh);
}

static void an_idle_max_below_the_interval_is_refused(void **state)
{
	const struct hw_setting settings[] = { { "interval", "2s" }, { "idle_max", "1s" } };
	struct rh *rh = rh_create("polling", settings, 2);

	(void)state;
	assert_int_equal(rh_open(rh), -EINVAL);
	assert_non_null(strstr(rh->reason, "idle_max"));
	rh_destroy(rh);
}

static void every_partial_life_ends_without_a_leak(void **state)
{
	struct rh *rh = rh_create("polling", NULL, 0);

	(void)state;
	rh_destroy(rh); /* close() without open() */
	rh = rh_create("polling", NULL, 0);
	assert_int_equal(rh_open(rh), 0);
	rh_destroy(rh);
	rh = rh_create("polling", NULL, 0);
	assert_int_equal(rh_open(rh), 0);
	rh->fail_call = 1;
	assert_int_equal(rh->plugin->start(rh->self), -ENOMEM);
	rh->started = true;
	rh_destroy(rh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scans_come_at_the_interval),
		cmocka_unit_test(nothing_is_scanned_without_directories),
		cmocka_unit_test(an_idle_tree_is_scanned_less_and_less_often),
		cmocka_unit_test(without_idle_max_the_interval_stays),
		cmocka_unit_test(a_long_scan_keeps_to_its_share_of_the_cpu),
		cmocka_unit_test(the_time_of_other_programs_is_not_part_of_the_budget),
		cmocka_unit_test(a_scan_that_was_stopped_does_not_delay_the_next_one),
		cmocka_unit_test(scans_that_wait_take_half_of_the_time),
		cmocka_unit_test(a_host_that_does_not_measure_cpu_time_gives_the_length),
		cmocka_unit_test(the_cost_is_the_period_that_a_scan_allows),
		cmocka_unit_test(a_barrier_scans_at_once),
		cmocka_unit_test(a_barrier_during_a_scan_requests_another),
		cmocka_unit_test(the_last_directory_leaving_ends_the_scans),
		cmocka_unit_test(an_idle_max_below_the_interval_is_refused),
		cmocka_unit_test(every_partial_life_ends_without_a_leak),
	};

	return cmocka_run_group_tests_name("plugin polling", tests, NULL, NULL);
}
