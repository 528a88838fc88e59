/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/plugin/sized.h"
#include "tests/abi/edge.h"

struct first {
	uint32_t struct_size;
	uint32_t a;
	uint64_t b;
};
struct second {
	uint32_t struct_size;
	uint32_t a;
	uint64_t b;
	uint64_t c[4];
};

static void only_sizes_that_can_be_meant_are_valid(void **state)
{
	struct first first = { 0 };

	(void)state;
	assert_false(hw_sized_is_valid(&first, sizeof(first)));
	first.struct_size = sizeof(first) - 1;
	assert_false(hw_sized_is_valid(&first, sizeof(first)));
	first.struct_size = sizeof(first);
	assert_true(hw_sized_is_valid(&first, sizeof(first)));
	first.struct_size = HW_SIZED_MAX;
	assert_true(hw_sized_is_valid(&first, sizeof(first)));
	first.struct_size = HW_SIZED_MAX + 1;
	assert_false(hw_sized_is_valid(&first, sizeof(first)));
	first.struct_size = UINT32_MAX;
	assert_false(hw_sized_is_valid(&first, sizeof(first)));
}

static void an_older_structure_is_read_to_its_end_and_no_further(void **state)
{
	struct first *first = edge_alloc(sizeof(*first));
	struct second second;

	(void)state;
	assert_non_null(first);
	memset(&second, 0xff, sizeof(second));
	first->a = 1;
	first->b = 2;
	hw_sized_read(&second, sizeof(second), first);
	assert_int_equal(second.struct_size, sizeof(second));
	assert_int_equal(second.a, 1);
	assert_int_equal(second.b, 2);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(second.c[i], 0);
	edge_free(first);
}

static void an_older_structure_is_written_to_its_end_and_no_further(void **state)
{
	const struct second second = { sizeof(second), 1, 2, { 3, 3, 3, 3 } };
	struct first *first = edge_alloc(sizeof(*first));

	(void)state;
	assert_non_null(first);
	hw_sized_write(first, &second, sizeof(second));
	assert_int_equal(first->struct_size, sizeof(*first));
	assert_int_equal(first->a, 1);
	assert_int_equal(first->b, 2);
	edge_free(first);
}

static void of_a_newer_structure_the_unknown_part_is_zeroed(void **state)
{
	struct first *first = edge_alloc(sizeof(*first));
	struct second *second = edge_alloc(sizeof(*second));

	(void)state;
	assert_non_null(first);
	assert_non_null(second);
	assert_false(hw_sized_rest_is_zero(second, sizeof(*first)));
	first->a = 1;
	first->b = 2;
	hw_sized_write(second, first, sizeof(*first));
	assert_int_equal(second->struct_size, sizeof(*second));
	assert_int_equal(second->a, 1);
	assert_int_equal(second->b, 2);
	assert_true(hw_sized_rest_is_zero(second, sizeof(*first)));
	second->a = 3;
	hw_sized_read(first, sizeof(*first), second);
	assert_int_equal(first->struct_size, sizeof(*first));
	assert_int_equal(first->a, 3);
	edge_free(first);
	edge_free(second);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_sizes_that_can_be_meant_are_valid),
		cmocka_unit_test(an_older_structure_is_read_to_its_end_and_no_further),
		cmocka_unit_test(an_older_structure_is_written_to_its_end_and_no_further),
		cmocka_unit_test(of_a_newer_structure_the_unknown_part_is_zeroed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
