/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model_test.h"

#include "tests/common/model.h"
#include "tests/common/notation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Events are separated by newlines; all but the last must be accepted. */
static const char *const good[] = {
	"create dir d\ncreate file d/a\nmove dir d -> e\nmodify e/a\nclose_write e/a",
	"create dir d\ncreate file d/a\nattrib file d/a\nattrib dir d",
	"create file a\ncreate file b\nmove file a -> b (replaced)\ndelete file b",
	"create dir a\ncreate dir b\ncreate file a/x\nmove dir a <-> b (exchange)\nmodify b/x",
	"create file a\ncreate dir b\nmove file a <-> b (exchange)\ndelete dir a",
	"create dir a\ncreate file a/b\nmove dir a ->\nmove dir -> a\ncreate file a/b",
	"move symlink -> s\nattrib dir \"\"\nrescan \"\"",
	"create dir a\ncreate dir a/b\ncreate file c\nmove file c <-> a/b (exchange)\ndelete dir c",
};

static const char *const bad[] = {
	"create file a\ncreate file a",
	"create file d/a",
	"create file a\ncreate file a/b",
	"delete file a",
	"create file a\ndelete dir a",
	"create dir d\ncreate file d/a\ndelete dir d",
	"create file a\ncreate file b\nmove file a -> b",
	"create file a\nmove file a -> b (replaced)",
	"create file a\nmove file a -> a (replaced)",
	"create file a\nmove file a <-> b (exchange)",
	"create dir a\nmove dir a -> a/b",
	"create dir a\ncreate dir a/b\nmove dir a <-> a/b (exchange)",
	"create dir a\ncreate dir b\ncreate file b/x\nmove dir a -> b (replaced)",
	"move file a ->",
	"create dir a\nmodify a",
	"modify a",
	"create dir a\ncreate file a/x\nmove dir a ->\nmodify a/x",
	"create file \"a/../b\"",
	"create file \"\"",
};

static int apply_lines(struct hw_model *model, const char *lines, unsigned *ret_left)
{
	char *copy = strdup(lines), *save = NULL, why[128];
	int r = 0;

	*ret_left = 0;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct hw_event event;
		const char *rest;

		assert_int_equal(hw_notation_parse(line, &event, &rest), 0);
		if (r)
			(*ret_left)++;
		else
			r = hw_model_apply(model, &event, why, sizeof(why));
		hw_notation_release(&event);
	}
	free(copy);
	return r;
}

void model_replays_consistent_streams(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct hw_model *model;
		unsigned left;

		assert_int_equal(hw_model_create(&model), 0);
		if (apply_lines(model, good[i], &left))
			fail_msg("refused: %s", good[i]);
		hw_model_destroy(model);
	}
}

void model_refuses_contradictions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct hw_model *model;
		unsigned left;

		assert_int_equal(hw_model_create(&model), 0);
		if (!apply_lines(model, bad[i], &left) || left)
			fail_msg("not refused at its last event: %s", bad[i]);
		hw_model_destroy(model);
	}
}

static size_t differences(const char *a, const char *b)
{
	struct hw_model *left, *right;
	FILE *null = fopen("/dev/null", "we");
	unsigned rest;

	assert_non_null(null);
	assert_int_equal(hw_model_create(&left), 0);
	assert_int_equal(hw_model_create(&right), 0);
	assert_int_equal(apply_lines(left, a, &rest), 0);
	assert_int_equal(apply_lines(right, b, &rest), 0);
	size_t count = hw_model_compare(left, right, null);
	hw_model_destroy(left);
	hw_model_destroy(right);
	(void)fclose(null); /* nothing depends on it */
	return count;
}

void model_sees_differences(void **state)
{
	(void)state;
	assert_int_equal(differences("create file a", "create file b\nmove file b -> a"), 0);
	assert_int_equal(differences("create file a", "create dir a"), 1);
	assert_int_equal(differences("create file a", "create file b"), 2);
	assert_int_equal(differences("create dir d\ncreate file d/x", "create dir d"), 1);
}
