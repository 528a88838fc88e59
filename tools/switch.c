/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch switch SHARE WATCHER */
#include "client.h"
#include "human.h"
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
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
	.complete_next = HW_COMPLETE_WATCHER,
};

/* Prints, for example: srv: fanotify -> polling, 12 034 entries compared, no difference */
static void print_result(void *arg, const struct hw_record *record)
{
	uint64_t events = strtoull(hw_record_get(record, "events"), NULL, 10);
	uint64_t entries = strtoull(hw_record_get(record, "entries"), NULL, 10);
	char text[HW_HUMAN_MAX];

	if (strcmp(record->kind, "ok") != 0)
		return;
	printf("%s: %s -> %s, %s %s compared, ", (const char *)arg, hw_record_get(record, "from"),
	       hw_record_get(record, "to"), hw_human_digits(text, entries),
	       entries == 1 ? "entry" : "entries");
	if (events)
		printf("%s event%s reported meanwhile\n", hw_human_digits(text, events),
		       events == 1 ? "" : "s");
	else
		printf("no difference\n");
}

/* "inotify, polling" must be one word of the command. */
static void remove_blanks(char *list)
{
	char *out = list;

	for (; *list; list++) {
		if (*list != ' ' && *list != '\t')
			*out++ = *list;
	}
	*out = '\0';
}

int tool_switch(int argc, char **argv)
{
	struct settings settings = { .client.timeout_ns = HW_CLIENT_TIMEOUT_NS };
	struct hw_request request = { .words = { "switch" }, .fn = print_result };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_switch_line, argc, argv, &settings, &operands);

	if (status >= 0)
		return status;
	request.words[1] = operands.items[0];
	request.words[2] = operands.items[1];
	request.arg = operands.items[0];
	remove_blanks(operands.items[1]);
	return hw_client_ask(&tool_switch_line, &settings.client, &request);
}
