/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch sync SHARE */
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

const struct hw_command_line tool_sync_line = {
	.program = "hostwatch sync",
	.summary = "wait until all earlier changes have been reported",
	.synopsis = "[OPTION]... SHARE",
	.about = "Waits until the stream of the share contains every change that was made before "
		 "the call. Prints the sequence number of its last event and its epoch.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "SHARE",
	.operands_min = 1,
	.operands_max = 1,
	.complete = HW_COMPLETE_SHARE,
};

static void print_seq(void *arg, const struct hw_record *record)
{
	(void)arg;
	if (strcmp(record->kind, "ok") == 0)
		printf("%s %s\n", hw_record_get(record, "seq"), hw_record_get(record, "epoch"));
}

int tool_sync(int argc, char **argv)
{
	struct settings settings = { .client.timeout_ns = HW_CLIENT_TIMEOUT_NS };
	struct hw_request request = { .words = { "sync" }, .fn = print_seq };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_sync_line, argc, argv, &settings, &operands);

	if (status >= 0)
		return status;
	request.words[1] = operands.items[0];
	return hw_client_ask(&tool_sync_line, &settings.client, &request);
}
