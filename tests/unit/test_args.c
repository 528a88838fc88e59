/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command lines parsed by a table: values, operands, commands, and one form for all mistakes. */
#include "args.h"

#include <hostwatch/plugin.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h requires the headers above. */
#include <cmocka.h>

struct settings {
	bool json;
	const char *name;
	struct hw_words globs;
	uint64_t count, settle;
	uint32_t level, events;
};

#define FIELD(member) .offset = offsetof(struct settings, member)
static const struct hw_arg args[] = {
	{ .name = "json", .letter = 'j', .type = HW_ARG_FLAG, .help = "JSON.", FIELD(json) },
	{ .name = "name",
	  .letter = 'n',
	  .type = HW_ARG_TEXT,
	  .value = "NAME",
	  .help = "Name.",
	  FIELD(name) },
	{ .name = "exclude",
	  .letter = 'x',
	  .type = HW_ARG_TEXTS,
	  .value = "GLOB",
	  .help = "Globs.",
	  FIELD(globs) },
	{ .name = "count",
	  .type = HW_ARG_NUMBER,
	  .value = "N",
	  .help = "Count.",
	  FIELD(count),
	  .min = 1,
	  .max = 9 },
	{ .name = "settle",
	  .letter = 's',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "Time.",
	  FIELD(settle) },
	{ .name = "level",
	  .letter = 'l',
	  .type = HW_ARG_CHOICE,
	  .value = "LEVEL",
	  .help = "Level.",
	  FIELD(level),
	  .choices = "error|warning|info" },
	{ .name = "events",
	  .letter = 'E',
	  .type = HW_ARG_SET,
	  .value = "EVENTS",
	  .help = "Events.",
	  FIELD(events),
	  .choices = "create|delete|move" },
};
static const struct hw_command_line line = {
	.program = "prog sub",
	.synopsis = "[OPTION]... DIR... [-- COMMAND...]\n--other",
	.about = "First paragraph.\n\nSecond.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "DIR",
	.operands_min = 1,
	.operands_max = 2,
	.takes_command = true,
	.has_version = true,
};

/* The result of one parse, with its output on stderr and stdout. */
static struct settings settings;
static struct hw_operands operands;
static char output[8192];
static char *words[32];

static int parse_by(const struct hw_command_line *by, const char *text)
{
	static char copy[1024];
	int count = 0, saved[2] = { dup(1), dup(2) }, status;
	FILE *file = tmpfile();
	char *rest = NULL;

	hw_words_free(&settings.globs);
	settings = (struct settings){ 0 };
	(void)snprintf(copy, sizeof(copy), "%s", text);
	words[count++] = "prog";
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	words[count] = NULL;
	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), 1);
	dup2(fileno(file), 2);
	status = hw_args_parse(by, count, words, &settings, &operands);
	fflush(stdout);
	dup2(saved[0], 1);
	dup2(saved[1], 2);
	close(saved[0]);
	close(saved[1]);
	rewind(file);
	output[fread(output, 1, sizeof(output) - 1, file)] = '\0';
	fclose(file);
	return status;
}

static int parse(const char *text)
{
	return parse_by(&line, text);
}

static void refused_by(const struct hw_command_line *by, const char *text, const char *message)
{
	char expected[1024];

	(void)snprintf(expected, sizeof(expected), "prog sub: %s\nTry 'prog sub --help'.\n",
		       message);
	assert_int_equal(parse_by(by, text), HW_EXIT_USAGE);
	assert_string_equal(output, expected);
}

static void refused(const char *text, const char *message)
{
	refused_by(&line, text, message);
}

static void values_reach_their_fields(void **state)
{
	(void)state;
	assert_int_equal(parse("-j a --name=x -x one b --exclude two --count 9 --level info"), -1);
	assert_true(settings.json);
	assert_string_equal(settings.name, "x");
	assert_int_equal(settings.globs.count, 2);
	assert_string_equal(settings.globs.items[0], "one");
	assert_string_equal(settings.globs.items[1], "two");
	assert_int_equal(settings.count, 9);
	assert_int_equal(settings.level, 2);
	assert_int_equal(operands.count, 2);
	assert_string_equal(operands.items[0], "a");
	assert_string_equal(operands.items[1], "b");
	assert_null(operands.command);
	assert_string_equal(output, "");
}

static void a_duration_without_a_unit_is_in_seconds(void **state)
{
	(void)state;
	assert_int_equal(parse("-s 20 d"), -1);
	assert_int_equal(settings.settle, 20 * HW_SEC);
	assert_int_equal(parse("-s 20ms d"), -1);
	assert_int_equal(settings.settle, 20 * HW_MS);
	refused("-s soon d", "--settle: \"soon\" is not a duration (like 50ms, 1s or 2m)");
	refused("-s -1 d", "--settle: \"-1\" is not a duration (like 50ms, 1s or 2m)");
}

static void a_set_is_a_list_and_may_be_repeated(void **state)
{
	(void)state;
	assert_int_equal(parse("-E create,move d"), -1);
	assert_int_equal(settings.events, 1 | 4);
	assert_int_equal(parse("-E create -E delete d"), -1);
	assert_int_equal(settings.events, 1 | 2);
	refused("-E create,mov d",
		"--events: \"mov\" is not one of create, delete, move; did you mean move?");
	refused("-E , d", "--events: \"\" is not one of create, delete, move");
}

static void mistakes_name_the_option_and_what_was_meant(void **state)
{
	(void)state;
	refused("--setle 1s d", "\"--setle\": no such option, did you mean --settle?");
	refused("--colour d", "\"--colour\": no such option");
	refused("--e d", "--e: more than one option begins like this");
	refused("-z d", "\"-z\": no such option");
	refused("--settle=1s -jz d", "\"-z\": no such option");
	refused("--json=yes d", "--json takes no value");
	refused("--help=yes d", "--help takes no value");
	refused("d --settle", "--settle needs a value: TIME");
	refused("d -s", "--settle needs a value: TIME");
	refused("--count 10 d", "--count: \"10\" is out of range (1 to 9)");
	refused("--level wrning d", "--level: \"wrning\" is not one of error, warning, info; "
				    "did you mean warning?");
	refused("--level= d", "--level: \"\" is not one of error, warning, info");
}

static void operands_are_counted(void **state)
{
	(void)state;
	refused("", "DIR is missing");
	refused("-j", "DIR is missing");
	refused("a b c", "\"c\": unexpected argument");
	assert_int_equal(parse("- a"), -1);
	assert_string_equal(operands.items[0], "-");
}

static void the_operand_that_is_missing_is_named(void **state)
{
	static const struct hw_command_line pair = {
		.program = "prog sub",
		.operand = "SHARE WATCHER",
		.operands_min = 2,
		.operands_max = 2,
	};

	(void)state;
	refused_by(&pair, "", "SHARE is missing");
	refused_by(&pair, "a", "WATCHER is missing");
	refused_by(&pair, "a b c", "\"c\": unexpected argument");
}

static void words_after_two_dashes_are_a_command(void **state)
{
	(void)state;
	assert_int_equal(parse("a -j -- make -j2 -- x"), -1);
	assert_true(settings.json);
	assert_int_equal(operands.count, 1);
	assert_string_equal(operands.command[0], "make");
	assert_string_equal(operands.command[1], "-j2");
	assert_string_equal(operands.command[2], "--");
	assert_string_equal(operands.command[3], "x");
	assert_null(operands.command[4]);
	refused("a --", "a command is missing after --");
	/* An option value "--" does not end the options. */
	assert_int_equal(parse("a -x --"), -1);
	assert_null(operands.command);
	assert_string_equal(settings.globs.items[0], "--");
	assert_int_equal(parse("-x -- a"), -1);
	assert_null(operands.command);
	assert_string_equal(operands.items[0], "a");
}

static void help_and_version_end_with_success(void **state)
{
	(void)state;
	assert_int_equal(parse("--help"), 0);
	assert_non_null(strstr(output, "usage: prog sub [OPTION]... DIR... [-- COMMAND...]\n"
				       "       prog sub --other\n\nFirst paragraph.\n\nSecond.\n"));
	assert_non_null(strstr(output, "\n  -s, --settle TIME  "));
	assert_non_null(strstr(output, "\n      --count N  "));
	assert_int_equal(parse("-V"), 0);
	assert_int_equal(strncmp(output, "prog sub ", 9), 0);
	assert_int_equal(parse("-jh"), 0);
}

/* Control sequences must not reach the terminal. */
static void words_from_the_user_are_quoted(void **state)
{
	(void)state;
	refused("--\033[2J d", "\"--\\x1b[2J\": no such option");
	refused("a b \033c", "\"\\x1bc\": unexpected argument");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_reach_their_fields),
		cmocka_unit_test(a_duration_without_a_unit_is_in_seconds),
		cmocka_unit_test(a_set_is_a_list_and_may_be_repeated),
		cmocka_unit_test(mistakes_name_the_option_and_what_was_meant),
		cmocka_unit_test(operands_are_counted),
		cmocka_unit_test(the_operand_that_is_missing_is_named),
		cmocka_unit_test(words_after_two_dashes_are_a_command),
		cmocka_unit_test(help_and_version_end_with_success),
		cmocka_unit_test(words_from_the_user_are_quoted),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	hw_words_free(&settings.globs);
	return failed;
}
