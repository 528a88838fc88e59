/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch switch SHARE WATCHER */
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

const struct hw_command_line tool_switch_line = {
	.program = "hostwatch switch",
	.summary = "change the watcher of a running share",
	.synopsis = "[OPTION]... SHARE WATCHER[,WATCHER]...",
	.about = "Changes the watcher of a running share. The new one is armed and compared with "
		 "the disk before the old one stops: receivers notice nothing. WATCHER is a "
		 "[watcher NAME] of the configuration, a plugin, or auto; in a list, each "
		 "directory gets the first one that works there. The choice lasts until the share "
		 "is started again.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "SHARE WATCHER",
	.operands_min = 2,
	.operands_max = 2,
	.complete = HW_COMPLETE_SHARE,
};

int tool_switch(int argc, char **argv)
{
	struct settings settings = { .client.timeout_ns = HW_CLIENT_TIMEOUT_NS };
	struct hw_request request = { .words = { "switch" } };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_switch_line, argc, argv, &settings, &operands);

	if (status >= 0)
		return status;
	request.words[1] = operands.items[0];
	request.words[2] = operands.items[1];
	return hw_client_ask(&tool_switch_line, &settings.client, &request);
}
