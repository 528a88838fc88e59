/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of unverified names: each name once, with all hints about it merged, and no more names
 * than the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int add(struct hw_notes *notes, hw_token dir, const char *name, uint32_t what)
{
	return hw_notes_add(notes, dir, name, strlen(name), what, 0);
}

static void a_name_is_noted_once_with_all_hints(void **state)
{
	struct hw_notes notes = { 0 };

	(void)state;
	assert_int_equal(add(&notes, 2, "b", HW_HINT_CREATED), 0);
	assert_int_equal(add(&notes, 2, "a", HW_HINT_CREATED), 0);
	assert_int_equal(add(&notes, 1, "b", HW_HINT_DELETED), 0);
	assert_int_equal(add(&notes, 2, "b", HW_HINT_MODIFIED), 0);
	assert_int_equal(add(&notes, 2, "ba", 0), 0);
	hw_notes_compact(&notes);
	assert_int_equal(notes.count, 4);
	for (uint32_t i = 1; i < notes.count; i++) {
		const struct hw_note *x = &notes.list[i - 1], *y = &notes.list[i];

		assert_true(x->dir < y->dir || (x->dir == y->dir && x->name_len <= y->name_len));
	}
	assert_int_equal(notes.list[2].what, HW_HINT_CREATED | HW_HINT_MODIFIED);
	assert_memory_equal(hw_notes_name(&notes, &notes.list[3]), "ba", 2);
	hw_notes_clear(&notes);
	assert_int_equal(notes.count, 0);
	assert_int_equal(add(&notes, 1, "again", 0), 0);
	hw_notes_free(&notes);
}

static void data_of_two_inodes_under_one_name_is_nobodys(void **state)
{
	struct hw_notes notes = { 0 };

	(void)state;
	assert_int_equal(hw_notes_add(&notes, 1, "a", 1, HW_HINT_MODIFIED, 7), 0);
	assert_int_equal(hw_notes_add(&notes, 1, "a", 1, HW_HINT_CREATED, 8), 0);
	assert_int_equal(hw_notes_add(&notes, 1, "b", 1, HW_HINT_MODIFIED, 7), 0);
	assert_int_equal(hw_notes_add(&notes, 1, "b", 1, HW_HINT_ATTRIB, 0), 0);
	hw_notes_compact(&notes);
	assert_int_equal(notes.count, 2);
	assert_int_equal(notes.list[0].what, HW_HINT_CREATED);
	assert_int_equal(notes.list[1].what, HW_HINT_MODIFIED | HW_HINT_ATTRIB);
	assert_int_equal(notes.list[1].inode, 7);
	hw_notes_free(&notes);
}

static void many_hints_about_few_names_stay_few(void **state)
{
	struct hw_notes notes = { 0 };
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 3000000; i++) {
		snprintf(name, sizeof(name), "n%u", i % 100);
		assert_int_equal(add(&notes, i % 3 + 1, name, HW_HINT_MODIFIED), 0);
	}
	assert_true(notes.room <= 4096);
	assert_true(hw_names_bytes(&notes.names) < (2u << 20));
	hw_notes_compact(&notes);
	assert_int_equal(notes.count, 300);
	hw_notes_free(&notes);
}

static void more_names_than_the_limit_are_refused(void **state)
{
	struct hw_notes notes = { 0 };
	char name[16];
	uint32_t i = 0;
	int r = 0;

	(void)state;
	for (; r == 0 && i <= HW_NOTES_MAX; i++) {
		snprintf(name, sizeof(name), "%x", i);
		r = add(&notes, 1, name, 0);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(i, HW_NOTES_MAX + 1);
	assert_int_equal(notes.count, HW_NOTES_MAX);
	assert_int_equal(add(&notes, 1, "one more", 0), -ENOBUFS);
	hw_notes_clear(&notes);
	assert_int_equal(add(&notes, 1, "one more", 0), 0);
	assert_true(hw_names_bytes(&notes.names) < (2u << 20));
	hw_notes_free(&notes);
}

/* Repetitions are merged before the list counts as full. */
static void repetitions_do_not_count_against_the_limit(void **state)
{
	struct hw_notes notes = { 0 };
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < HW_NOTES_MAX / 8 * 5; i++) {
		snprintf(name, sizeof(name), "%x", i);
		assert_int_equal(add(&notes, 1, name, 0), 0);
	}
	hw_notes_compact(&notes);
	for (uint32_t i = 0; i < HW_NOTES_MAX; i++)
		assert_int_equal(add(&notes, 1, "the same", 0), 0);
	assert_true(notes.room <= HW_NOTES_MAX);
	hw_notes_free(&notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_noted_once_with_all_hints),
		cmocka_unit_test(data_of_two_inodes_under_one_name_is_nobodys),
		cmocka_unit_test(many_hints_about_few_names_stay_few),
		cmocka_unit_test(more_names_than_the_limit_are_refused),
		cmocka_unit_test(repetitions_do_not_count_against_the_limit),
	};

	return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
