/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filter for subscribers of one directory: how each event is reported to them. */
#include <errno.h>
#include <hostwatch/wire.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Prints "create f a/b" or "move d from > to [flags]", with "-" for a missing side, like the
 * strings below. */
static void print_event(char *out, size_t size, const struct hw_event *e)
{
	static const char types[] = "-fdso";

	if (e->kind == HW_MOVE)
		snprintf(out, size, "move %c %.*s > %.*s%s%s", types[e->type],
			 e->from ? (int)e->from_len : 1, e->from ? e->from : "-",
			 e->path ? (int)e->path_len : 1, e->path ? e->path : "-",
			 e->flags & HW_FLAG_REPLACED ? " replaced" : "",
			 e->flags & HW_FLAG_EXCHANGE ? " exchange" : "");
	else
		snprintf(out, size, "%s %c %.*s", hw_kind_name(e->kind), types[e->type],
			 (int)e->path_len, e->path);
}

struct row {
	struct hw_event event;
	const char *expected[3];
};

#define ONE(k, t, p)                                                                               \
	{                                                                                          \
		.kind = (k), .type = (t), .path = (p), .path_len = sizeof(p) - 1, .seq = 5         \
	}
#define MOVE(t, f, p, fl)                                                                          \
	{                                                                                          \
		.kind = HW_MOVE, .type = (t), .flags = (fl), .from = (f),                          \
		.from_len = sizeof(f) - 1, .path = (p), .path_len = sizeof(p) - 1, .seq = 5        \
	}
#define CAME(t, p, fl)                                                                             \
	{                                                                                          \
		.kind = HW_MOVE, .type = (t), .flags = (fl), .path = (p),                          \
		.path_len = sizeof(p) - 1, .seq = 5                                                \
	}
#define LEFT(t, f)                                                                                 \
	{                                                                                          \
		.kind = HW_MOVE, .type = (t), .from = (f), .from_len = sizeof(f) - 1, .seq = 5     \
	}
#define FILE_ HW_TYPE_FILE
#define DIR_ HW_TYPE_DIR
#define REPLACED HW_FLAG_REPLACED
#define EXCHANGE HW_FLAG_EXCHANGE

/* The events that a subscriber of "a/b" receives. */
static const struct row rows[] = {
	{ ONE(HW_CREATE, FILE_, "a/b/c"), { "create f a/b/c" } },
	{ ONE(HW_CREATE, DIR_, "a/b"), { "create d a/b" } },
	{ ONE(HW_CREATE, FILE_, "a/bc"), { NULL } },
	{ ONE(HW_CREATE, DIR_, "a"), { NULL } },
	{ ONE(HW_DELETE, DIR_, "a/b"), { "delete d a/b" } },
	{ ONE(HW_DELETE, DIR_, "a"), { NULL } },
	{ ONE(HW_MODIFY, FILE_, "x"), { NULL } },
	{ ONE(HW_RESCAN, HW_TYPE_NONE, ""), { "rescan - a/b" } },
	{ ONE(HW_RESCAN, HW_TYPE_NONE, "a"), { "rescan - a/b" } },
	{ ONE(HW_RESCAN, HW_TYPE_NONE, "a/b/c"), { "rescan - a/b/c" } },
	{ ONE(HW_RESCAN, HW_TYPE_NONE, "ab"), { NULL } },
	/* moves of entries */
	{ MOVE(FILE_, "a/b/1", "a/b/2", REPLACED), { "move f a/b/1 > a/b/2 replaced" } },
	{ MOVE(FILE_, "a/b/1", "a/b/2", EXCHANGE), { "move f a/b/1 > a/b/2 exchange" } },
	{ MOVE(FILE_, "a/b/1", "a/2", REPLACED), { "move f a/b/1 > -" } },
	{ MOVE(DIR_, "a/b/1", "a/2", 0), { "move d a/b/1 > -" } },
	{ MOVE(FILE_, "a/1", "a/b/2", 0), { "move f - > a/b/2" } },
	{ MOVE(FILE_, "a/1", "a/b/2", REPLACED), { "move f - > a/b/2 replaced" } },
	{ MOVE(DIR_, "a/1", "a/b/2", 0), { "move d - > a/b/2", "rescan - a/b/2" } },
	{ MOVE(FILE_, "x", "y", 0), { NULL } },
	{ CAME(DIR_, "a/b/2", 0), { "move d - > a/b/2" } },
	{ CAME(FILE_, "a/b/2", REPLACED), { "move f - > a/b/2 replaced" } },
	{ CAME(DIR_, "x", 0), { NULL } },
	{ LEFT(FILE_, "a/b/2"), { "move f a/b/2 > -" } },
	{ LEFT(FILE_, "x"), { NULL } },
	/* moves of the directory, and of those above it */
	{ MOVE(DIR_, "a/b", "x", 0), { "move d a/b > -" } },
	{ MOVE(DIR_, "x", "a/b", REPLACED), { "move d - > a/b replaced", "rescan - a/b" } },
	{ MOVE(DIR_, "a", "x", 0), { "move d a/b > -" } },
	{ LEFT(DIR_, "a"), { "move d a/b > -" } },
	{ MOVE(DIR_, "x", "a", 0), { "rescan - a/b" } },
	{ CAME(DIR_, "a", 0), { NULL } },
	/* exchanges across the border of the directory */
	{ MOVE(FILE_, "x", "a/b/1", EXCHANGE), { "move f - > a/b/1 replaced" } },
	{ MOVE(DIR_, "x", "a/b/1", EXCHANGE), { "move d - > a/b/1 replaced", "rescan - a/b/1" } },
	{ MOVE(FILE_, "a/b/1", "x", EXCHANGE), { "rescan - a/b/1" } },
	{ MOVE(DIR_, "a", "x", EXCHANGE), { "rescan - a/b" } },
	{ MOVE(DIR_, "x", "a", EXCHANGE), { "rescan - a/b" } },
};

static void a_subscriber_of_a_directory_sees_its_side_of_each_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct hw_event out[HW_BELOW_MAX];
		int n = hw_event_below(&row->event, "a/b", 3, out), expected = 0;
		char text[128], in[128];

		print_event(in, sizeof(in), &row->event);
		while (row->expected[expected])
			expected++;
		if (n != expected)
			fail_msg("%s: %d events, not %d", in, n, expected);
		for (int j = 0; j < n; j++) {
			print_event(text, sizeof(text), &out[j]);
			if (strcmp(text, row->expected[j]) != 0)
				fail_msg("%s: '%s', not '%s'", in, text, row->expected[j]);
			assert_int_equal(out[j].seq, 5);
		}
	}
}

static void the_root_sees_everything_unchanged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hw_event out[HW_BELOW_MAX];

		assert_int_equal(hw_event_below(&rows[i].event, "", 0, out), 1);
		assert_memory_equal(&out[0], &rows[i].event, sizeof(out[0]));
	}
}

static void only_clean_relative_paths_are_valid(void **state)
{
	static const char *const good[] = { "", "a", "a/b", "...", ".a", "a.", "..a/b.." };
	static const char *const bad[] = { "/",   "/a",  "a/",   "a//b", ".",     "..",
					   "./a", "a/.", "a/..", "../a", "a/../b" };
	static char path[HW_PATH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(hw_below_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(hw_below_valid(bad[i], strlen(bad[i])));
	assert_false(hw_below_valid("a\0b", 3));
	memset(path, 'x', sizeof(path));
	assert_true(hw_below_valid(path, HW_PATH_MAX));
	assert_false(hw_below_valid(path, HW_PATH_MAX + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_subscriber_of_a_directory_sees_its_side_of_each_event),
		cmocka_unit_test(the_root_sees_everything_unchanged),
		cmocka_unit_test(only_clean_relative_paths_are_valid),
	};

	return cmocka_run_group_tests_name("below", tests, NULL, NULL);
}
