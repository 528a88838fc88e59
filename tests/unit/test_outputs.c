/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the names that a command writes from the times of their changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/outputs.h"

#include <stdio.h>

static void a_name_that_appears_is_its_own(void **state)
{
	struct hw_outputs outputs = { 0 };

	(void)state;
	hw_outputs_begin(&outputs);
	assert_true(hw_outputs_changed(&outputs, "new", true));
	assert_true(hw_outputs_changed(&outputs, "new", false));
	hw_outputs_begin(&outputs);
	assert_true(hw_outputs_changed(&outputs, "new", false));
	hw_outputs_changed_outside(&outputs, "new");
	assert_true(hw_outputs_changed(&outputs, "new", false));
	hw_outputs_free(&outputs);
}

/* Like a save by an editor: the old name disappears for a moment. */
static void a_name_that_was_there_does_not_appear(void **state)
{
	struct hw_outputs outputs = { 0 };

	(void)state;
	hw_outputs_begin(&outputs);
	assert_false(hw_outputs_changed(&outputs, "old", false));
	assert_false(hw_outputs_changed(&outputs, "old", true));
	hw_outputs_free(&outputs);
}

static void three_runs_make_an_old_name_its_own(void **state)
{
	struct hw_outputs outputs = { 0 };

	(void)state;
	for (unsigned run = 1; run < HW_OUTPUTS_RUNS; run++) {
		hw_outputs_begin(&outputs);
		assert_false(hw_outputs_changed(&outputs, "old", false));
		assert_false(hw_outputs_changed(&outputs, "old", false));
	}
	hw_outputs_begin(&outputs);
	assert_true(hw_outputs_changed(&outputs, "old", false));
	hw_outputs_free(&outputs);
}

static void a_change_between_runs_begins_anew(void **state)
{
	struct hw_outputs outputs = { 0 };

	(void)state;
	for (unsigned run = 0; run < 10 * HW_OUTPUTS_RUNS; run++) {
		hw_outputs_begin(&outputs);
		assert_false(hw_outputs_changed(&outputs, "source", false));
		hw_outputs_changed_outside(&outputs, "source");
	}
	hw_outputs_free(&outputs);
}

static void beyond_the_limit_all_names_are_forgotten(void **state)
{
	struct hw_outputs outputs = { 0 };
	char name[32];

	(void)state;
	hw_outputs_begin(&outputs);
	for (unsigned i = 0; i < HW_OUTPUTS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		assert_true(hw_outputs_changed(&outputs, name, true));
	}
	assert_int_equal(outputs.names.count, HW_OUTPUTS_MAX);
	assert_true(hw_outputs_changed(&outputs, "one more", true));
	assert_int_equal(outputs.names.count, 1);
	assert_false(hw_outputs_changed(&outputs, "0", false));
	hw_outputs_free(&outputs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_appears_is_its_own),
		cmocka_unit_test(a_name_that_was_there_does_not_appear),
		cmocka_unit_test(three_runs_make_an_old_name_its_own),
		cmocka_unit_test(a_change_between_runs_begins_anew),
		cmocka_unit_test(beyond_the_limit_all_names_are_forgotten),
	};

	return cmocka_run_group_tests_name("outputs", tests, NULL, NULL);
}
