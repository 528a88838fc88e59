/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch: finds the subcommand. */
#include "log.h"
#include "standard.h"
#include "suggest.h"
#include "tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tool {
	const char *name;
	const char *arguments;
	const char *help;
	int (*run)(int argc, char **argv);
} tools[] = {
	{ "check", "FILE", "find every mistake in a configuration", tool_check },
	{ "demo", "[DIR]", "change a directory while every watcher looks on, and compare",
	  tool_demo },
	{ "explain", "DIR", "which watcher each filesystem below DIR would get, and why",
	  tool_explain },
	{ "guest-sim", "ADDRESS", "play the guest of a virtiofs sink and print what it is told",
	  tool_guest_sim },
	{ "new-plugin", "KIND NAME", "begin a watcher or sink of your own", tool_new_plugin },
	{ "plugin-check", "FILE", "run the conformance kit on a plugin", tool_plugin_check },
	{ "plugins", "[NAME]", "plugins that are found, and their options", tool_plugins },
	{ "status", "", "shares and receivers of the running daemon", tool_status },
	{ "switch", "SHARE WATCHER", "change the watcher of a running share", tool_switch },
	{ "sync", "SHARE", "wait until the stream tells all that happened before", tool_sync },
	{ "tail", "ADDRESS", "print what a socket sink sends", tool_tail },
	{ "watch", "DIR", "print what happens in a directory, without a daemon", tool_watch },
};
#define TOOL_COUNT (sizeof(tools) / sizeof(tools[0]))

static void print_help(void)
{
	printf("hostwatch: what happens to directories that a host shares with its guests\n\n"
	       "usage: hostwatch COMMAND [OPTION]... [ARGUMENT]...\n\n");
	for (size_t i = 0; i < TOOL_COUNT; i++)
		printf("  %-12s %-14s %s\n", tools[i].name, tools[i].arguments, tools[i].help);
	printf("\n  -h, --help     this text; behind a command: its options\n"
	       "  -V, --version  the version\n\n"
	       "See hostwatch(1); the daemon is hostwatchd(8).\n");
}

static int unknown(const char *name)
{
	const char *names[TOOL_COUNT], *meant;
	char quoted[100];

	for (size_t i = 0; i < TOOL_COUNT; i++)
		names[i] = tools[i].name;
	meant = hw_suggest(name, names, TOOL_COUNT);
	hw_quote(quoted, sizeof(quoted), name, strlen(name));
	if (meant)
		fprintf(stderr, "hostwatch: %s: no such command, did you mean %s?\n", quoted,
			meant);
	else
		fprintf(stderr, "hostwatch: %s: no such command: see hostwatch --help\n", quoted);
	return HW_EXIT_USAGE;
}

static int run_tool(const struct tool *tool, int argc, char **argv)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "hostwatch %s", tool->name);
	argv[0] = name; /* what getopt_long() puts before its messages */
	return tool->run(argc, argv);
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_help();
		return HW_EXIT_USAGE;
	}
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help();
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
		printf("hostwatch %s\n", HW_VERSION);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < TOOL_COUNT; i++) {
		if (strcmp(argv[1], tools[i].name) == 0)
			return run_tool(&tools[i], argc - 1, argv + 1);
	}
	return unknown(argv[1]);
}

int main(int argc, char **argv)
{
	hw_standard_begin();
	(void)signal(SIGPIPE, SIG_IGN); /* readers that leave are errors of write() */
	return hw_standard_end(run(argc, argv));
}
