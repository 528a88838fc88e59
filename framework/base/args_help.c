/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the text of --help, from the table. */
#include "args.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 80 /* columns */
#define LEFT_MAX 26 /* columns for names of options; a longer name has its own line */

/* Prints a paragraph, starting at column `at`; further lines begin at column `indent`. */
static void wrap(const char *text, int at, int indent)
{
	while (*text) {
		int len = (int)strcspn(text, " \n");

		if (at > indent && at + 1 + len > WIDTH) {
			printf("\n%*s", indent, "");
			at = indent;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		printf("%.*s", len, text);
		at += len;
		text += len;
		if (text[0] == '\n') {
			printf("\n%*s", indent, "");
			at = indent;
		}
		text += *text != '\0';
	}
	putchar('\n');
}

/* Paragraphs that begin with a space are not wrapped. */
static void print_paragraphs(const char *text)
{
	while (text && *text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		char paragraph[2048];

		(void)snprintf(paragraph, sizeof(paragraph), "%.*s", (int)len, text);
		putchar('\n');
		if (*paragraph == ' ')
			printf("%s\n", paragraph);
		else
			wrap(paragraph, 0, 0);
		text = end ? end + 2 : NULL;
	}
}

static int name_of(const struct hw_arg *arg, char *buf, size_t size)
{
	char letter[8] = "    ";

	if (arg->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", arg->letter);
	return snprintf(buf, size, "  %s--%s%s%s", letter, arg->name, arg->value ? " " : "",
			arg->value ? arg->value : "");
}

static void print_arg(const struct hw_arg *arg, int left)
{
	char name[120];
	int width = name_of(arg, name, sizeof(name));

	printf("%-*s", left, name);
	if (width + 2 > left)
		printf("\n%*s", left, "");
	wrap(arg->help, left, left);
}

static void print_synopsis(const struct hw_command_line *line)
{
	const char *form = line->synopsis ? line->synopsis : "";
	const char *word = "usage:";

	for (;;) {
		size_t len = strcspn(form, "\n");

		printf("%-6s %s%s%.*s\n", word, line->program, len ? " " : "", (int)len, form);
		if (!form[len])
			break;
		form += len + 1;
		word = "";
	}
}

static const struct hw_arg help = { .name = "help", .letter = 'h', .help = "Print this text." };
static const struct hw_arg version = {
	.name = "version",
	.letter = 'V',
	.help = "Print the version.",
};

void hw_args_print_help(const struct hw_command_line *line)
{
	char name[120];

	print_synopsis(line);
	print_paragraphs(line->about);
	putchar('\n');
	int left = name_of(line->has_version ? &version : &help, name, sizeof(name)) + 2;

	for (size_t i = 0; i < line->arg_count; i++) {
		int width = name_of(&line->args[i], name, sizeof(name)) + 2;

		left = width > left && width <= LEFT_MAX ? width : left;
	}
	for (size_t i = 0; i < line->arg_count; i++)
		print_arg(&line->args[i], left);
	print_arg(&help, left);
	if (line->has_version)
		print_arg(&version, left);
	print_paragraphs(line->footer);
}
