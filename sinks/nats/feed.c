/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The events of each share, from its journal to the stream. */
#include "sink.h"

#include <errno.h>
#include <hostwatch/probe.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES_MAX (8u << 20) /* of messages that are not stored yet; one more may be begun */

static int64_t now_realtime(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void nats_feed_refresh(struct nats_sink *sink, uint32_t index)
{
	struct hw_share_info info = { .struct_size = sizeof(info) };

	if (sink->host->share_info(sink->ctx, index, &info) == 0)
		sink->feeds[index].share = info;
}

/* ---- messages ---- */

bool nats_feed_is_stored(const struct nats_sink *sink, uint32_t index)
{
	return TAILQ_EMPTY(&sink->session->lanes[index].items);
}

int nats_feed_put(struct nats_sink *sink, uint32_t index, const struct nats_item *like,
		  const void *bytes, size_t len)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct nats_item *item = malloc(sizeof(*item) + len);

	if (!item)
		return -ENOMEM;
	*item = *like;
	item->lane = index;
	item->epoch = feed->share.epoch;
	item->acked_seq = feed->acked;
	item->acked_at = feed->acked_at;
	item->len = len;
	memcpy(item->data, bytes, len);
	nats_session_put(sink->session, item);
	feed->sent = item->seq;
	return 0;
}

static int encode(struct nats_sink *sink, uint32_t index, const struct hw_event *event)
{
	int r;

	sink->buf.len = 0;
	r = hw_json_put_next_event(&sink->head, &sink->buf, sink->feeds[index].share.name, event);
	if (r == 0)
		HW_PROBE2(encode, event->seq, sink->buf.len);
	return r;
}

/* Whether receivers could not replay the events that follow: this one does not fit in a message, or
 * it may bring entries within reach that did not. */
static bool needs_rescan(const struct nats_sink *sink, uint32_t index, const struct hw_event *event)
{
	return (int64_t)sink->buf.len > sink->session->max_payload ||
	       (sink->feeds[index].tree.left_out && event->kind == HW_MOVE &&
		event->type == HW_TYPE_DIR);
}

/* Returns 1: the event was sent, or a rescan is owed instead; -errno. */
static int put_event(struct nats_sink *sink, uint32_t index, const struct hw_event *event)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct nats_item like = { .kind = hw_kind_name(event->kind), .seq = event->seq };
	struct hw_event rescan = *event;
	int r = encode(sink, index, event);

	if (r == 0 && sink->publish_tree &&
	    (event->kind == HW_RESCAN || needs_rescan(sink, index, event))) {
		feed->owes_rescan = true;
		return 1;
	}
	if (r == 0 && (int64_t)sink->buf.len > sink->session->max_payload) {
		hw_event_make_rescan(&rescan, "", 0);
		like.kind = hw_kind_name(HW_RESCAN);
		r = encode(sink, index, &rescan);
	}
	(void)snprintf(like.id, sizeof(like.id), "%016" PRIx64 "-%" PRIu64, feed->share.epoch,
		       event->seq);
	if (r == 0)
		r = nats_feed_put(sink, index, &like, sink->buf.data, sink->buf.len);
	return r < 0 ? r : 1;
}

/* The journal no longer has what is missing, or the order in the stream is wrong. */
static int put_rescan(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct hw_event event = { .struct_size = sizeof(event), .kind = HW_RESCAN, .path = "" };
	struct nats_item like = { .kind = hw_kind_name(HW_RESCAN), .tree = sink->publish_tree };
	int r;

	like.seq = event.seq = sink->host->cursor_seek(sink->ctx, feed->cursor);
	event.time_ns = now_realtime();
	nats_feed_refresh(sink, index);
	/* Each is another message, also if the sequence number is the same. */
	(void)snprintf(like.id, sizeof(like.id), "%016" PRIx64 "-%" PRIu64 "-%" PRIx64 "-%" PRIu64,
		       feed->share.epoch, event.seq, (uint64_t)event.time_ns, ++sink->rescan_ids);
	if (feed->overtaken && event.seq > feed->sent)
		feed->lost += sink->host->count_after(sink->ctx, index, feed->sent) -
			      sink->host->count_after(sink->ctx, index, event.seq);
	r = encode(sink, index, &event);
	if (r == 0)
		r = nats_feed_put(sink, index, &like, sink->buf.data, sink->buf.len);
	if (r < 0)
		return r;
	memcpy(feed->tree.id, like.id, sizeof(like.id));
	feed->tree.owed = sink->publish_tree != 0;
	feed->owes_rescan = feed->overtaken = false;
	feed->waits = true;
	feed->rescans++;
	return 1;
}

/* ---- pulling ---- */

static bool has_room(const struct nats_session *s, uint64_t limit)
{
	return s->unresolved < limit && s->bytes < BYTES_MAX;
}

/* A rescan comes after everything that was sent before. */
static int pull_rescan(struct nats_sink *sink, uint32_t index)
{
	uint64_t rest_ns;

	nats_tree_drop(sink, index);
	if (!nats_feed_is_stored(sink, index))
		return 0;
	rest_ns = nats_tree_rest_ns(sink, index);
	if (!rest_ns)
		return put_rescan(sink, index);
	nats_feeds_ask_again(sink, rest_ns);
	return 0;
}

/* Returns 1: there may be more; 0: there is nothing to send now; -errno. */
static int pull(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct hw_event event = { .struct_size = sizeof(event) };
	uint64_t epoch = feed->share.epoch;
	int r;

	if (!feed->cursor || feed->waits)
		return 0;
	nats_feed_refresh(sink, index);
	if (feed->share.epoch != epoch)
		feed->owes_rescan = true;
	if (feed->owes_rescan)
		return pull_rescan(sink, index);
	if (feed->tree.owed)
		return nats_tree_pull(sink, index);
	r = sink->host->cursor_next(sink->ctx, feed->cursor, &event);
	if (r == -ESTALE) {
		feed->owes_rescan = feed->overtaken = true;
		return 1;
	}
	return r > 0 ? put_event(sink, index, &event) : r;
}

/* After an error of memory or of an event, the receivers have to look. */
static int pull_one(struct nats_sink *sink, uint32_t index)
{
	int r = pull(sink, index);

	if (r < 0)
		sink->feeds[index].owes_rescan = true;
	return r;
}

void nats_feeds_ask_again(struct nats_sink *sink, uint64_t delay_ns)
{
	if (!sink->again_ns || sink->again_ns > delay_ns)
		sink->again_ns = delay_ns;
}

void nats_feeds_pump(struct nats_sink *sink)
{
	struct nats_session *s = sink->session;
	bool more = true;

	sink->again_ns = 0;

	(void)pthread_mutex_lock(&s->lock);
	/* The shares take turns. */
	while (more && s->state == NATS_UP) {
		more = false;
		for (uint32_t i = 0; i < sink->share_count && has_room(s, sink->in_flight); i++)
			more |= pull_one(sink, i) > 0;
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (sink->again_ns)
		sink->host->timer_set(sink->ctx, sink->again, sink->again_ns);
}

/* ---- answers ---- */

/* Receivers wait for the rest of a tree. */
static bool misses_tree(const struct nats_sink *sink, const struct nats_head *last)
{
	return last->tree ? !last->tree_end : last->rescan && sink->publish_tree;
}

/* Continues where the stream stands, or begins with a rescan. */
static int open_cursor(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	const struct nats_place *place = &sink->session->lanes[index].place;
	const struct nats_head *last = &place->last;
	struct hw_cursor *cursor = NULL;
	int r = -ESTALE;

	if (last->epoch == feed->share.epoch && !place->hole && !misses_tree(sink, last))
		r = sink->host->cursor_open(sink->ctx, index, last->epoch, last->seq, &cursor);
	feed->owes_rescan = r == -ESTALE;
	if (r == -ESTALE)
		r = sink->host->cursor_open(sink->ctx, index, 0, 0, &cursor);
	if (r < 0)
		return r;
	feed->cursor = cursor;
	feed->sent = feed->acked = last->epoch == feed->share.epoch ? last->seq : 0;
	feed->acked_at = last->at;
	feed->waits = false;
	/* Of another history, the number lost is not known. */
	feed->overtaken = feed->owes_rescan && last->epoch == feed->share.epoch;
	return 0;
}

static void close_cursors(struct nats_sink *sink)
{
	for (uint32_t i = 0; i < sink->share_count; i++) {
		nats_tree_drop(sink, i);
		sink->host->cursor_close(sink->ctx, sink->feeds[i].cursor);
		sink->feeds[i].cursor = NULL;
	}
}

static void take_acked(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct nats_lane *lane = &sink->session->lanes[index];
	struct nats_item *item;

	while ((item = TAILQ_FIRST(&lane->items)) && item->acked) {
		/* A message of an earlier connection may have come late. */
		if (item->at <= feed->acked_at && feed->acked_at)
			feed->owes_rescan = true;
		if (item->tree_end)
			nats_tree_finish(sink, index);
		feed->waits = false;
		feed->acked = item->seq;
		feed->acked_at = item->at;
		nats_session_pop(sink->session, lane);
	}
	if (feed->cursor && feed->share.seq >= feed->acked)
		sink->host->cursor_done(sink->ctx, feed->cursor, feed->acked);
}

/* A share that is arming has no events yet; ready() is called when it is online. */
static void open_cursors(struct nats_sink *sink)
{
	for (uint32_t i = 0; i < sink->share_count; i++) {
		nats_feed_refresh(sink, i);
		if (!sink->feeds[i].cursor && sink->feeds[i].share.state != HW_SHARE_ARMING)
			(void)open_cursor(sink, i); /* -ENOMEM: at the next event */
	}
}

/* Programs that begin to read now could not follow. */
static void replace_trees(struct nats_sink *sink)
{
	for (uint32_t i = 0; i < sink->share_count; i++) {
		struct nats_feed *feed = &sink->feeds[i];
		struct nats_lane *lane = &sink->session->lanes[i];

		if (!lane->bare || !feed->cursor)
			continue;
		lane->bare = false;
		/* What is on its way is newer. */
		if (feed->owes_rescan || feed->waits || feed->tree.owed)
			continue;
		feed->owes_rescan = true;
		sink->host->log(sink->ctx, HW_LOG_INFO,
				"share %s: the stream no longer has its tree; publishing it again",
				feed->share.name);
	}
}

static void log_state(struct nats_sink *sink, const struct nats_session *s)
{
	if (s->state == NATS_UP && s->proved && sink->told[0]) {
		sink->host->log(sink->ctx, HW_LOG_INFO, "events are stored by %s again", s->url);
		sink->told[0] = '\0';
	}
	if (s->state == NATS_UP || !s->why[0] || strcmp(s->why, sink->told) == 0)
		return;
	memcpy(sink->told, s->why, sizeof(sink->told));
	sink->host->log(sink->ctx, HW_LOG_WARNING, "%s; trying again until it works", sink->told);
}

void nats_feeds_answers(struct nats_sink *sink)
{
	struct nats_session *s = sink->session;

	(void)pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < sink->share_count; i++)
		take_acked(sink, i);
	log_state(sink, s);
	if (s->state == NATS_FAILED) {
		close_cursors(sink);
		nats_session_reset(s);
	}
	if (s->state == NATS_UP) {
		open_cursors(sink);
		replace_trees(sink);
	}
	(void)pthread_mutex_unlock(&s->lock);
}
