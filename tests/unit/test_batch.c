/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events that wait for a command: each name once, limited by the size of the command line and in
 * number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/batch.h"

#include <stdlib.h>
#include <string.h>

static struct hw_target target = { .dir = (char[]){ "src" }, .prefix = (char[]){ "src/" } };
static char *const command[] = { (char[]){ "cc" }, (char[]){ "{}" }, (char[]){ "-o" }, NULL };
static char *const all[] = { (char[]){ "src" }, (char[]){ "Makefile" }, NULL };

static void add(struct hw_batch *batch, uint8_t kind, const char *from, const char *path)
{
	const struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = kind,
		.type = HW_TYPE_FILE,
		.path = path,
		.path_len = path ? (uint32_t)strlen(path) : 0,
		.from = from,
		.from_len = from ? (uint32_t)strlen(from) : 0,
	};

	hw_batch_add(batch, &target, "watch", &event);
}

/* Takes a command line, compares its words, and returns its number of events. */
static unsigned take(struct hw_batch *batch, size_t max_bytes, const char *expected)
{
	struct hw_batch_command line;
	char words[256] = "";
	unsigned lines = 0;

	assert_int_equal(hw_batch_take(batch, command, all, max_bytes, &line), 0);
	for (char **at = line.argv; *at; at++) {
		strcat(words, at == line.argv ? "" : " ");
		strcat(words, *at);
	}
	assert_string_equal(words, expected);
	for (size_t i = 0; i < line.lines.len; i++)
		lines += line.lines.data[i] == '\n';
	hw_batch_command_free(&line);
	return lines;
}

static void names_are_passed_once_in_order(void **state)
{
	struct hw_batch batch;

	(void)state;
	hw_batch_init(&batch);
	add(&batch, HW_CREATE, NULL, "a");
	add(&batch, HW_MODIFY, NULL, "a");
	add(&batch, HW_MOVE, "old", "new");
	add(&batch, HW_MOVE, "gone", NULL);
	add(&batch, HW_CLOSE_WRITE, NULL, "a");
	add(&batch, HW_RESCAN, NULL, "");
	assert_int_equal(take(&batch, 4096, "cc src/a src/new src/old src/gone src -o"), 6);
	assert_true(hw_batch_is_empty(&batch));
	hw_batch_free(&batch);
}

static void names_that_do_not_fit_stay(void **state)
{
	/* "cc", "-o", and two names of five bytes, with their pointers. */
	const size_t room = 2 * (3 + sizeof(char *)) + 2 * (6 + sizeof(char *));
	struct hw_batch batch;

	(void)state;
	hw_batch_init(&batch);
	for (unsigned round = 0; round < 2; round++) {
		add(&batch, HW_CREATE, NULL, "a");
		add(&batch, HW_CREATE, NULL, "b");
		add(&batch, HW_CREATE, NULL, "c");
	}
	assert_int_equal(take(&batch, room, "cc src/a src/b -o"), 4);
	assert_false(hw_batch_is_empty(&batch));
	assert_int_equal(take(&batch, room, "cc src/c -o"), 2);
	/* Each command line has at least one name; otherwise the batch would never end. */
	add(&batch, HW_CREATE, NULL, "a");
	add(&batch, HW_CREATE, NULL, "b");
	assert_int_equal(take(&batch, 1, "cc src/a -o"), 1);
	assert_int_equal(take(&batch, 1, "cc src/b -o"), 1);
	assert_true(hw_batch_is_empty(&batch));
	hw_batch_free(&batch);
}

static void an_empty_batch_is_about_everything(void **state)
{
	struct hw_batch batch;

	(void)state;
	hw_batch_init(&batch);
	assert_int_equal(take(&batch, 4096, "cc src Makefile -o"), 0);
	hw_batch_free(&batch);
}

static void more_than_the_limit_is_everything(void **state)
{
	size_t len = 60000, events = 0, size;
	char *path = malloc(len + 1);
	struct hw_batch batch;

	(void)state;
	assert_non_null(path);
	memset(path, 'x', len);
	path[len] = '\0';
	hw_batch_init(&batch);
	add(&batch, HW_CREATE, NULL, path);
	size = batch.lines.len > batch.names.len ? batch.lines.len : batch.names.len;
	for (events = 1; events < HW_BATCH_MAX / size; events++)
		add(&batch, HW_CREATE, NULL, path);
	assert_false(batch.overflow);
	add(&batch, HW_CREATE, NULL, path);
	assert_true(batch.overflow);
	add(&batch, HW_CREATE, NULL, "small"); /* dropped: the batch has overflowed */
	assert_false(hw_batch_is_empty(&batch));
	assert_int_equal(take(&batch, 4096, "cc src Makefile -o"), 0);
	assert_true(hw_batch_is_empty(&batch));
	add(&batch, HW_CREATE, NULL, "small");
	assert_int_equal(take(&batch, 4096, "cc src/small -o"), 1);
	hw_batch_free(&batch);
	free(path);
}

static void changes_go_from_one_batch_to_another(void **state)
{
	struct hw_batch from, to;

	(void)state;
	hw_batch_init(&from);
	hw_batch_init(&to);
	add(&from, HW_CREATE, NULL, "a");
	add(&from, HW_MOVE, "b", "c");
	add(&to, HW_CREATE, NULL, "first");
	hw_batch_add_from(&to, &from, 1);
	hw_batch_clear(&from);
	assert_int_equal(take(&to, 4096, "cc src/first src/c src/b -o"), 2);
	hw_batch_free(&from);
	hw_batch_free(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_passed_once_in_order),
		cmocka_unit_test(names_that_do_not_fit_stay),
		cmocka_unit_test(an_empty_batch_is_about_everything),
		cmocka_unit_test(more_than_the_limit_is_everything),
		cmocka_unit_test(changes_go_from_one_batch_to_another),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
