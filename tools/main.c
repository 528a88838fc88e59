/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch: runs a subcommand. */
#include "log.h"
#include "standard.h"
#include "suggest.h"
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "hostwatch " /* prefix of each tool's program name */
#define COMMANDS_MAX 2000u /* bytes of the list of commands */

static const struct tool {
	const struct hw_command_line *line;
	int (*run)(int argc, char **argv);
} tools[] = {
	{ &tool_bench_line, tool_bench },
	{ &tool_check_line, tool_check },
	{ &tool_demo_line, tool_demo },
	{ &tool_explain_line, tool_explain },
	{ &tool_guest_sim_line, tool_guest_sim },
	{ &tool_metrics_line, tool_metrics },
	{ &tool_new_plugin_line, tool_new_plugin },
	{ &tool_plugin_check_line, tool_plugin_check },
	{ &tool_plugins_line, tool_plugins },
	{ &tool_reload_line, tool_reload },
	{ &tool_since_line, tool_since },
	{ &tool_status_line, tool_status },
	{ &tool_switch_line, tool_switch },
	{ &tool_sync_line, tool_sync },
	{ &tool_tail_line, tool_tail },
	{ &tool_watch_line, tool_watch },
};
#define TOOL_COUNT (sizeof(tools) / sizeof(tools[0]))

static const char *name_of(const struct tool *tool)
{
	return tool->line->program + strlen(PREFIX);
}

/* Writes " NAME summary" for each, without the last line feed. */
static void list_commands(char text[COMMANDS_MAX])
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < TOOL_COUNT && len < COMMANDS_MAX; i++)
		len += (size_t)snprintf(text + len, COMMANDS_MAX - len, "%s  %-13s %s",
					i ? "\n" : "", name_of(&tools[i]), tools[i].line->summary);
}

static int find_tool(const struct hw_command_line *line, const char *name, const struct tool **ret)
{
	const char *names[TOOL_COUNT], *meant;
	char quoted[100];

	for (size_t i = 0; i < TOOL_COUNT; i++) {
		names[i] = name_of(&tools[i]);
		if (strcmp(name, names[i]) == 0) {
			*ret = &tools[i];
			return -1;
		}
	}
	meant = hw_suggest(name, names, TOOL_COUNT);
	return hw_args_mistake(line, "%s: no such command%s%s%s",
			       hw_quote(quoted, sizeof(quoted), name, strlen(name)),
			       meant ? ", did you mean " : "", meant ? meant : "",
			       meant ? "?" : "");
}

static int run_tool(const struct hw_command_line *line, int argc, char **argv)
{
	const struct tool *tool = NULL;
	char name[32];
	int status = find_tool(line, argv[0], &tool);

	if (status >= 0)
		return status;
	(void)snprintf(name, sizeof(name), "%s", tool->line->program);
	argv[0] = name; /* getopt_long() prints it before its messages */
	return tool->run(argc, argv);
}

/* hostwatch help [COMMAND] */
static int help(const struct hw_command_line *line, int argc, char **argv)
{
	char option[] = "--help";
	char *words[] = { argv[1], option, NULL };

	if (argc > 2)
		return hw_args_mistake(line, "help takes one command");
	if (argc == 2)
		return run_tool(line, 2, words);
	hw_args_print_help(line);
	return EXIT_SUCCESS;
}

static int print_tables(const struct hw_command_line *line)
{
	hw_args_print_table(line);
	for (size_t i = 0; i < TOOL_COUNT; i++)
		hw_args_print_table(tools[i].line);
	return EXIT_SUCCESS;
}

/* Returns whether the program was called by the name of the hook. */
static bool is_git_hook(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, tool_git_fsmonitor_line.program) == 0;
}

static int run(int argc, char **argv)
{
	char commands[COMMANDS_MAX];
	const struct hw_command_line line = {
		.program = "hostwatch",
		.synopsis = "COMMAND [OPTION]... [ARGUMENT]...",
		.about = commands,
		.footer = "COMMAND --help describes a command. See hostwatch(1); the daemon is "
			  "hostwatchd(8).",
		.has_version = true,
		.operand = "COMMAND",
	};
	struct hw_operands operands;

	if (argc > 0 && is_git_hook(argv[0]))
		return tool_git_fsmonitor(argc, argv);
	list_commands(commands);
	if (argc < 2) {
		fprintf(stderr, "usage: %s %s\n\n%s\n\nTry '%s --help'.\n", line.program,
			line.synopsis, commands, line.program);
		return HW_EXIT_USAGE;
	}
	if (strcmp(argv[1], HW_ARGS_TABLE) == 0)
		return print_tables(&line);
	if (strcmp(argv[1], "help") == 0)
		return help(&line, argc - 1, argv + 1);
	if (argv[1][0] != '-')
		return run_tool(&line, argc - 1, argv + 1);
	int status = hw_args_parse(&line, 2, argv, NULL, &operands); /* help has its own options */

	return status >= 0 ? status : hw_args_mistake(&line, "COMMAND is missing");
}

int main(int argc, char **argv)
{
	hw_standard_begin();
	return hw_standard_end(run(argc, argv));
}
