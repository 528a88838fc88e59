/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "args.h"
#include "log.h"
#include "option.h"
#include "standard.h"
#include "suggest.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED_MAX 200u /* bytes of a word shown in a message */
#define WORD_MAX 64u /* bytes of a word in a set of choices */
#define VALUE_HELP 256 /* above the values of all letters; getopt_long() returns these */
#define VALUE_VERSION 257
#define VALUE_ARGS 258

struct parser {
	const struct hw_command_line *line; /* borrowed */
	struct option longs[HW_ARGS_MAX + 3];
	char shorts[3 * HW_ARGS_MAX + 8];
	char *settings; /* borrowed */
	char **argv; /* borrowed; operands move to its beginning */
	int operands;
	const char *value; /* the option value that getopt_long() returned last */
};

void hw_words_free(struct hw_words *words)
{
	free(words->items);
	*words = (struct hw_words){ 0 };
}

/* ---- errors ---- */

__attribute__((format(printf, 2, 0))) static void complain(const struct hw_command_line *line,
							   const char *format, va_list ap)
{
	(void)hw_standard_flush(); /* hw_standard_end() reports an error */
	fprintf(stderr, "%s: ", line->program);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

int hw_args_mistake(const struct hw_command_line *line, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(line, format, ap);
	va_end(ap);
	fprintf(stderr, "Try '%s --help'.\n", line->program);
	return HW_EXIT_USAGE;
}

int hw_args_failure(const struct hw_command_line *line, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(line, format, ap);
	va_end(ap);
	return HW_EXIT_FAILURE;
}

static const char *quoted(char buf[QUOTED_MAX], const char *text)
{
	return hw_quote(buf, QUOTED_MAX, text, strlen(text));
}

/* ---- values ---- */

static int append(struct hw_words *words, const char *value)
{
	const char **items = reallocarray(words->items, words->count + 1, sizeof(*items));

	if (!items)
		return -1;
	items[words->count++] = value;
	words->items = items;
	return 0;
}

static int take_number(struct parser *parser, const struct hw_arg *arg, const char *value,
		       uint64_t *ret)
{
	static const uint16_t types[] = {
		[HW_ARG_NUMBER] = HW_OPTION_NUMBER,
		[HW_ARG_DURATION] = HW_OPTION_DURATION,
		[HW_ARG_CHOICE] = HW_OPTION_ENUM,
		[HW_ARG_SET] = HW_OPTION_ENUM,
	};
	const struct hw_option option = {
		.key = arg->name,
		.type = types[arg->type],
		.min = arg->min,
		.max = arg->max ? arg->max : UINT64_MAX,
		.choices = arg->choices,
	};
	char why[HW_OPTION_TEXT_MAX];

	if (hw_option_parse(&option, value, ret, why) == 0)
		return -1;
	return hw_args_mistake(parser->line, "--%s: %s", arg->name, why);
}

static int take_set(struct parser *parser, const struct hw_arg *arg, const char *value,
		    uint32_t *ret)
{
	uint64_t index = 0;
	int status;

	for (const char *at = value, *end; at; at = *end ? end + 1 : NULL) {
		char word[WORD_MAX];

		end = strchrnul(at, ',');
		(void)snprintf(word, sizeof(word), "%.*s", (int)(end - at), at);
		status = take_number(parser, arg, word, &index);
		if (status >= 0)
			return status;
		*ret |= UINT32_C(1) << index;
	}
	return -1;
}

/* Returns -1, or an exit status. */
static int take_value(struct parser *parser, const struct hw_arg *arg, const char *value)
{
	void *field = parser->settings + arg->offset;
	uint64_t number = 0;
	int status = -1;

	switch (arg->type) {
	case HW_ARG_FLAG:
		*(bool *)field = true;
		break;
	case HW_ARG_TEXT:
		*(const char **)field = value;
		break;
	case HW_ARG_TEXTS:
		if (append(field, value) < 0)
			return hw_args_failure(parser->line, "out of memory");
		break;
	case HW_ARG_SET:
		return take_set(parser, arg, value, field);
	case HW_ARG_NUMBER:
	case HW_ARG_DURATION:
		status = take_number(parser, arg, value, field);
		break;
	case HW_ARG_CHOICE:
		status = take_number(parser, arg, value, &number);
		if (status < 0)
			*(uint32_t *)field = (uint32_t)number;
		break;
	}
	return status;
}

/* ---- what getopt_long() does not accept ---- */

/* Returns the most recently parsed option as the user wrote it. */
static const struct hw_arg *arg_of(const struct hw_command_line *line, int value)
{
	for (size_t i = 0; i < line->arg_count; i++) {
		if (line->args[i].letter == value || VALUE_ARGS + (int)i == value)
			return &line->args[i];
	}
	return NULL;
}

static int unknown_long(const struct parser *parser, const char *word)
{
	const char *names[HW_ARGS_MAX + 2], *meant;
	char name[QUOTED_MAX], buf[QUOTED_MAX];
	size_t count = 0, len = strcspn(word, "="), near = 0;

	(void)snprintf(name, sizeof(name), "%.*s", (int)(len < 100 ? len : 100), word);
	for (const struct option *at = parser->longs; at->name; at++) {
		if (strcmp(at->name, name) == 0)
			return hw_args_mistake(parser->line, "--%s takes no value", at->name);
		near += strncmp(at->name, name, strlen(name)) == 0;
		names[count++] = at->name;
	}
	if (near > 1)
		return hw_args_mistake(parser->line, "--%s: more than one option begins like this",
				       name);
	meant = hw_suggest(name, names, count);
	return hw_args_mistake(parser->line, "%s: no such option%s%s%s",
			       quoted(buf, parser->argv[optind - 1]),
			       meant ? ", did you mean --" : "", meant ? meant : "",
			       meant ? "?" : "");
}

static int refuse(const struct parser *parser)
{
	const char *word = parser->argv[optind - 1];
	char letter[QUOTED_MAX], text[3] = { '-', (char)optopt, '\0' };

	/* optopt is 0 for an unknown long option, a known value for an option that takes no value
	 * but has one, and an unknown letter otherwise. */
	if (optopt == 0 || optopt >= VALUE_HELP || optopt == 'h' || arg_of(parser->line, optopt))
		return unknown_long(parser, word + 2);
	return hw_args_mistake(parser->line, "%s: no such option", quoted(letter, text));
}

static int value_is_missing(const struct parser *parser)
{
	const struct hw_arg *arg = arg_of(parser->line, optopt);

	return hw_args_mistake(parser->line, "--%s needs a value: %s", arg->name, arg->value);
}

/* ---- parsing ---- */

static void prepare(struct parser *parser)
{
	const struct hw_command_line *line = parser->line;
	struct option *at = parser->longs;
	char *letter = parser->shorts;

	/* Keeps the order of operands and suppresses the messages of getopt_long(). */
	letter = stpcpy(letter, "-:h");
	for (size_t i = 0; i < line->arg_count; i++) {
		const struct hw_arg *arg = &line->args[i];
		int takes = arg->type == HW_ARG_FLAG ? no_argument : required_argument;

		*at++ = (struct option){ arg->name, takes, NULL,
					 arg->letter ? arg->letter : VALUE_ARGS + (int)i };
		if (!arg->letter)
			continue;
		*letter++ = arg->letter;
		if (takes == required_argument)
			*letter++ = ':';
	}
	*at++ = (struct option){ "help", no_argument, NULL, VALUE_HELP };
	if (line->has_version) {
		*at++ = (struct option){ "version", no_argument, NULL, VALUE_VERSION };
		*letter++ = 'V';
	}
	*letter = '\0';
}

/* Returns -1 to continue, else an exit status. */
static int take(struct parser *parser, int c)
{
	const struct hw_arg *arg;

	switch (c) {
	case 1:
		parser->argv[parser->operands++] = optarg; /* before the arguments that
							    * getopt_long() has yet to read */
		return -1;
	case '?':
		return refuse(parser);
	case ':':
		return value_is_missing(parser);
	default:
		break;
	}
	parser->value = optarg;
	arg = arg_of(parser->line, c);
	if (arg)
		return take_value(parser, arg, optarg);
	if (c == 'h' || c == VALUE_HELP)
		hw_args_print_help(parser->line);
	else
		printf("%s %s\n", parser->line->program, HW_VERSION);
	return 0;
}

/* Reports the first missing operand. The last name stands for all further operands. */
static int operand_is_missing(const struct hw_command_line *line, unsigned given)
{
	const char *name = line->operand;
	size_t len = strcspn(name, " ");

	while (given-- && name[len]) {
		name += len + 1;
		len = strcspn(name, " ");
	}
	return hw_args_mistake(line, "%.*s is missing", (int)len, name);
}

static int check_operands(const struct parser *parser)
{
	const struct hw_command_line *line = parser->line;
	unsigned count = (unsigned)parser->operands;
	char buf[QUOTED_MAX];

	if (count < line->operands_min)
		return operand_is_missing(line, count);
	if (count > line->operands_max)
		return hw_args_mistake(line, "%s: unexpected argument",
				       quoted(buf, parser->argv[line->operands_max]));
	return -1;
}

/* The words after "--" are a command, or further operands. */
static int take_rest(struct parser *parser, int argc, struct hw_operands *ret)
{
	const char *last = parser->argv[optind - 1];
	bool ended = strcmp(last, "--") == 0 && last != parser->value;

	if (ended && parser->line->takes_command) {
		if (optind == argc)
			return hw_args_mistake(parser->line, "a command is missing after --");
		ret->command = parser->argv + optind;
		return -1;
	}
	for (int i = optind; i < argc; i++)
		parser->argv[parser->operands++] = parser->argv[i];
	return -1;
}

int hw_args_parse(const struct hw_command_line *line, int argc, char **argv, void *settings,
		  struct hw_operands *ret)
{
	struct parser parser = {
		.line = line, .settings = settings, .argv = argv, .operands = 1, /* argv[0] stays */
	};
	int c, status = -1;

	*ret = (struct hw_operands){ 0 };
	if (argc == 2 && strcmp(argv[1], HW_ARGS_TABLE) == 0) {
		hw_args_print_table(line);
		return 0;
	}
	prepare(&parser);
	opterr = 0;
	optind = 0; /* resets getopt_long(), because this function may be called repeatedly */
	while (status < 0 && (c = getopt_long(argc, argv, parser.shorts, parser.longs, NULL)) != -1)
		status = take(&parser, c);
	if (status < 0)
		status = take_rest(&parser, argc, ret);
	if (status >= 0)
		return status;
	ret->items = argv + 1;
	ret->count = --parser.operands;
	parser.argv = argv + 1;
	return check_operands(&parser);
}
