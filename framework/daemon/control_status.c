/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The answer to `status`. */
#include "control_answer.h"
#include "core.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static void put_watcher(struct hw_answer *answer, const char *share,
			const struct hw_share_watcher *watcher)
{
	hw_answer_record(answer, "watcher");
	hw_answer_text(answer, "share", share);
	hw_answer_text(answer, "name", watcher->name);
	hw_answer_text(answer, "plugin", watcher->plugin);
	hw_answer_number(answer, "directories", watcher->directories);
	hw_answer_number(answer, "watches", watcher->watches);
	hw_answer_number(answer, "kernel_events", watcher->kernel_events);
	hw_answer_number(answer, "overflows", watcher->overflows);
}

static void put_share(struct hw_answer *answer, struct hw_share *share)
{
	struct hw_share_status status = { 0 };
	char epoch[20];

	hw_share_get_status(share, &status);
	(void)snprintf(epoch, sizeof(epoch), "%016" PRIx64, status.epoch);
	hw_answer_record(answer, "share");
	hw_answer_text(answer, "name", status.name);
	hw_answer_text(answer, "path", status.path);
	hw_answer_text(answer, "state", hw_share_state_name(status.state));
	hw_answer_text(answer, "backend", status.backend ? status.backend : "");
	hw_answer_text(answer, "why", status.why ? status.why : "");
	hw_answer_text(answer, "epoch", epoch);
	hw_answer_number(answer, "seq", status.seq);
	hw_answer_number(answer, "entries", status.entries);
	hw_answer_number(answer, "directories", status.directories);
	hw_answer_number(answer, "armed", status.armed);
	hw_answer_number(answer, "watches", status.watches);
	hw_answer_number(answer, "kernel_events", status.kernel_events);
	hw_answer_number(answer, "overflows", status.overflows);
	hw_answer_number(answer, "rescans", status.rescans);
	hw_answer_number(answer, "retrying", status.retrying);
	hw_answer_number(answer, "refusals", status.refusals);
	hw_answer_number(answer, "silent_since", status.silent_since_ns);
	hw_answer_number(answer, "short_since", status.short_since_ns);
	hw_answer_number(answer, "tree_bytes", status.tree_bytes);
	hw_answer_number(answer, "journal_bytes", status.journal_bytes);
	hw_answer_number(answer, "kept_bytes", status.kept_bytes);
	hw_answer_number(answer, "kept_at", status.kept_ns);
	hw_answer_text(answer, "not_kept", status.not_kept ? status.not_kept : "");
	for (size_t i = 0; i < status.watcher_count; i++)
		put_watcher(answer, status.name, &status.watchers[i]);
}

struct sink_rows {
	struct hw_answer *answer;
	const char *sink;
};

static void put_address(void *arg, const struct hw_sink_address *address)
{
	const struct sink_rows *rows = arg;

	hw_answer_record(rows->answer, "address");
	hw_answer_text(rows->answer, "sink", rows->sink);
	hw_answer_text(rows->answer, "option", address->option);
	hw_answer_text(rows->answer, "address", address->address);
	hw_answer_text(rows->answer, "state", address->state);
}

static void put_receiver(void *arg, const struct hw_sink_receiver_row *row)
{
	const struct sink_rows *rows = arg;

	hw_answer_record(rows->answer, "receiver");
	hw_answer_text(rows->answer, "sink", rows->sink);
	hw_answer_text(rows->answer, "name", row->name);
	hw_answer_text(rows->answer, "share", row->share);
	hw_answer_number(rows->answer, "seq", row->seq);
	hw_answer_number(rows->answer, "lag", row->lag);
	hw_answer_number(rows->answer, "rescans", row->rescans);
	hw_answer_number(rows->answer, "lost", row->lost);
}

static void put_sink(struct hw_answer *answer, struct hw_sink *sink)
{
	const struct hw_instance *instance = hw_sink_instance(sink);
	struct sink_rows context = { answer, instance->name };
	struct hw_sink_rows rows = { put_address, put_receiver, &context };
	const struct hw_share *share;

	hw_answer_record(answer, "sink");
	hw_answer_text(answer, "name", instance->name);
	hw_answer_text(answer, "plugin", instance->plugin->name);
	for (uint32_t i = 0; (share = hw_sink_share(sink, i)); i++)
		hw_answer_text(answer, "share", hw_share_name(share));
	hw_sink_status(sink, &rows);
}

void hw_answer_status(struct hw_answer *answer, struct hw_core *core)
{
	struct hw_share *share;
	struct hw_sink *sink;

	for (size_t i = 0; (share = hw_core_share(core, i)); i++)
		put_share(answer, share);
	for (size_t i = 0; (sink = hw_core_sink(core, i)); i++)
		put_sink(answer, sink);
	hw_answer_record(answer, "ok");
	hw_answer_text(answer, "version", HW_VERSION);
	hw_answer_number(answer, "pid", (uint64_t)getpid());
	hw_answer_text(answer, "config", hw_core_file(core));
}
