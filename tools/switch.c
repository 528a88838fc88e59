/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch switch SHARE WATCHER */
#include "client.h"
#include "tool.h"

#include <getopt.h>
#include <stddef.h>

static const char usage[] =
	"usage: hostwatch switch [--socket PATH] [--timeout SECONDS] SHARE WATCHER\n"
	"\n"
	"Changes the watcher of a running share: the new one is armed and compared with the old "
	"one before that\n"
	"stops, so that receivers notice nothing. WATCHER is a [watcher NAME] of the configuration "
	"or a plugin.\n"
	"\n" HW_CLIENT_USAGE;

int tool_switch(int argc, char **argv)
{
	struct hw_client_options options;
	const char *words[3] = { "switch" };
	int status;

	status = hw_client_parse(argc, argv, usage, 2, &options);
	if (status >= 0)
		return status;
	words[1] = argv[optind];
	words[2] = argv[optind + 1];
	return hw_client_ask(options.socket_path, words, 3, options.timeout_s, NULL, NULL);
}
