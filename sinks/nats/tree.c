/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree of a share after a rescan, in messages of many lines. */
#include "sink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PART_BYTES ((size_t)32 << 10) /* of a message; a single line may be longer */
#define AHEAD_BYTES ((size_t)512 << 10) /* of messages that are not stored yet */
#define REST 4u /* times the time that a tree took */
#define RETRY_NS HW_SEC /* without memory */

uint64_t nats_tree_rest_ns(struct nats_sink *sink, uint32_t index)
{
	uint64_t now = sink->host->now_ns(sink->ctx);
	uint64_t until = sink->feeds[index].tree.rest_until_ns;

	return until > now ? until - now : 0;
}

void nats_tree_drop(struct nats_sink *sink, uint32_t index)
{
	struct nats_tree *tree = &sink->feeds[index].tree;

	if (tree->snapshot)
		sink->host->snapshot_close(sink->ctx, tree->snapshot);
	tree->snapshot = NULL;
	tree->owed = tree->ended = false;
	hw_buf_free(&tree->lines);
}

void nats_tree_finish(struct nats_sink *sink, uint32_t index)
{
	struct nats_tree *tree = &sink->feeds[index].tree;
	uint64_t now = sink->host->now_ns(sink->ctx);

	nats_tree_drop(sink, index);
	tree->rest_until_ns = now + REST * (now - tree->begun_ns);
	if (tree->left_out)
		sink->host->log(sink->ctx, HW_LOG_WARNING,
				"share %s: %" PRIu64 " entries have paths that are longer than the "
				"server accepts, and are not in its tree; raise max_payload and "
				"max_msg_size",
				sink->feeds[index].share.name, tree->left_out);
}

/* ---- begin ---- */

/* The cursor continues after the tree. */
static int move_cursor(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct hw_cursor *cursor = NULL;
	int r;

	nats_feed_refresh(sink, index);
	r = sink->host->cursor_open(sink->ctx, index, feed->share.epoch, feed->tree.seq, &cursor);
	if (r < 0)
		return r;
	sink->host->cursor_close(sink->ctx, feed->cursor);
	feed->cursor = cursor;
	feed->sent = feed->tree.seq;
	return 0;
}

/* Returns 1; 0: not yet; -errno. While the share is offline, ready() follows when it is back. */
static int begin(struct nats_sink *sink, uint32_t index)
{
	struct nats_tree *tree = &sink->feeds[index].tree;
	struct timespec now;
	int r = sink->host->snapshot_open(sink->ctx, index, &tree->snapshot, &tree->seq);

	if (r == -ENOMEM)
		nats_feeds_ask_again(sink, RETRY_NS);
	if (r < 0) {
		tree->snapshot = NULL;
		return r == -ENOMEM || r == -EAGAIN ? 0 : r;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	tree->time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	tree->begun_ns = sink->host->now_ns(sink->ctx);
	tree->parts = tree->left_out = 0;
	tree->lines = HW_BUF_GROWING(PART_BYTES + HW_JSON_EVENT_MAX);
	r = move_cursor(sink, index);
	return r < 0 ? r : 1;
}

/* ---- parts ---- */

static size_t longest(const struct nats_sink *sink)
{
	return sink->session->max_payload > 0 ? (size_t)sink->session->max_payload : 0;
}

/* Sends the first bytes of the lines. */
static int put(struct nats_sink *sink, uint32_t index, size_t len, bool end)
{
	struct nats_tree *tree = &sink->feeds[index].tree;
	struct nats_item like = { .kind = NATS_KIND_TREE,
				  .seq = tree->seq,
				  .tree = true,
				  .tree_end = end,
				  .part = tree->parts + 1 };
	int r;

	(void)snprintf(like.id, sizeof(like.id), "%.80s-%" PRIu64, tree->id, like.part);
	r = nats_feed_put(sink, index, &like, tree->lines.data, len);
	if (r < 0)
		return r;
	tree->parts++;
	hw_buf_consume(&tree->lines, len);
	return 1;
}

/* Adds the line of an entry. Returns 1; 0: no entry is left; -errno. */
static int add_entry(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct hw_event event = { .struct_size = sizeof(event) };
	size_t before = feed->tree.lines.len;
	int r = sink->host->snapshot_next(sink->ctx, feed->tree.snapshot, &event);

	if (r <= 0)
		return r;
	event.time_ns = feed->tree.time_ns;
	r = hw_json_put_event(&feed->tree.lines, feed->share.name, &event);
	if (r == 0 && feed->tree.lines.len - before > longest(sink)) {
		feed->tree.lines.len = before;
		feed->tree.left_out++;
	}
	return r < 0 ? r : 1;
}

/* Returns 1: a part was sent; 0: the rest of the lines is for the last one; -errno. */
static int put_part(struct nats_sink *sink, uint32_t index)
{
	struct nats_tree *tree = &sink->feeds[index].tree;

	for (;;) {
		size_t before = tree->lines.len;
		int r;

		if (before >= PART_BYTES)
			return put(sink, index, before, false);
		r = add_entry(sink, index);
		if (r <= 0)
			return r;
		if (before && tree->lines.len > longest(sink))
			return put(sink, index, before, false);
	}
}

/* The last part is sent when the others are stored: who has it has all. */
static int put_end(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	size_t before = feed->tree.lines.len;
	int r;

	if (!nats_feed_is_stored(sink, index))
		return 0;
	r = hw_json_put_snapshot_end(&feed->tree.lines, feed->share.name, feed->tree.seq);
	if (r < 0)
		return r;
	if (before && feed->tree.lines.len > longest(sink)) {
		feed->tree.lines.len = before;
		return put(sink, index, before, false);
	}
	r = put(sink, index, feed->tree.lines.len, true);
	feed->waits = r > 0;
	return r;
}

int nats_tree_pull(struct nats_sink *sink, uint32_t index)
{
	struct nats_tree *tree = &sink->feeds[index].tree;
	int r;

	if (!tree->snapshot) {
		r = begin(sink, index);
		if (r <= 0)
			return r;
	}
	if (sink->session->bytes >= AHEAD_BYTES)
		return 0;
	if (!tree->ended) {
		r = put_part(sink, index);
		if (r != 0)
			return r;
		tree->ended = true;
	}
	return put_end(sink, index);
}
