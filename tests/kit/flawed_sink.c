/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sink with one flaw at a time, which the conformance kit must find. Without a flaw it is
 * correct. */
#include <errno.h>
#include <hostwatch/plugin.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum flaw { NONE, STOPS_DRAWING, KEEPS_CURSOR, RUNS_AHEAD, GROWS, NEVER_DRAINED };

#define SOME 1000u
#define BLOCK 2048u

struct block {
	struct block *next;
	char bytes[BLOCK];
};

struct sink {
	uint32_t flaw;
	const struct hw_host *host; /* borrowed */
	void *ctx;
	struct hw_cursor *cursor; /* owned */
	struct block *blocks; /* owned */
	uint64_t drawn;
};

static const struct hw_option *const options[] = {
	&(const struct hw_option)
		HW_OPT_ENUM("flaw", struct sink, flaw, "none",
			    "none|stops_drawing|keeps_cursor|runs_ahead|grows|never_drained",
			    "What is wrong with it"),
};

static void keep(struct sink *sink)
{
	struct block *block = malloc(sizeof(*block));

	if (!block)
		return;
	memset(block->bytes, 1, sizeof(block->bytes));
	block->next = sink->blocks;
	sink->blocks = block;
}

static void sink_ready(void *self, uint32_t share)
{
	struct hw_event event = { .struct_size = sizeof(event) };
	struct sink *sink = self;
	int r;

	while (!share && (r = sink->host->cursor_next(sink->ctx, sink->cursor, &event)) != 0) {
		if (r < 0)
			event.seq = sink->host->cursor_seek(sink->ctx, sink->cursor);
		if (sink->flaw == GROWS)
			keep(sink);
		sink->host->cursor_done(sink->ctx, sink->cursor,
					event.seq + (sink->flaw == RUNS_AHEAD));
		if (++sink->drawn > SOME && sink->flaw == STOPS_DRAWING)
			return;
	}
}

static int sink_drain(void *self)
{
	struct sink *sink = self;

	return sink->flaw == NEVER_DRAINED;
}

static int sink_open(void *self, const struct hw_host *host, void *ctx)
{
	struct sink *sink = self;

	sink->host = host;
	sink->ctx = ctx;
	return 0;
}

static int sink_start(void *self)
{
	struct sink *sink = self;
	int r = sink->host->cursor_open(sink->ctx, 0, 0, 0, &sink->cursor);

	return r < 0 ? sink->host->fail(sink->ctx, r, "no cursor") : 0;
}

static void sink_stop(void *self)
{
	struct sink *sink = self;
	struct block *block;

	if (sink->cursor && sink->flaw != KEEPS_CURSOR)
		sink->host->cursor_close(sink->ctx, sink->cursor);
	sink->cursor = NULL;
	while ((block = sink->blocks)) {
		sink->blocks = block->next;
		free(block);
	}
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_SINK, struct sink),
	.name = "flawed",
	.version = "1",
	.summary = "has a flaw",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.open = sink_open,
	.start = sink_start,
	.stop = sink_stop,
	.ready = sink_ready,
	.drain = sink_drain,
};
