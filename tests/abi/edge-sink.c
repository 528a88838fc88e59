/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Uses every service of the host that takes a structure, with structures at the edge of memory. */
#include <hostwatch/plugin.h>

#include "edge.h"

struct edge_sink {
	const struct hw_host *host; /* borrowed */
	void *ctx;
	const char *text;
	struct hw_cursor *cursor; /* owned */
	/* owned */
	struct hw_event *event;
	struct hw_share_info *info;
	struct hw_receiver *receiver;
	struct hw_sink_address *address;
};

static const struct hw_option text_option =
	HW_OPT_STRING("text", struct edge_sink, text, "plain", "Not used");
static const struct hw_option *const options[] = { &text_option };

static int edge_open(void *self, const struct hw_host *host, void *ctx)
{
	struct edge_sink *sink = self;

	sink->host = host;
	sink->ctx = ctx;
	return 0;
}

static void read_tree(struct edge_sink *sink)
{
	struct hw_snapshot *snapshot;
	uint64_t seq;

	if (sink->host->snapshot_open(sink->ctx, 0, &snapshot, &seq) < 0)
		return; /* not now */
	while (sink->host->snapshot_next(sink->ctx, snapshot, sink->event) == 1) {
		edge_check(sink->event, sizeof(*sink->event));
		EDGE_CHECK_GROWN(sink->event);
	}
	sink->host->snapshot_close(sink->ctx, snapshot);
}

static void edge_ready(void *self, uint32_t share)
{
	struct edge_sink *sink = self;
	int r;

	if (share || !sink->cursor)
		return;
	if (sink->host->share_info(sink->ctx, 0, sink->info) == 0) {
		edge_check(sink->info, sizeof(*sink->info));
		EDGE_CHECK_GROWN(sink->info);
	}
	while ((r = sink->host->cursor_next(sink->ctx, sink->cursor, sink->event)) != 0) {
		edge_check(sink->event, sizeof(*sink->event));
		if (r == 1)
			EDGE_CHECK_GROWN(sink->event);
		else
			(void)sink->host->cursor_seek(sink->ctx, sink->cursor);
	}
	read_tree(sink);
}

static int edge_start(void *self)
{
	struct edge_sink *sink = self;

	sink->event = edge_alloc(sizeof(*sink->event));
	sink->info = edge_alloc(sizeof(*sink->info));
	sink->receiver = edge_alloc(sizeof(*sink->receiver));
	sink->address = edge_alloc(sizeof(*sink->address));
	if (!sink->event || !sink->info || !sink->receiver || !sink->address)
		return sink->host->fail(sink->ctx, 12, "no memory");
	*sink->receiver = (struct hw_receiver){ .struct_size = sizeof(*sink->receiver),
						.name = "edge",
						.share = "" };
	*sink->address = (struct hw_sink_address){
		.struct_size = sizeof(*sink->address), .option = "text", .address = "x", .state = ""
	};
	return sink->host->cursor_open(sink->ctx, 0, 0, 0, &sink->cursor);
}

static void edge_stop(void *self)
{
	struct edge_sink *sink = self;

	if (sink->cursor)
		sink->host->cursor_close(sink->ctx, sink->cursor);
	edge_free(sink->event);
	edge_free(sink->info);
	edge_free(sink->receiver);
	edge_free(sink->address);
	sink->cursor = NULL;
	sink->event = NULL;
	sink->info = NULL;
	sink->receiver = NULL;
	sink->address = NULL;
}

static void edge_status(void *self)
{
	struct edge_sink *sink = self;

	sink->host->receiver(sink->ctx, sink->receiver);
	sink->host->address(sink->ctx, sink->address);
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_SINK, struct edge_sink),
	.option_count = 1,
	.name = "edge-sink",
	.version = "1",
	.summary = "keeps structures at the edge of memory",
	.options = options,
	.open = edge_open,
	.start = edge_start,
	.stop = edge_stop,
	.close = edge_stop,
	.ready = edge_ready,
	.status = edge_status,
};
