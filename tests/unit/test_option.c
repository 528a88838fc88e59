/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "errors.h"
#include "log.h"
#include "option.h"
#include "suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fields {
	uint32_t flag, choice;
	uint64_t number, wait_ns, room;
	const char *text, *list;
	const char *needed;
};

static const struct hw_option flag = HW_OPT_BOOL("flag", struct fields, flag, "no", "A flag");
static const struct hw_option choice =
	HW_OPT_ENUM("choice", struct fields, choice, "b", "a|b|long", "A choice");
static const struct hw_option number =
	HW_OPT_NUMBER("number", struct fields, number, "7", 1, 100, "A number");
static const struct hw_option any_number =
	HW_OPT_NUMBER("any", struct fields, number, NULL, 0, UINT64_MAX, "Any number");
static const struct hw_option wait_time =
	HW_OPT_DURATION("wait", struct fields, wait_ns, "1s", HW_MS, 60 * HW_SEC, "A time");
static const struct hw_option room =
	HW_OPT_SIZE("room", struct fields, room, "16M", 4096, UINT64_C(1) << 40, "A size");
static const struct hw_option text = HW_OPT_STRING("text", struct fields, text, "plain", "A text");
static const struct hw_option list = HW_OPT_LIST("list", struct fields, list, "A list");
static const struct hw_option needed =
	HW_OPT_STRING_FLAGS("needed", struct fields, needed, NULL, HW_OPTION_REQUIRED, "Needed");

static const struct hw_option *const all[] = { &flag, &choice, &number, &wait_time,
					       &room, &text,   &list };
static const struct hw_option_table table = { all, sizeof(all) / sizeof(all[0]) };

static uint64_t accepted(const struct hw_option *option, const char *value)
{
	char why[HW_OPTION_TEXT_MAX] = "";
	uint64_t ret = 0;

	if (hw_option_parse(option, value, &ret, why) < 0)
		fail_msg("%s refused: %s", value, why);
	return ret;
}

static void refused(const struct hw_option *option, const char *value, const char *expected)
{
	char why[HW_OPTION_TEXT_MAX] = "";
	uint64_t ret = 42;

	assert_int_equal(hw_option_parse(option, value, &ret, why), -EINVAL);
	assert_int_equal(ret, 42);
	assert_string_equal(why, expected);
}

static void bools_have_four_spellings(void **state)
{
	(void)state;
	assert_int_equal(accepted(&flag, "yes"), 1);
	assert_int_equal(accepted(&flag, "true"), 1);
	assert_int_equal(accepted(&flag, "on"), 1);
	assert_int_equal(accepted(&flag, "1"), 1);
	assert_int_equal(accepted(&flag, "no"), 0);
	assert_int_equal(accepted(&flag, "off"), 0);
	refused(&flag, "maybe", "\"maybe\" is not one of yes, no");
	refused(&flag, "", "\"\" is not one of yes, no");
	refused(&flag, "YES", "\"YES\" is not one of yes, no");
}

static void durations_without_a_unit_are_seconds(void **state)
{
	(void)state;
	assert_int_equal(accepted(&wait_time, "50ms"), 50 * HW_MS);
	assert_int_equal(accepted(&wait_time, "1500us"), 1500000);
	assert_int_equal(accepted(&wait_time, "1s"), HW_SEC);
	assert_int_equal(accepted(&wait_time, "1m"), 60 * HW_SEC);
	assert_int_equal(accepted(&wait_time, "10"), 10 * HW_SEC);
	refused(&wait_time, "61", "\"61\" is out of range (1ms to 1m)");
	refused(&wait_time, "", "\"\" is not a duration (like 50ms, 1s or 2m)");
	refused(&wait_time, "10 ms", "\"10 ms\" is not a duration (like 50ms, 1s or 2m)");
	refused(&wait_time, "ms", "\"ms\" is not a duration (like 50ms, 1s or 2m)");
	refused(&wait_time, "-1s", "\"-1s\" is not a duration (like 50ms, 1s or 2m)");
	refused(&wait_time, "1.5s", "\"1.5s\" is not a duration (like 50ms, 1s or 2m)");
	refused(&wait_time, "2m", "\"2m\" is out of range (1ms to 1m)");
	refused(&wait_time, "999us", "\"999us\" is out of range (1ms to 1m)");
	refused(&wait_time, "99999999999999999999h",
		"\"99999999999999999999h\" is out of range (1ms to 1m)");
}

static void sizes_are_powers_of_1024(void **state)
{
	(void)state;
	assert_int_equal(accepted(&room, "4096"), 4096);
	assert_int_equal(accepted(&room, "64K"), 65536);
	assert_int_equal(accepted(&room, "16M"), 16u << 20);
	assert_int_equal(accepted(&room, "1T"), UINT64_C(1) << 40);
	refused(&room, "16m", "\"16m\" is not a size (like 4096, 64K or 16M)");
	refused(&room, "16MB", "\"16MB\" is not a size (like 4096, 64K or 16M)");
	refused(&room, "4095", "\"4095\" is out of range (4K to 1T)");
	refused(&room, "17179869184G", "\"17179869184G\" is out of range (4K to 1T)");
}

static void numbers_are_whole_and_in_range(void **state)
{
	(void)state;
	assert_int_equal(accepted(&number, "1"), 1);
	assert_int_equal(accepted(&number, "100"), 100);
	assert_true(accepted(&any_number, "18446744073709551615") == UINT64_MAX);
	refused(&number, "0", "\"0\" is out of range (1 to 100)");
	refused(&number, "101", "\"101\" is out of range (1 to 100)");
	refused(&number, "0x10", "\"0x10\" is not a number (like 100)");
	refused(&number, "+5", "\"+5\" is not a number (like 100)");
	refused(&any_number, "18446744073709551616",
		"\"18446744073709551616\" is out of range (0 to any)");
}

static void choices_match_whole_words(void **state)
{
	(void)state;
	assert_int_equal(accepted(&choice, "a"), 0);
	assert_int_equal(accepted(&choice, "long"), 2);
	refused(&choice, "lon", "\"lon\" is not one of a, b, long; did you mean long?");
	refused(&choice, "a|b", "\"a|b\" is not one of a, b, long");
	refused(&choice, "", "\"\" is not one of a, b, long");
}

static void texts_from_outside_are_quoted(void **state)
{
	(void)state;
	refused(&number, "\033[31m\xff", "\"\\x1b[31m\\xff\" is not a number (like 100)");
	refused(&text, "a\nb", "\"a\\nb\" contains a newline");
}

/* ---- tables ---- */

static void collect(void *arg, const struct hw_setting *setting, const char *mistake)
{
	(void)setting;
	hw_errors_add(arg, "%s", mistake);
}

static int apply(const struct hw_option_table *options, struct fields *fields,
		 const struct hw_setting *settings, size_t count, struct hw_errors *errors,
		 char **ret_strings)
{
	memset(fields, 0, sizeof(*fields));
	return hw_option_apply(options, fields, settings, count, collect, errors, ret_strings);
}

static void defaults_stand_in_for_what_is_not_set(void **state)
{
	struct hw_errors errors = { 0 };
	struct fields fields;
	char *strings;

	(void)state;
	assert_int_equal(apply(&table, &fields, NULL, 0, &errors, &strings), 0);
	assert_int_equal(fields.flag, 0);
	assert_int_equal(fields.choice, 1);
	assert_int_equal(fields.number, 7);
	assert_int_equal(fields.wait_ns, HW_SEC);
	assert_int_equal(fields.room, 16u << 20);
	assert_string_equal(fields.text, "plain");
	assert_null(fields.list);
	free(strings);
}

static void lists_gather_their_values(void **state)
{
	static const struct hw_setting settings[] = {
		{ "list", "one" }, { "text", "x" },  { "list", "two" },
		{ "list", "" },    { "flag", "on" },
	};
	struct hw_errors errors = { 0 };
	struct fields fields;
	char *strings;

	(void)state;
	assert_int_equal(apply(&table, &fields, settings, 5, &errors, &strings), 0);
	assert_string_equal(fields.list, "one\ntwo\n");
	assert_string_equal(fields.text, "x");
	assert_int_equal(fields.flag, 1);
	free(strings);
}

static void every_mistake_is_told_at_once(void **state)
{
	static const struct hw_setting settings[] = {
		{ "nmuber", "1" },  { "number", "x" },  { "text", "a" },     { "text", "b" },
		{ "list", "a\nb" }, { "list", "fine" }, { "zzzzzzzz", "1" },
	};
	struct hw_errors errors = { 0 };
	struct fields fields;
	char *strings;

	(void)state;
	assert_int_equal(apply(&table, &fields, settings, 7, &errors, &strings), -EINVAL);
	assert_int_equal(errors.count, 5);
	assert_string_equal(errors.lines[0], "unknown key \"nmuber\", did you mean \"number\"?");
	assert_string_equal(errors.lines[1], "unknown key \"zzzzzzzz\"");
	assert_string_equal(errors.lines[2], "number: \"x\" is not a number (like 100)");
	assert_string_equal(errors.lines[3], "text: set more than once");
	assert_string_equal(errors.lines[4], "list: \"a\\nb\" contains a newline");
	assert_null(fields.text);
	hw_errors_free(&errors);
}

static void required_options_must_be_given(void **state)
{
	static const struct hw_option *const options[] = { &needed };
	static const struct hw_option_table required = { options, 1 };
	static const struct hw_setting empty = { "needed", "" }, given = { "needed", "v" };
	struct hw_errors errors = { 0 };
	struct fields fields;
	char *strings;

	(void)state;
	assert_int_equal(apply(&required, &fields, NULL, 0, &errors, &strings), -EINVAL);
	assert_int_equal(apply(&required, &fields, &empty, 1, &errors, &strings), -EINVAL);
	assert_string_equal(errors.lines[0], "needed: required, but not set");
	assert_string_equal(errors.lines[1], "needed: must not be empty");
	assert_int_equal(apply(&required, &fields, &given, 1, &errors, &strings), 0);
	assert_string_equal(fields.needed, "v");
	free(strings);
	hw_errors_free(&errors);
}

static void check_bad(struct hw_option option, const char *expected)
{
	const struct hw_option *const options[] = { &flag, &option };
	const struct hw_option_table bad = { options, 2 };
	char why[HW_OPTION_TEXT_MAX];

	assert_int_equal(hw_option_check_table(&bad, sizeof(struct fields), why), -EINVAL);
	assert_non_null(strstr(why, expected));
}

static void unsound_tables_are_refused(void **state)
{
	struct hw_option option = number;
	char why[HW_OPTION_TEXT_MAX];

	(void)state;
	assert_int_equal(hw_option_check_table(&table, sizeof(struct fields), why), 0);
	assert_int_equal(hw_option_check_table(&table, sizeof(struct fields) - 16, why), -EINVAL);
	option.offset = sizeof(struct fields);
	check_bad(option, "outside");
	option.offset = UINT32_MAX - 7;
	check_bad(option, "outside");
	option.offset = number.offset + 4;
	check_bad(option, "misaligned");
	option = number, option.key = "Number";
	check_bad(option, "no valid key");
	option = number, option.key = "flag";
	check_bad(option, "twice");
	option = number, option.type = 99;
	check_bad(option, "type");
	option = number, option.flags = 8;
	check_bad(option, "flags");
	option = number, option.min = 101;
	check_bad(option, "empty range");
	option = number, option.value = "0";
	check_bad(option, "default");
	option = number, option.flags = HW_OPTION_REQUIRED;
	check_bad(option, "required");
	option = choice, option.choices = NULL;
	check_bad(option, "choices");
}

static void near_words_are_suggested(void **state)
{
	static const char *const words[] = { "interval", "settle", "settle_max", "path",
					     "journal" };

	(void)state;
	assert_string_equal(hw_suggest("intervall", words, 5), "interval");
	assert_string_equal(hw_suggest("pahth", words, 5), "path");
	assert_string_equal(hw_suggest("setle", words, 5), "settle");
	assert_string_equal(hw_suggest("jounral", words, 5), "journal");
	assert_null(hw_suggest("colour", words, 5));
	assert_null(hw_suggest("", words, 5));
	assert_null(hw_suggest("x", words, 5));
}

static void numbers_are_written_as_they_are_read(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(hw_option_format(&wait_time, 0, buf, sizeof(buf)), "0us");
	assert_string_equal(hw_option_format(&wait_time, 1500 * HW_MS, buf, sizeof(buf)), "1500ms");
	assert_string_equal(hw_option_format(&room, 4097, buf, sizeof(buf)), "4097");
	assert_string_equal(hw_option_format(&room, 3u << 20, buf, sizeof(buf)), "3M");
	assert_string_equal(hw_option_format(&choice, 2, buf, sizeof(buf)), "long");
	assert_string_equal(hw_option_describe(&wait_time, buf, sizeof(buf)),
			    "duration, 1ms to 1m");
}

static void quoting_leaves_nothing_dangerous(void **state)
{
	static const struct {
		const char *bytes, *quoted;
	} cases[] = {
		{ "plain", "\"plain\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\t\n\r", "\"\\t\\n\\r\"" },
		{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
		{ "\xf0\x9f\x90\xa7", "\"\xf0\x9f\x90\xa7\"" },
		{ "\xc3", "\"\\xc3\"" },
		{ "\xc0\xaf", "\"\\xc0\\xaf\"" },
		{ "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"" },
		{ "\xc2\x9b"
		  "31m",
		  "\"\\xc2\\x9b31m\"" },
		{ "\xe2\x80\xae", "\"\\xe2\\x80\\xae\"" },
		{ "\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(hw_quote(buf, sizeof(buf), cases[i].bytes,
					     strlen(cases[i].bytes)),
				    cases[i].quoted);
	assert_string_equal(hw_quote(buf, 8, "12345", 5), "\"12345\"");
	assert_string_equal(hw_quote(buf, 8, "123456", 6), "\"12...\"");
	for (size_t size = 1; size < 20; size++)
		assert_true(strlen(hw_quote(buf, size, "\xff\xff\xff\xff\xff", 5)) < size);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bools_have_four_spellings),
		cmocka_unit_test(durations_without_a_unit_are_seconds),
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(choices_match_whole_words),
		cmocka_unit_test(texts_from_outside_are_quoted),
		cmocka_unit_test(defaults_stand_in_for_what_is_not_set),
		cmocka_unit_test(lists_gather_their_values),
		cmocka_unit_test(every_mistake_is_told_at_once),
		cmocka_unit_test(required_options_must_be_given),
		cmocka_unit_test(unsound_tables_are_refused),
		cmocka_unit_test(near_words_are_suggested),
		cmocka_unit_test(numbers_are_written_as_they_are_read),
		cmocka_unit_test(quoting_leaves_nothing_dangerous),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
