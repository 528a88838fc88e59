/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The limit of log lines that others can cause. */
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND_NS UINT64_C(1000000000)

static unsigned lines;
static char last[4096];

static void count_line(const char *line)
{
	lines++;
	(void)snprintf(last, sizeof(last), "%s", line);
}

static int start_counting(void **state)
{
	(void)state;
	hw_log_set_level(HW_LOG_INFO);
	hw_log_set_fn(count_line);
	lines = 0;
	return 0;
}

static int stop_counting(void **state)
{
	(void)state;
	hw_log_set_fn(NULL);
	return 0;
}

static void a_burst_is_cut_and_counted(void **state)
{
	struct hw_log_limit limit = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		hw_log_limited(&limit, 5 * SECOND_NS, HW_LOG_WARNING, "line %u", i);
	assert_int_equal(lines, HW_LOG_BURST);
	assert_non_null(strstr(last, "line 19"));
	hw_log_limited(&limit, 6 * SECOND_NS, HW_LOG_INFO, "later");
	assert_int_equal(lines, HW_LOG_BURST + 1);
	assert_non_null(strstr(last, "later (980 lines suppressed before this one)"));
	hw_log_limited(&limit, 6 * SECOND_NS, HW_LOG_INFO, "once more");
	assert_int_equal(lines, HW_LOG_BURST + 2);
	assert_null(strstr(last, "suppressed"));
	hw_log_limited(&limit, 6 * SECOND_NS, HW_LOG_INFO, "too many");
	assert_int_equal(lines, HW_LOG_BURST + 2);
}

static void a_steady_rate_passes(void **state)
{
	struct hw_log_limit limit = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		hw_log_limited(&limit, i * SECOND_NS / HW_LOG_PER_SECOND, HW_LOG_INFO, "line");
	assert_int_equal(lines, 1000);
}

static void errors_pass_and_lines_of_other_levels_do_not_count(void **state)
{
	struct hw_log_limit limit = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		hw_log_limited(&limit, SECOND_NS, HW_LOG_DEBUG, "hidden");
	assert_int_equal(lines, 0);
	for (unsigned i = 0; i < 100; i++)
		hw_log_limited(&limit, SECOND_NS, HW_LOG_INFO, "line");
	assert_int_equal(lines, HW_LOG_BURST);
	hw_log_limited(&limit, SECOND_NS, HW_LOG_ERROR, "broken");
	assert_int_equal(lines, HW_LOG_BURST + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_counting, stop_counting)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_burst_is_cut_and_counted),
		TEST(a_steady_rate_passes),
		TEST(errors_pass_and_lines_of_other_levels_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
