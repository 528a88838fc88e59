/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model_test.h"

#include "tests/common/model.h"
#include "tests/common/notation.h"
#include "tests/common/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* Newlines separate the events. The last event of a bad stream must be refused, all others
 * accepted. */
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

/* Reports a directory d while its mode is 0750, and then sets its mode to `now`. Returns the number
 * of wrong beliefs; `has_returned`: the excuse has the mode 0700. */
static size_t not_told(mode_t now, bool has_returned)
{
	unsigned places, left;
	char *root = hw_scratch_create(hw_scratch_places(&places)->path), *path;
	FILE *null = fopen("/dev/null", "we");
	struct hw_model *model;
	struct stat st;

	assert_non_null(root);
	assert_non_null(null);
	assert_true(asprintf(&path, "%s/d", root) > 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(lstat(path, &st), 0);
	const struct hw_model_attributes had = { st.st_ino, st.st_mode, st.st_uid, st.st_gid };
	const struct hw_model_excuse excuse = { .had = &had, .had_count = has_returned };

	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(hw_model_create(&model), 0);
	hw_model_look(model, root);
	assert_int_equal(apply_lines(model, "create dir d", &left), 0);
	assert_int_equal(chmod(path, now), 0);
	size_t count = hw_model_check_beliefs_but(model, &excuse, null);
	hw_model_destroy(model);
	(void)fclose(null); /* nothing depends on it */
	free(path);
	hw_scratch_remove(root);
	return count;
}

void model_sees_what_was_not_told(void **state)
{
	(void)state;
	assert_int_equal(not_told(0750, false), 0);
	assert_int_equal(not_told(0700, false), 1);
	assert_int_equal(not_told(0755, false), 1);
}

/* The excuse has the mode 0700. */
void model_excuses_only_what_is_as_it_was(void **state)
{
	(void)state;
	assert_int_equal(not_told(0700, true), 0);
	assert_int_equal(not_told(0755, true), 1);
}

/* The file f has data, is reported by these lines, and then `more` data is appended. Returns the
 * number of wrong files; `noted`: the file is in the list of written files. */
static size_t data_not_told(const char *lines, const char *more, bool noted)
{
	unsigned places, left;
	char *root = hw_scratch_create(hw_scratch_places(&places)->path), *path;
	FILE *null = fopen("/dev/null", "we");
	const struct hw_model_excuse none = { 0 };
	struct hw_model *model;
	struct stat st;

	assert_non_null(root);
	assert_non_null(null);
	assert_true(asprintf(&path, "%s/f", root) > 0);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs("data", file) >= 0 && fflush(file) == 0);
	assert_int_equal(stat(path, &st), 0);
	const struct hw_model_written written = { .inodes = &st.st_ino, .count = noted };

	assert_int_equal(hw_model_create(&model), 0);
	hw_model_look(model, root);
	assert_int_equal(apply_lines(model, lines, &left), 0);
	assert_true(fputs(more, file) >= 0 && fclose(file) == 0);
	size_t count = hw_model_check_data(model, &written, &none, null);
	hw_model_destroy(model);
	(void)fclose(null); /* nothing depends on it */
	free(path);
	hw_scratch_remove(root);
	return count;
}

void model_sees_data_that_was_not_told(void **state)
{
	(void)state;
	assert_int_equal(data_not_told("create file f\nmodify f", "", true), 0);
	assert_int_equal(data_not_told("create file f\nmodify f", "more", true), 1);
	assert_int_equal(data_not_told("move file -> f", "more", true), 1);
	assert_int_equal(data_not_told("move file -> f", "", false), 0);
	assert_int_equal(data_not_told("move file -> f\nmodify f", "", false), 1);
	assert_int_equal(data_not_told("move file -> f\nclose_write f", "", false), 1);
	assert_int_equal(data_not_told("create file f\nclose_write f", "", false), 0);
}
