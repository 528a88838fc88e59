/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch metrics: prints the status in the text format of OpenMetrics 1.0. */
#include "status_fetch.h"
#include "tool.h"

#include <hostwatch/wire.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
	struct hw_client_options client;
};

static const struct hw_arg args[] = {
	HW_CLIENT_ARGS(struct settings, client),
};

const struct hw_command_line tool_metrics_line = {
	.program = "hostwatch metrics",
	.summary = "the daemon's counters as OpenMetrics text",
	.synopsis = "[OPTION]...",
	.about = "Prints the counters of the running daemon as OpenMetrics text, for a collector "
		 "that reads files. All names begin with hostwatch_. hostwatch(1) has a recipe.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
};

/* ---- the metrics ---- */

enum type { COUNTER, GAUGE };

struct label {
	const char *name, *key; /* key of the record */
};

struct metric {
	const char *family; /* without the _total of counters */
	enum type type;
	const char *unit; /* the last word of family; NULL: none */
	const char *help;
	const char *kind; /* kind of the records, each of which gives one sample */
	uint64_t (*value)(const struct hw_status *status, const struct hw_record *record,
			  const char *key);
	const char *key;
	struct label labels[4]; /* name NULL: the end */
};

static uint64_t get_number(const struct hw_status *status, const struct hw_record *record,
			   const char *key)
{
	(void)status;
	return hw_record_number(record, key);
}

static uint64_t is_online(const struct hw_status *status, const struct hw_record *record,
			  const char *key)
{
	(void)status;
	return strcmp(hw_record_get(record, key), "online") == 0;
}

static uint64_t count_receivers(const struct hw_status *status, const struct hw_record *record,
				const char *key)
{
	uint64_t count = 0;

	HW_STATUS_EACH (receiver, status, "receiver", "sink", hw_record_get(record, key))
		count++;
	return count;
}

#define SHARE_LABELS                                                                               \
	{                                                                                          \
		{ "share", "name" },                                                               \
	}
#define WATCHER_LABELS                                                                             \
	{                                                                                          \
		{ "share", "share" }, { "watcher", "name" }, { "plugin", "plugin" },               \
	}
#define SINK_LABELS                                                                                \
	{                                                                                          \
		{ "sink", "name" }, { "plugin", "plugin" },                                        \
	}
#define RECEIVER_LABELS                                                                            \
	{                                                                                          \
		{ "sink", "sink" }, { "share", "share" }, { "receiver", "name" },                  \
	}

static const struct metric metrics[] = {
	{ "hostwatch_share_online", GAUGE, NULL, "Whether the share is online.", "share", is_online,
	  "state", SHARE_LABELS },
	{ "hostwatch_share_entries", GAUGE, NULL, "Entries in the tree of the share.", "share",
	  get_number, "entries", SHARE_LABELS },
	{ "hostwatch_share_directories", GAUGE, NULL, "Directories in the tree of the share.",
	  "share", get_number, "directories", SHARE_LABELS },
	{ "hostwatch_share_events", COUNTER, NULL, "Events of the share since its epoch began.",
	  "share", get_number, "seq", SHARE_LABELS },
	{ "hostwatch_share_kernel_events", COUNTER, NULL,
	  "Events that the watchers of the share have read from the kernel.", "share", get_number,
	  "kernel_events", SHARE_LABELS },
	{ "hostwatch_share_overflows", COUNTER, NULL,
	  "How often a kernel queue overflowed and lost events.", "share", get_number, "overflows",
	  SHARE_LABELS },
	{ "hostwatch_share_rescans", COUNTER, NULL,
	  "How often the share was scanned after a loss of events.", "share", get_number, "rescans",
	  SHARE_LABELS },
	{ "hostwatch_share_retrying", GAUGE, NULL,
	  "Directories and names that cannot be read and are tried again.", "share", get_number,
	  "retrying", SHARE_LABELS },
	{ "hostwatch_share_refusals", COUNTER, NULL,
	  "How many directories and names could not be read.", "share", get_number, "refusals",
	  SHARE_LABELS },
	{ "hostwatch_share_tree_bytes", GAUGE, "bytes", "Memory of the tree.", "share", get_number,
	  "tree_bytes", SHARE_LABELS },
	{ "hostwatch_share_journal_bytes", GAUGE, "bytes", "Memory of the journal.", "share",
	  get_number, "journal_bytes", SHARE_LABELS },
	{ "hostwatch_watcher_directories", GAUGE, NULL, "Directories that the watcher watches.",
	  "watcher", get_number, "directories", WATCHER_LABELS },
	{ "hostwatch_watcher_watches", GAUGE, NULL, "Kernel watches or marks that it holds.",
	  "watcher", get_number, "watches", WATCHER_LABELS },
	{ "hostwatch_sink_receivers", GAUGE, NULL, "Receivers of the sink, one for each share.",
	  "sink", count_receivers, "name", SINK_LABELS },
	{ "hostwatch_receiver_lag_events", GAUGE, "events",
	  "Events of the share that have not been sent to the receiver yet.", "receiver",
	  get_number, "lag", RECEIVER_LABELS },
	{ "hostwatch_receiver_rescans", COUNTER, NULL,
	  "Rescans that were sent to the receiver because events were lost.", "receiver",
	  get_number, "rescans", RECEIVER_LABELS },
	{ "hostwatch_receiver_lost_events", COUNTER, "events",
	  "Events that the receiver does not get, because the journal no longer holds them.",
	  "receiver", get_number, "lost", RECEIVER_LABELS },
};

/* ---- the text ---- */

static void put_label_value(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		unsigned n = hw_utf8_char(text + i, len - i);

		if (text[i] == '\n')
			fputs("\\n", stdout);
		else if (text[i] == '"' || text[i] == '\\')
			printf("\\%c", text[i]);
		else if (n)
			fwrite(text + i, 1, n, stdout);
		else
			fputs("\xef\xbf\xbd", stdout); /* U+FFFD */
		i += n ? n : 1;
	}
}

static bool have_same_labels(const struct metric *metric, const struct hw_record *a,
			     const struct hw_record *b)
{
	for (const struct label *label = metric->labels; label->name; label++) {
		if (strcmp(hw_record_get(a, label->key), hw_record_get(b, label->key)) != 0)
			return false;
	}
	return true;
}

/* Returns how many earlier records have the same labels: a program may have several connections. */
static unsigned count_twins(const struct hw_status *status, const struct metric *metric,
			    const struct hw_record *record)
{
	unsigned twins = 0;

	HW_STATUS_EACH (other, status, metric->kind, NULL, NULL) {
		if (other == record)
			break;
		twins += have_same_labels(metric, other, record);
	}
	return twins;
}

static void print_sample(const struct hw_status *status, const struct metric *metric,
			 const struct hw_record *record)
{
	unsigned twins = count_twins(status, metric, record);
	const char *before = "{";

	printf("%s%s", metric->family, metric->type == COUNTER ? "_total" : "");
	for (const struct label *label = metric->labels; label->name; label++) {
		printf("%s%s=\"", before, label->name);
		put_label_value(hw_record_get(record, label->key));
		if (twins && !label[1].name)
			printf(" #%u", twins + 1);
		putchar('"');
		before = ",";
	}
	printf("} %" PRIu64 "\n", metric->value(status, record, metric->key));
}

static void print_metric(const struct hw_status *status, const struct metric *metric)
{
	printf("# TYPE %s %s\n", metric->family, metric->type == COUNTER ? "counter" : "gauge");
	if (metric->unit)
		printf("# UNIT %s %s\n", metric->family, metric->unit);
	printf("# HELP %s %s\n", metric->family, metric->help);
	HW_STATUS_EACH (record, status, metric->kind, NULL, NULL)
		print_sample(status, metric, record);
}

static void print_metrics(const struct hw_status *status)
{
	const struct hw_record *ok = hw_status_next(status, NULL, "ok", NULL, NULL);

	printf("# TYPE hostwatch info\n# HELP hostwatch The running daemon.\n"
	       "hostwatch_info{version=\"");
	put_label_value(hw_record_get(ok, "version"));
	printf("\"} 1\n");
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		print_metric(status, &metrics[i]);
	printf("# EOF\n");
}

int tool_metrics(int argc, char **argv)
{
	struct settings settings = { .client.timeout_ns = HW_CLIENT_TIMEOUT_NS };
	struct hw_operands operands;
	struct hw_status state;
	int status = hw_args_parse(&tool_metrics_line, argc, argv, &settings, &operands);

	if (status >= 0)
		return status;
	status = hw_status_fetch(&tool_metrics_line, &settings.client, &state);
	if (status >= 0)
		return status;
	print_metrics(&state);
	hw_status_free(&state);
	return EXIT_SUCCESS;
}
