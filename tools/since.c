/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "since.h"
#include "log.h"
#include "print.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TIMEOUT_NS (10 * HW_SEC)

struct settings {
	const char *socket;
	uint64_t timeout_ns;
	bool nul;
};

static const struct hw_arg args[] = {
	{ .name = "null",
	  .letter = 'z',
	  .type = HW_ARG_FLAG,
	  .help = "End the token and each name with a NUL byte, and quote nothing.",
	  .offset = offsetof(struct settings, nul) },
	{ .name = "socket",
	  .letter = 's',
	  .type = HW_ARG_TEXT,
	  .value = "ADDRESS",
	  .help = "The unix socket of a socket sink: unix:PATH. Default: $HOSTWATCH_EVENTS, or "
		  "else "
		  "events.sock in the directory of sockets, or else the sockets that 'hostwatch "
		  "status' lists.",
	  .offset = offsetof(struct settings, socket),
	  .complete = HW_COMPLETE_ADDRESS },
	{ .name = "timeout",
	  .letter = 't',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "How long to wait for each message of the daemon (10s); 0 waits for ever.",
	  .offset = offsetof(struct settings, timeout_ns),
	  .max = 24 * 3600 * HW_SEC },
};

const struct hw_command_line tool_since_line = {
	.program = "hostwatch since",
	.summary = "print the names that changed since the last call",
	.synopsis = "[OPTION]... DIR [TOKEN]",
	.about =
		"Prints a new token, and then the names below DIR that changed since the call that "
		"printed TOKEN: each once, relative to DIR, directories with a slash. Prints / if "
		"anything may have changed, for example without TOKEN. Every change that was made "
		"before the call is included.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "DIR",
	.operands_min = 1,
	.operands_max = 2,
	.complete = HW_COMPLETE_DIR,
};

static void print_name(const char *name, bool nul)
{
	size_t len = strlen(name);

	if (nul)
		(void)fwrite(name, 1, len + 1, stdout); /* checked at the end of main() */
	else if (hw_quote_is_needless(name, len))
		puts(name);
	else {
		hw_print_quoted(stdout, name, len);
		putchar('\n');
	}
}

static void print_answer(const struct since *since, bool nul)
{
	print_name(since->next, nul);
	if (since->unknown) {
		print_name("/", nul);
		return;
	}
	for (size_t i = 0; i < since->names.count; i++)
		print_name(since->names.items[i], nul);
}

/* Its path may be longer than one that system calls accept. Returns -1, or an exit status. */
static int find_dir(const char *given, char **ret)
{
	char quoted[300];
	struct stat st;
	int error;

	if (stat(given, &st) < 0)
		error = errno;
	else if (!S_ISDIR(st.st_mode))
		error = ENOTDIR;
	else if ((*ret = realpath(given, NULL)))
		return -1;
	else
		error = errno;
	return hw_args_failure(&tool_since_line, "%s: %s",
			       hw_quote(quoted, sizeof(quoted), given, strlen(given)),
			       error == ENAMETOOLONG ? SINCE_TOO_LONG : strerror(error));
}

int tool_since(int argc, char **argv)
{
	struct settings settings = { .timeout_ns = TIMEOUT_NS };
	struct since since = { .line = &tool_since_line, .fd = -1 };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_since_line, argc, argv, &settings, &operands);
	char *dir = NULL;

	if (status < 0)
		status = find_dir(operands.items[0], &dir);
	if (status >= 0)
		return status;
	since.dir = dir;
	since.token = operands.count > 1 ? operands.items[1] : NULL;
	since.socket = settings.socket;
	since.timeout_ns = settings.timeout_ns;
	status = hw_since_ask(&since);
	if (status < 0)
		print_answer(&since, settings.nul);
	hw_since_free(&since);
	free(dir);
	return status < 0 ? EXIT_SUCCESS : status;
}
