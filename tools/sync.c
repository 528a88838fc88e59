/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch sync SHARE */
#include "client.h"
#include "tool.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: hostwatch sync [--socket PATH] [--timeout SECONDS] SHARE\n"
			    "\n"
			    "Waits until the share's stream tells everything that happened before, "
			    "and prints the sequence number of\n"
			    "the last event and the epoch.\n"
			    "\n" HW_CLIENT_USAGE;

static void print_seq(void *arg, const struct hw_record *record)
{
	(void)arg;
	if (strcmp(record->kind, "ok") == 0)
		printf("%s %s\n", hw_record_get(record, "seq"), hw_record_get(record, "epoch"));
}

int tool_sync(int argc, char **argv)
{
	struct hw_client_options options;
	const char *words[2] = { "sync" };
	int status;

	status = hw_client_parse(argc, argv, usage, 1, &options);
	if (status >= 0)
		return status;
	words[1] = argv[optind];
	return hw_client_ask(options.socket_path, words, 2, options.timeout_s, print_seq, NULL);
}
