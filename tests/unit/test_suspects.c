/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of unverified names: each name once, with all hints about it merged, and no more names
 * than the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "suspects.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int add(struct hw_suspects *suspects, hw_token dir, const char *name, uint32_t what)
{
	return hw_suspects_add(suspects, dir, name, strlen(name), what, 0);
}

static void a_name_is_suspected_once_with_all_hints(void **state)
{
	struct hw_suspects suspects = { 0 };

	(void)state;
	assert_int_equal(add(&suspects, 2, "b", HW_HINT_CREATED), 0);
	assert_int_equal(add(&suspects, 2, "a", HW_HINT_CREATED), 0);
	assert_int_equal(add(&suspects, 1, "b", HW_HINT_DELETED), 0);
	assert_int_equal(add(&suspects, 2, "b", HW_HINT_MODIFIED), 0);
	assert_int_equal(add(&suspects, 2, "ba", 0), 0);
	hw_suspects_compact(&suspects);
	assert_int_equal(suspects.count, 4);
	for (uint32_t i = 1; i < suspects.count; i++) {
		const struct hw_suspect *x = &suspects.list[i - 1], *y = &suspects.list[i];

		assert_true(x->dir < y->dir || (x->dir == y->dir && x->name_len <= y->name_len));
	}
	assert_int_equal(suspects.list[2].what, HW_HINT_CREATED | HW_HINT_MODIFIED);
	assert_memory_equal(hw_suspects_name(&suspects, &suspects.list[3]), "ba", 2);
	hw_suspects_clear(&suspects);
	assert_int_equal(suspects.count, 0);
	assert_int_equal(add(&suspects, 1, "again", 0), 0);
	hw_suspects_free(&suspects);
}

static void data_of_two_inodes_under_one_name_is_nobodys(void **state)
{
	struct hw_suspects suspects = { 0 };

	(void)state;
	assert_int_equal(hw_suspects_add(&suspects, 1, "a", 1, HW_HINT_MODIFIED, 7), 0);
	assert_int_equal(hw_suspects_add(&suspects, 1, "a", 1, HW_HINT_CREATED, 8), 0);
	assert_int_equal(hw_suspects_add(&suspects, 1, "b", 1, HW_HINT_MODIFIED, 7), 0);
	assert_int_equal(hw_suspects_add(&suspects, 1, "b", 1, HW_HINT_ATTRIB, 0), 0);
	hw_suspects_compact(&suspects);
	assert_int_equal(suspects.count, 2);
	assert_int_equal(suspects.list[0].what, HW_HINT_CREATED);
	assert_int_equal(suspects.list[1].what, HW_HINT_MODIFIED | HW_HINT_ATTRIB);
	assert_int_equal(suspects.list[1].inode, 7);
	hw_suspects_free(&suspects);
}

static void many_hints_about_few_names_stay_few(void **state)
{
	struct hw_suspects suspects = { 0 };
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 3000000; i++) {
		snprintf(name, sizeof(name), "n%u", i % 100);
		assert_int_equal(add(&suspects, i % 3 + 1, name, HW_HINT_MODIFIED), 0);
	}
	assert_true(suspects.room <= 4096);
	assert_true(hw_names_bytes(&suspects.names) < (2u << 20));
	hw_suspects_compact(&suspects);
	assert_int_equal(suspects.count, 300);
	hw_suspects_free(&suspects);
}

static void more_names_than_the_limit_are_refused(void **state)
{
	struct hw_suspects suspects = { 0 };
	char name[16];
	uint32_t i = 0;
	int r = 0;

	(void)state;
	for (; r == 0 && i <= HW_SUSPECTS_MAX; i++) {
		snprintf(name, sizeof(name), "%x", i);
		r = add(&suspects, 1, name, 0);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(i, HW_SUSPECTS_MAX + 1);
	assert_int_equal(suspects.count, HW_SUSPECTS_MAX);
	assert_int_equal(add(&suspects, 1, "one more", 0), -ENOBUFS);
	hw_suspects_clear(&suspects);
	assert_int_equal(add(&suspects, 1, "one more", 0), 0);
	assert_true(hw_names_bytes(&suspects.names) < (2u << 20));
	hw_suspects_free(&suspects);
}

/* Repetitions are merged before the list counts as full. */
static void repetitions_do_not_count_against_the_limit(void **state)
{
	struct hw_suspects suspects = { 0 };
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < HW_SUSPECTS_MAX / 8 * 5; i++) {
		snprintf(name, sizeof(name), "%x", i);
		assert_int_equal(add(&suspects, 1, name, 0), 0);
	}
	hw_suspects_compact(&suspects);
	for (uint32_t i = 0; i < HW_SUSPECTS_MAX; i++)
		assert_int_equal(add(&suspects, 1, "the same", 0), 0);
	assert_true(suspects.room <= HW_SUSPECTS_MAX);
	hw_suspects_free(&suspects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_suspected_once_with_all_hints),
		cmocka_unit_test(data_of_two_inodes_under_one_name_is_nobodys),
		cmocka_unit_test(many_hints_about_few_names_stay_few),
		cmocka_unit_test(more_names_than_the_limit_are_refused),
		cmocka_unit_test(repetitions_do_not_count_against_the_limit),
	};

	return cmocka_run_group_tests_name("suspects", tests, NULL, NULL);
}
