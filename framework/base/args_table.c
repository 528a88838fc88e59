/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the table as lines of text, from which mk/completions generates shell completions. */
#include "args.h"

#include <stdio.h>

static const char *const types[] = {
	[HW_ARG_FLAG] = "flag",     [HW_ARG_TEXT] = "text",         [HW_ARG_TEXTS] = "texts",
	[HW_ARG_NUMBER] = "number", [HW_ARG_DURATION] = "duration", [HW_ARG_CHOICE] = "choice",
	[HW_ARG_SET] = "set",
};

static const char *const values[] = {
	[HW_COMPLETE_NOTHING] = "nothing", [HW_COMPLETE_FILE] = "file",
	[HW_COMPLETE_DIR] = "dir",         [HW_COMPLETE_COMMAND] = "command",
	[HW_COMPLETE_WATCHER] = "watcher", [HW_COMPLETE_PLUGIN] = "plugin",
	[HW_COMPLETE_SHARE] = "share",     [HW_COMPLETE_ADDRESS] = "address",
};

static const char *text_of(const char *text)
{
	return text && *text ? text : "-";
}

static void print_option(const struct hw_arg *arg)
{
	const char letter[] = { arg->letter ? arg->letter : '-', '\0' };

	printf("option\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", arg->name, letter, types[arg->type],
	       values[arg->complete], text_of(arg->value), text_of(arg->choices),
	       text_of(arg->help));
}

void hw_args_print_table(const struct hw_command_line *line)
{
	static const struct hw_arg help = { .name = "help",
					    .letter = 'h',
					    .help = "Print this text." };
	static const struct hw_arg version = { .name = "version",
					       .letter = 'V',
					       .help = "Print the version." };
	enum hw_arg_complete next = line->complete_next ? line->complete_next : line->complete;

	printf("program\t%s\t%s\n", line->program, text_of(line->summary));
	for (size_t i = 0; i < line->arg_count; i++)
		print_option(&line->args[i]);
	print_option(&help);
	if (line->has_version)
		print_option(&version);
	if (line->operands_max)
		printf("operand\t%s\t%u\t%s\t%s\t%s\n", text_of(line->operand), line->operands_max,
		       values[line->complete], values[next], text_of(line->choices));
	if (line->takes_command)
		puts("command");
}
