/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Excludes: equal to gitignore(5), also for hostile paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hostwatch/filter.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct expectation {
	const char *patterns[4];
	const char *path; /* ends with a slash: a directory */
	bool excluded;
};

static const struct expectation expectations[] = {
	/* a name anywhere */
	{ { "*.o" }, "a.o", true },
	{ { "*.o" }, "deep/down/a.o", true },
	{ { "*.o" }, "a.oo", false },
	{ { "*.o" }, ".o", true },
	{ { "a" }, "b/a", true },
	{ { "a" }, "ab", false },
	{ { "*" }, "x", true },
	{ { "a*b*c" }, "aXbYbZc", true },
	{ { "a*b*c" }, "abc", true },
	{ { "a*b*c" }, "acb", false },
	{ { "?" }, "x", true },
	{ { "?" }, "xy", false },
	{ { "??" }, "\xc3\xa4", true }, /* bytes, not characters */
	/* anchored */
	{ { "/build" }, "build", true },
	{ { "/build" }, "sub/build", false },
	{ { "a/b" }, "a/b", true },
	{ { "a/b" }, "x/a/b", false },
	{ { "/a/b" }, "a/b", true },
	{ { "a/*" }, "a/b", true },
	{ { "a/*" }, "a/b/c", false },
	{ { "a/*/c" }, "a/b/c", true },
	{ { "a/*/c" }, "a/c", false },
	{ { "a/?/c" }, "a/b/c", true },
	{ { "a?b/c" }, "a/b/c", false },
	{ { "a[/]b/c" }, "a/b/c", false },
	/* directories only */
	{ { "logs/" }, "logs/", true },
	{ { "logs/" }, "logs", false },
	{ { "logs/" }, "x/logs/", true },
	{ { "/logs/" }, "x/logs/", false },
	{ { "a/logs/" }, "a/logs/", true },
	/* any number of directories */
	{ { "**/foo" }, "foo", true },
	{ { "**/foo" }, "a/b/foo", true },
	{ { "**/foo" }, "a/foobar", false },
	{ { "**/foo/bar" }, "x/foo/bar", true },
	{ { "**/foo/bar" }, "foo/x/bar", false },
	{ { "foo/**" }, "foo/a", true },
	{ { "foo/**" }, "foo/a/b", true },
	{ { "foo/**" }, "foo/", false },
	{ { "foo/**" }, "x/foo/a", false },
	{ { "a/**/b" }, "a/b", true },
	{ { "a/**/b" }, "a/x/b", true },
	{ { "a/**/b" }, "a/x/y/b", true },
	{ { "a/**/b" }, "ab", false },
	{ { "a/**/b" }, "a/xb", false },
	{ { "a/**/b/**/c" }, "a/b/c", true },
	{ { "a/**/b/**/c" }, "a/1/b/2/3/c", true },
	{ { "a/**/b/**/c" }, "a/1/c/2/b", false },
	{ { "a/**/b*/c" }, "a/b1/b2/c", true },
	{ { "a/**/*b/c" }, "a/x/yb/zb/c", true },
	{ { "**/a*/**/b" }, "a1/x/a2/y/b", true },
	{ { "**" }, "x", true },
	{ { "**/" }, "a/b/", true },
	{ { "**/" }, "a/b", false },
	/* elsewhere, two stars match like one */
	{ { "a**b" }, "axyb", true },
	{ { "**foo" }, "xfoo", true },
	{ { "foo**" }, "foox", true },
	{ { "x/a**b" }, "x/a/b", false },
	{ { "x/a**b" }, "x/a1b", true },
	{ { "***" }, "abc", true },
	/* sets */
	{ { "[abc]" }, "b", true },
	{ { "[abc]" }, "d", false },
	{ { "[a-c]x" }, "bx", true },
	{ { "[!a-c]x" }, "bx", false },
	{ { "[!a-c]x" }, "dx", true },
	{ { "[^a-c]x" }, "dx", true },
	{ { "[]a]" }, "]", true },
	{ { "[!]a]" }, "]", false },
	{ { "[!]a]" }, "b", true },
	{ { "[a-]" }, "-", true },
	{ { "[\\]]" }, "]", true },
	{ { "[\\\\]" }, "\\", true },
	{ { "[\x80-\xff]" }, "\xfe", true },
	{ { "*[0-9]" }, "a1b2", true },
	/* quoted */
	{ { "\\*" }, "*", true },
	{ { "\\*" }, "a", false },
	{ { "\\!a" }, "!a", true },
	{ { "\\[a]" }, "[a]", true },
	{ { "\\[a]" }, "a", false },
	{ { "#a" }, "#a", true },
	/* negated: the last matching pattern decides */
	{ { "*.o", "!keep.o" }, "keep.o", false },
	{ { "*.o", "!keep.o" }, "x/keep.o", false },
	{ { "*.o", "!keep.o" }, "other.o", true },
	{ { "!keep.o", "*.o" }, "keep.o", true },
	{ { "/*", "!/src/" }, "src/", false },
	{ { "/*", "!/src/" }, "src", true },
	{ { "/*", "!/src/" }, "src/a", false },
	/* names with special characters */
	{ { "a\nb" }, "a\nb", true },
	{ { "*" }, "\n", true },
	{ { "\xff*" }, "\xff\xfe", true },
	{ { NULL }, "a", false },
};

static bool excludes(const struct expectation *e)
{
	size_t count = 0, bad, len = strlen(e->path);
	bool is_dir = e->path[len - 1] == '/', r;
	struct hw_filter filter;
	const char *reason;

	while (count < 4 && e->patterns[count])
		count++;
	assert_int_equal(hw_filter_init(&filter, e->patterns, count, &bad, &reason), 0);
	r = hw_filter_matches(&filter, e->path, len - is_dir, is_dir);
	hw_filter_free(&filter);
	return r;
}

static void patterns_match_as_in_gitignore(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		const struct expectation *e = &expectations[i];

		if (excludes(e) == e->excluded)
			continue;
		print_error("%s %s%s: expected %d\n", e->patterns[0],
			    e->patterns[1] ? e->patterns[1] : "", e->path, e->excluded);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void unanchored_patterns_need_the_name_only(void **state)
{
	const char *patterns[] = { "*.o", "logs/" }, *anchored[] = { "*.o", "a/b" }, *reason;
	struct hw_filter filter;
	size_t bad;

	(void)state;
	assert_int_equal(hw_filter_init(&filter, patterns, 2, &bad, &reason), 0);
	assert_false(filter.anchored);
	hw_filter_free(&filter);
	assert_int_equal(hw_filter_init(&filter, anchored, 2, &bad, &reason), 0);
	assert_true(filter.anchored);
	hw_filter_free(&filter);
}

static void assert_refused(const char *pattern, const char *word)
{
	const char *patterns[] = { "fine", pattern }, *reason = NULL;
	struct hw_filter filter;
	size_t bad = 0;

	assert_int_equal(hw_filter_init(&filter, patterns, 2, &bad, &reason), -EINVAL);
	assert_int_equal(bad, 1);
	assert_non_null(strstr(reason, word));
	assert_int_equal(filter.count, 0);
}

static void what_is_no_pattern_is_refused(void **state)
{
	char long_one[HW_FILTER_PATTERN_MAX + 2];

	(void)state;
	assert_refused("", "empty");
	assert_refused("!", "empty");
	assert_refused("/", "empty");
	assert_refused("!/", "empty");
	assert_refused("a[b", "\\[");
	assert_refused("[]", "\\[");
	assert_refused("[a\\]", "\\[");
	assert_refused("\\[a[b", "\\[");
	memset(long_one, 'a', sizeof(long_one));
	long_one[sizeof(long_one) - 1] = '\0';
	assert_refused(long_one, "4096");
}

static void the_number_of_patterns_has_a_limit(void **state)
{
	const char **patterns = calloc(HW_FILTER_PATTERNS_MAX + 1, sizeof(*patterns)), *reason;
	struct hw_filter filter;
	size_t bad;

	(void)state;
	assert_non_null(patterns);
	for (size_t i = 0; i <= HW_FILTER_PATTERNS_MAX; i++)
		patterns[i] = "a";
	assert_int_equal(hw_filter_init(&filter, patterns, HW_FILTER_PATTERNS_MAX + 1, &bad,
					&reason),
			 -EINVAL);
	assert_int_equal(hw_filter_init(&filter, patterns, HW_FILTER_PATTERNS_MAX, &bad, &reason),
			 0);
	assert_true(hw_filter_matches(&filter, "a", 1, false));
	hw_filter_free(&filter);
	free(patterns);
}

/* ---- hostile ---- */

#define PATH_BYTES 65530u

static double seconds_for(const char *pattern, const char *path, size_t len)
{
	struct timespec begun, ended;
	struct hw_filter filter;
	const char *reason;
	size_t bad;

	assert_int_equal(hw_filter_init(&filter, &pattern, 1, &bad, &reason), 0);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	assert_false(hw_filter_matches(&filter, path, len, false));
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	hw_filter_free(&filter);
	return (double)(ended.tv_sec - begun.tv_sec) +
	       (double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
}

/* A deep path of names, at each of which every "**" could stop. */
static void many_double_stars_are_not_exponential(void **state)
{
	char *path = malloc(PATH_BYTES + 1);

	(void)state;
	assert_non_null(path);
	for (size_t i = 0; i < PATH_BYTES; i++)
		path[i] = i % 2 ? '/' : 'a';
	assert_true(seconds_for("**/a/**/a/**/a/**/a/**/a/**/a/**/b", path, PATH_BYTES - 1) < 1);
	assert_true(seconds_for("a*/**/a*/**/a*/**/*a*/**/b*", path, PATH_BYTES - 1) < 1);
	free(path);
}

static void many_stars_are_not_exponential(void **state)
{
	char name[255], pattern[600], *p = pattern;

	(void)state;
	memset(name, 'a', sizeof(name));
	for (unsigned i = 0; i < 120; i++) {
		*p++ = '*';
		*p++ = 'a';
	}
	*p++ = 'b';
	*p = '\0';
	assert_true(seconds_for(pattern, name, sizeof(name)) < 1);
}

static void many_sets_are_not_exponential(void **state)
{
	char name[255], pattern[HW_FILTER_PATTERN_MAX + 1], *p = pattern;

	(void)state;
	memset(name, 'a', sizeof(name));
	*p++ = '*';
	while (p + 6 < pattern + sizeof(pattern)) {
		memcpy(p, "[a-b]", 5);
		p += 5;
	}
	*p = '\0';
	assert_true(seconds_for(pattern, name, sizeof(name)) < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_in_gitignore),
		cmocka_unit_test(unanchored_patterns_need_the_name_only),
		cmocka_unit_test(what_is_no_pattern_is_refused),
		cmocka_unit_test(the_number_of_patterns_has_a_limit),
		cmocka_unit_test(many_double_stars_are_not_exponential),
		cmocka_unit_test(many_stars_are_not_exponential),
		cmocka_unit_test(many_sets_are_not_exponential),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
