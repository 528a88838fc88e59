/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch reload */
#include "client.h"
#include "tool.h"

#include <stdio.h>
#include <string.h>

struct settings {
	struct hw_client_options client;
};

static const struct hw_arg args[] = {
	HW_CLIENT_ARGS(struct settings, client),
};

const struct hw_command_line tool_reload_line = {
	.program = "hostwatch reload",
	.summary = "make the daemon read its configuration again",
	.synopsis = "[OPTION]...",
	.about = "Makes the running daemon read its configuration again, like SIGHUP, and prints "
		 "which shares and sinks were started, stopped, restarted and kept. Mistakes are "
		 "printed as FILE:LINE: text, like those of hostwatch check; the exit status is "
		 "then 78, and nothing has changed.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
};

static void print_change(void *arg, const struct hw_record *record)
{
	(void)arg;
	if (strcmp(record->kind, "change") == 0)
		printf("%s %s: %s\n", hw_record_get(record, "kind"), hw_record_get(record, "name"),
		       hw_record_get(record, "change"));
}

int tool_reload(int argc, char **argv)
{
	struct settings settings = { .client.timeout_ns = HW_CLIENT_TIMEOUT_NS };
	struct hw_request request = { .words = { "reload" }, .fn = print_change };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_reload_line, argc, argv, &settings, &operands);

	return status >= 0 ? status : hw_client_ask(&tool_reload_line, &settings.client, &request);
}
