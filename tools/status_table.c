/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the status for people: tables of shares, their watchers, sinks, and receivers. */
#include "clean.h"
#include "human.h"
#include "log.h"
#include "status_fetch.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX 1024u

static const char *get(const struct hw_record *record, const char *key)
{
	const char *value = hw_record_get(record, key);

	return *value ? value : "-";
}

static const char *quoted(char buf[TEXT_MAX], const char *text)
{
	return hw_quote_is_needless(text, strlen(text))
		       ? text
		       : hw_quote(buf, TEXT_MAX, text, strlen(text));
}

/* ---- shares ---- */

static bool has_directories(const struct hw_record *watcher)
{
	return hw_record_number(watcher, "directories") > 0;
}

/* "fanotify+polling" */
static void list_watchers(const struct hw_status *status, const struct hw_record *share,
			  char list[TEXT_MAX])
{
	size_t len = 0;

	list[0] = '\0';
	HW_STATUS_EACH (watcher, status, "watcher", "share", hw_record_get(share, "name")) {
		if (has_directories(watcher) && len < TEXT_MAX)
			len += (size_t)snprintf(list + len, TEXT_MAX - len, "%s%s", len ? "+" : "",
						hw_record_get(watcher, "name"));
	}
	if (len == 0)
		(void)snprintf(list, TEXT_MAX, "%s", get(share, "backend"));
}

/* For example: ", does not answer since ..." */
static void put_since(const struct hw_record *share, const char *key, const char *what, char *buf,
		      size_t size)
{
	uint64_t since = hw_record_number(share, key);
	time_t seconds = (time_t)(since / HW_SEC);
	char text[40];
	struct tm tm;

	buf[0] = '\0';
	if (since && localtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		(void)snprintf(buf, size, ", %s since %s", what, text);
}

/* ", state 12M", or why no state is kept although it should be */
static void put_kept(const struct hw_record *share, char *buf, size_t size)
{
	uint64_t bytes = hw_record_number(share, "kept_bytes");
	const char *reason = hw_record_get(share, "not_kept");
	char text[HW_HUMAN_MAX], clean[TEXT_MAX];

	buf[0] = '\0';
	if (bytes)
		(void)snprintf(buf, size, ", state %s", hw_human_bytes(text, bytes));
	else if (*reason)
		(void)snprintf(buf, size, ", state not kept: %s",
			       hw_clean(clean, sizeof(clean), reason));
}

static void add_note(struct hw_table *table, const struct hw_record *share)
{
	const char *path = hw_record_get(share, "path"), *why = hw_record_get(share, "why");
	char note[4 * TEXT_MAX], path_text[TEXT_MAX], why_text[TEXT_MAX],
		armed[64] = "", retrying[64] = "", silent[80], memory[80], kept[TEXT_MAX];

	if (strcmp(hw_record_get(share, "state"), "arming") == 0)
		(void)snprintf(armed, sizeof(armed), ", %s directories armed",
			       hw_record_get(share, "armed"));
	if (hw_record_number(share, "retrying"))
		(void)snprintf(retrying, sizeof(retrying), ", %" PRIu64 " unreadable",
			       hw_record_number(share, "retrying"));
	put_since(share, "silent_since", "does not answer", silent, sizeof(silent));
	put_since(share, "short_since", "out of memory", memory, sizeof(memory));
	put_kept(share, kept, sizeof(kept));
	(void)snprintf(note, sizeof(note), "%s%s%s%s%s, epoch %s%s%s%s", quoted(path_text, path),
		       silent, memory, armed, retrying, hw_record_get(share, "epoch"), kept,
		       *why ? "; " : "", hw_clean(why_text, sizeof(why_text), why));
	hw_table_note(table, note);
}

static bool print_shares(const struct hw_status *status, FILE *to, size_t width)
{
	static const struct hw_column columns[] = {
		{ "SHARE", .flexible = true },   { "STATE", false, false },
		{ "SEQ", .right = true },        { "ENTRIES", .right = true },
		{ "DIRS", .right = true },       { "RESCANS", .right = true },
		{ "TREE", .right = true },       { "JOURNAL", .right = true },
		{ "WATCHER", .flexible = true },
	};
	struct hw_table table = HW_TABLE(columns);
	char list[TEXT_MAX];

	HW_STATUS_EACH (share, status, "share", NULL, NULL) {
		list_watchers(status, share, list);
		hw_table_row(&table);
		hw_table_text(&table, hw_record_get(share, "name"));
		hw_table_text(&table, hw_record_get(share, "state"));
		hw_table_exact(&table, hw_record_number(share, "seq"));
		hw_table_count(&table, hw_record_number(share, "entries"));
		hw_table_count(&table, hw_record_number(share, "directories"));
		hw_table_count(&table, hw_record_number(share, "rescans"));
		hw_table_bytes(&table, hw_record_number(share, "tree_bytes"));
		hw_table_bytes(&table, hw_record_number(share, "journal_bytes"));
		hw_table_text(&table, list);
		add_note(&table, share);
	}
	if (table.count && !table.failed)
		hw_table_print(&table, to, width);
	hw_table_free(&table);
	return !table.failed;
}

static bool print_watchers(const struct hw_status *status, FILE *to, size_t width)
{
	static const struct hw_column columns[] = {
		{ "WATCHER", .flexible = true }, { "SHARE", .flexible = true },
		{ "DIRS", .right = true },       { "WATCHES", .right = true },
		{ "EVENTS", .right = true },     { "OVERFLOWS", .right = true },
	};
	struct hw_table table = HW_TABLE(columns);

	HW_STATUS_EACH (watcher, status, "watcher", NULL, NULL) {
		if (!has_directories(watcher) && !hw_record_number(watcher, "kernel_events"))
			continue; /* it has no directories yet: other watchers may give up some */
		hw_table_row(&table);
		hw_table_text(&table, hw_record_get(watcher, "name"));
		hw_table_text(&table, hw_record_get(watcher, "share"));
		hw_table_count(&table, hw_record_number(watcher, "directories"));
		hw_table_count(&table, hw_record_number(watcher, "watches"));
		hw_table_count(&table, hw_record_number(watcher, "kernel_events"));
		hw_table_count(&table, hw_record_number(watcher, "overflows"));
	}
	if (table.count && !table.failed) {
		fputc('\n', to);
		hw_table_print(&table, to, width);
	}
	hw_table_free(&table);
	return !table.failed;
}

/* ---- sinks ---- */

static void list_shares(const struct hw_record *sink, char list[TEXT_MAX])
{
	size_t len = 0;

	list[0] = '\0';
	for (size_t i = 0; i < sink->count && len < TEXT_MAX; i++) {
		if (strcmp(sink->fields[i].key, "share") == 0)
			len += (size_t)snprintf(list + len, TEXT_MAX - len, "%s%s", len ? "," : "",
						sink->fields[i].value);
	}
}

static void add_address(struct hw_table *table, const struct hw_record *sink,
			const struct hw_record *address, bool first)
{
	char text[TEXT_MAX] = "-", clean[TEXT_MAX], shares[TEXT_MAX] = "";

	if (address)
		(void)snprintf(text, sizeof(text), "%s %s", hw_record_get(address, "option"),
			       hw_record_get(address, "address"));
	if (first)
		list_shares(sink, shares);
	hw_table_row(table);
	hw_table_text(table, first ? hw_record_get(sink, "name") : "");
	hw_table_text(table, first ? hw_record_get(sink, "plugin") : "");
	hw_table_text(table, shares);
	hw_table_text(table, hw_clean(clean, sizeof(clean), text));
	hw_table_text(table,
		      address ? hw_clean(clean, sizeof(clean), hw_record_get(address, "state"))
			      : "");
}

static bool print_sinks(const struct hw_status *status, FILE *to, size_t width)
{
	static const struct hw_column columns[] = {
		{ "SINK", .flexible = true },   { "PLUGIN", .flexible = true },
		{ "SHARES", .flexible = true }, { "ADDRESS", false, false },
		{ "STATE", .flexible = true },
	};
	struct hw_table table = HW_TABLE(columns);

	HW_STATUS_EACH (sink, status, "sink", NULL, NULL) {
		bool first = true;

		HW_STATUS_EACH (address, status, "address", "sink", hw_record_get(sink, "name")) {
			add_address(&table, sink, address, first);
			first = false;
		}
		if (first)
			add_address(&table, sink, NULL, first);
	}
	if (table.count && !table.failed) {
		fputc('\n', to);
		hw_table_print(&table, to, width);
	}
	hw_table_free(&table);
	return !table.failed;
}

static bool print_receivers(const struct hw_status *status, FILE *to, size_t width)
{
	static const struct hw_column columns[] = {
		{ "RECEIVER", .flexible = true }, { "SINK", .flexible = true },
		{ "SHARE", .flexible = true },    { "SEQ", .right = true },
		{ "LAG", .right = true },         { "RESCANS", .right = true },
		{ "LOST", .right = true },
	};
	struct hw_table table = HW_TABLE(columns);
	char text[TEXT_MAX];

	HW_STATUS_EACH (receiver, status, "receiver", NULL, NULL) {
		hw_table_row(&table);
		hw_table_text(&table, quoted(text, hw_record_get(receiver, "name")));
		hw_table_text(&table, hw_record_get(receiver, "sink"));
		hw_table_text(&table, get(receiver, "share"));
		hw_table_exact(&table, hw_record_number(receiver, "seq"));
		hw_table_exact(&table, hw_record_number(receiver, "lag"));
		hw_table_count(&table, hw_record_number(receiver, "rescans"));
		hw_table_exact(&table, hw_record_number(receiver, "lost"));
	}
	if (table.count && !table.failed) {
		fputc('\n', to);
		hw_table_print(&table, to, width);
	}
	hw_table_free(&table);
	return !table.failed;
}

int hw_status_print(const struct hw_status *status, FILE *to, size_t width)
{
	bool good = print_shares(status, to, width) && print_watchers(status, to, width) &&
		    print_sinks(status, to, width) && print_receivers(status, to, width);

	return good ? 0 : -ENOMEM;
}
