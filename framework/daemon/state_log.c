/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logs the state of every share, sink and receiver. */
#include "core.h"
#include "human.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST_MAX 512u /* bytes of a list in a line */

/* Adds text to a list, which may be truncated. */
HW_PRINTF(3, 4)
static void add(char *list, size_t size, const char *format, ...)
{
	size_t len = strlen(list);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(list + len, size - len, format, ap); /* truncation is acceptable */
	va_end(ap);
}

static void list_watchers(const struct hw_share_status *status, char list[LIST_MAX])
{
	list[0] = '\0';
	for (size_t i = 0; i < status->watcher_count; i++)
		add(list, LIST_MAX, "%s%s (%" PRIu64 " directories, %" PRIu64 " watches)",
		    i ? ", " : "", status->watchers[i].name, status->watchers[i].directories,
		    status->watchers[i].watches);
}

static void log_share(struct hw_share *share)
{
	char path[300], watchers[LIST_MAX], tree[HW_HUMAN_MAX], journal[HW_HUMAN_MAX];
	struct hw_share_status status = { 0 };

	hw_share_get_status(share, &status);
	list_watchers(&status, watchers);
	hw_info("state: share %s: %s, path %s, watched by %s, %" PRIu64 " entries, %" PRIu64
		" directories, %" PRIu64 " kernel events, %" PRIu64 " overflows, %" PRIu64
		" rescans, tree %s, journal %s, seq %" PRIu64 ", epoch %016" PRIx64 "; %s",
		status.name, hw_share_state_name(status.state),
		hw_quote(path, sizeof(path), status.path, strlen(status.path)),
		status.watcher_count ? watchers : "none", status.entries, status.directories,
		status.kernel_events, status.overflows, status.rescans,
		hw_human_bytes(tree, status.tree_bytes),
		hw_human_bytes(journal, status.journal_bytes), status.seq, status.epoch,
		status.why);
}

static void add_address(void *arg, const struct hw_sink_address *address)
{
	add(arg, LIST_MAX, "; %s %s%s%s%s", address->option, address->address,
	    *address->state ? " (" : "", address->state, *address->state ? ")" : "");
}

static void log_receiver(void *arg, const struct hw_sink_receiver_row *row)
{
	const struct hw_instance *instance = arg;

	hw_info("state: receiver %s of sink %s: share %s, seq %" PRIu64 ", lag %" PRIu64
		", %" PRIu64 " rescans sent, %" PRIu64 " events lost",
		row->name, instance->name, *row->share ? row->share : "-", row->seq, row->lag,
		row->rescans, row->lost);
}

static void log_sink(struct hw_sink *sink)
{
	struct hw_instance *instance = hw_sink_instance(sink);
	char shares[LIST_MAX] = "", addresses[LIST_MAX] = "";
	struct hw_sink_rows rows = { .address = add_address, .arg = addresses };
	const struct hw_share *share;

	for (uint32_t i = 0; (share = hw_sink_share(sink, i)); i++)
		add(shares, sizeof(shares), "%s%s", i ? ", " : "", hw_share_name(share));
	hw_sink_status(sink, &rows);
	hw_info("state: sink %s: plugin %s, shares %s%s", instance->name, instance->plugin->name,
		shares, addresses);
	rows = (struct hw_sink_rows){ .receiver = log_receiver, .arg = instance };
	hw_sink_status(sink, &rows);
}

void hw_core_log_state(struct hw_core *core)
{
	struct hw_share *share;
	struct hw_sink *sink;

	for (size_t i = 0; (share = hw_core_share(core, i)); i++)
		log_share(share);
	for (size_t i = 0; (sink = hw_core_sink(core, i)); i++)
		log_sink(sink);
}
