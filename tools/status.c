/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch status */
#include "clean.h"
#include "client.h"
#include "log.h"
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

const struct hw_command_line tool_status_line = {
	.program = "hostwatch status",
	.summary = "shares, sinks and receivers of the running daemon",
	.synopsis = "[OPTION]...",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
};

struct state {
	bool receivers; /* their heading is printed */
	bool shares;
};

/* Bytes as people read them. */
static const char *format_bytes(char *buf, size_t size, const char *text)
{
	static const char units[] = "BKMGT";
	double bytes = strtod(text, NULL);
	size_t unit = 0;

	for (; bytes >= 1024 && unit + 2 < sizeof(units); unit++)
		bytes /= 1024;
	(void)snprintf(buf, size, unit && bytes < 100 ? "%.1f%c" : "%.0f%c", bytes, units[unit]);
	return buf;
}

static void print_share(struct state *state, const struct hw_record *record)
{
	char quoted[512], why[512], tree[32], journal[32];
	const char *path = hw_record_get(record, "path"), *reason = hw_record_get(record, "why");

	if (!state->shares)
		printf("%-16s %-8s %-10s %10s %9s %10s %8s %7s %7s\n", "SHARE", "STATE", "WATCHER",
		       "ENTRIES", "WATCHES", "EVENTS", "RESCANS", "TREE", "JOURNAL");
	state->shares = true;
	printf("%-16s %-8s %-10s %10s %9s %10s %8s %7s %7s\n", hw_record_get(record, "name"),
	       hw_record_get(record, "state"), hw_record_get(record, "backend"),
	       hw_record_get(record, "entries"), hw_record_get(record, "watches"),
	       hw_record_get(record, "seq"), hw_record_get(record, "rescans"),
	       format_bytes(tree, sizeof(tree), hw_record_get(record, "tree_bytes")),
	       format_bytes(journal, sizeof(journal), hw_record_get(record, "journal_bytes")));
	printf("  %s", hw_quote(quoted, sizeof(quoted), path, strlen(path)));
	if (strcmp(hw_record_get(record, "state"), "arming") == 0)
		printf(", %s directories armed", hw_record_get(record, "armed"));
	if (*reason)
		printf(", %s", hw_clean(why, sizeof(why), reason));
	printf(", epoch %s\n", hw_record_get(record, "epoch"));
}

static void print_receiver(struct state *state, const struct hw_record *record)
{
	char quoted[256];
	const char *name = hw_record_get(record, "name"), *share = hw_record_get(record, "share");

	if (!state->receivers)
		printf("\n%-16s %-16s %10s %10s %8s  %s\n", "SINK", "SHARE", "EVENT", "LAG",
		       "DROPPED", "RECEIVER");
	state->receivers = true;
	printf("%-16s %-16s %10s %10s %8s  %s\n", hw_record_get(record, "sink"),
	       *share ? share : "-", hw_record_get(record, "seq"), hw_record_get(record, "lag"),
	       hw_record_get(record, "rescans"),
	       hw_quote(quoted, sizeof(quoted), name, strlen(name)));
}

static void print_record(void *arg, const struct hw_record *record)
{
	if (strcmp(record->kind, "share") == 0)
		print_share(arg, record);
	else if (strcmp(record->kind, "receiver") == 0)
		print_receiver(arg, record);
}

int tool_status(int argc, char **argv)
{
	struct settings settings = { .client.timeout_ns = HW_CLIENT_TIMEOUT_NS };
	struct state state = { 0 };
	struct hw_request request = { .words = { "status" }, .fn = print_record, .arg = &state };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_status_line, argc, argv, &settings, &operands);

	if (status >= 0)
		return status;
	return hw_client_ask(&tool_status_line, &settings.client, &request);
}
