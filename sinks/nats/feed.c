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

static int put(struct nats_sink *sink, uint32_t index, const struct hw_event *event, const char *id)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct nats_item *item;
	int r;

	sink->buf.len = 0;
	r = hw_json_put_event(&sink->buf, feed->share.name, event);
	if (r < 0)
		return r;
	HW_PROBE2(encode, event->seq, sink->buf.len);
	item = malloc(sizeof(*item) + sink->buf.len);
	if (!item)
		return -ENOMEM;
	*item = (struct nats_item){
		.lane = index,
		.epoch = feed->share.epoch,
		.seq = event->seq,
		.acked_seq = feed->acked,
		.acked_at = feed->acked_at,
		.kind = hw_kind_name(event->kind),
		.len = sink->buf.len,
	};
	(void)snprintf(item->id, sizeof(item->id), "%s", id);
	memcpy(item->data, sink->buf.data, item->len);
	nats_session_put(sink->session, item);
	feed->sent = event->seq;
	return 0;
}

static int put_event(struct nats_sink *sink, uint32_t index, struct hw_event *event)
{
	struct nats_feed *feed = &sink->feeds[index];
	char id[NATS_ID_MAX];
	int r;

	(void)snprintf(id, sizeof(id), "%016" PRIx64 "-%" PRIu64, feed->share.epoch, event->seq);
	r = put(sink, index, event, id);
	/* It was counted after it was made: it is the last one of the queue. */
	if (r == 0 && (int64_t)sink->buf.len > sink->session->max_payload) {
		struct nats_item *item = TAILQ_LAST(&sink->session->lanes[index].items, nats_items);
		struct hw_event rescan = *event;

		hw_event_make_rescan(&rescan, "", 0);
		TAILQ_REMOVE(&sink->session->lanes[index].items, item, of_lane);
		TAILQ_REMOVE(&sink->session->queue, item, of_queue);
		sink->session->unresolved--;
		sink->session->bytes -= item->len;
		free(item);
		r = put(sink, index, &rescan, id);
	}
	return r;
}

/* The journal no longer has what is missing, or the order in the stream is wrong. */
static int put_rescan(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct hw_event event = { .struct_size = sizeof(event), .kind = HW_RESCAN, .path = "" };
	char id[NATS_ID_MAX];
	int r;

	event.seq = sink->host->cursor_seek(sink->ctx, feed->cursor);
	event.time_ns = now_realtime();
	nats_feed_refresh(sink, index);
	/* Each is another message, also if the sequence number is the same. */
	(void)snprintf(id, sizeof(id), "%016" PRIx64 "-%" PRIu64 "-%" PRIx64 "-%" PRIu64,
		       feed->share.epoch, event.seq, (uint64_t)event.time_ns, ++sink->rescan_ids);
	if (event.seq > feed->sent)
		feed->lost += sink->host->count_after(sink->ctx, index, feed->sent) -
			      sink->host->count_after(sink->ctx, index, event.seq);
	r = put(sink, index, &event, id);
	if (r < 0)
		return r;
	feed->owes_rescan = false;
	feed->in_rescan = true;
	feed->rescans++;
	return 0;
}

/* ---- pulling ---- */

static bool has_room(const struct nats_session *s, uint64_t limit)
{
	return s->unresolved < limit && s->bytes < BYTES_MAX;
}

/* Returns 1: a message was made; 0: there is nothing to send now; -errno. */
static int pull(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	struct hw_event event = { .struct_size = sizeof(event) };
	uint64_t epoch = feed->share.epoch;
	int r;

	if (!feed->cursor || feed->in_rescan)
		return 0;
	nats_feed_refresh(sink, index);
	if (feed->share.epoch != epoch)
		feed->owes_rescan = true;
	if (feed->owes_rescan) {
		/* It comes after everything that was sent before. */
		if (!TAILQ_EMPTY(&sink->session->lanes[index].items))
			return 0;
		r = put_rescan(sink, index);
		return r < 0 ? r : 1;
	}
	r = sink->host->cursor_next(sink->ctx, feed->cursor, &event);
	if (r == -ESTALE) {
		feed->owes_rescan = true;
		return 1;
	}
	if (r > 0)
		r = put_event(sink, index, &event);
	return r < 0 ? r : event.kind ? 1 : 0;
}

/* After an error of memory or of an event, the receivers have to look. */
static int pull_one(struct nats_sink *sink, uint32_t index)
{
	int r = pull(sink, index);

	if (r < 0)
		sink->feeds[index].owes_rescan = true;
	return r;
}

void nats_feeds_pump(struct nats_sink *sink)
{
	struct nats_session *s = sink->session;
	bool more = true;

	(void)pthread_mutex_lock(&s->lock);
	/* The shares take turns. */
	while (more && s->state == NATS_UP) {
		more = false;
		for (uint32_t i = 0; i < sink->share_count && has_room(s, sink->in_flight); i++)
			more |= pull_one(sink, i) > 0;
	}
	(void)pthread_mutex_unlock(&s->lock);
}

/* ---- answers ---- */

/* Continues where the stream stands, or begins with a rescan. */
static int open_cursor(struct nats_sink *sink, uint32_t index)
{
	struct nats_feed *feed = &sink->feeds[index];
	const struct nats_place *place = &sink->session->lanes[index].place;
	const struct nats_head *last = &place->last;
	struct hw_cursor *cursor = NULL;
	int r = -ESTALE;

	if (last->epoch == feed->share.epoch && !place->hole)
		r = sink->host->cursor_open(sink->ctx, index, last->epoch, last->seq, &cursor);
	feed->owes_rescan = r == -ESTALE;
	if (r == -ESTALE)
		r = sink->host->cursor_open(sink->ctx, index, 0, 0, &cursor);
	if (r < 0)
		return r;
	feed->cursor = cursor;
	feed->sent = feed->acked = last->epoch == feed->share.epoch ? last->seq : 0;
	feed->acked_at = last->at;
	feed->in_rescan = false;
	if (feed->owes_rescan && last->epoch != feed->share.epoch)
		feed->sent = feed->share.seq; /* of another history: the number lost is not known */
	return 0;
}

static void close_cursors(struct nats_sink *sink)
{
	for (uint32_t i = 0; i < sink->share_count; i++) {
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
		feed->in_rescan = false;
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
	if (s->state == NATS_UP)
		open_cursors(sink);
	(void)pthread_mutex_unlock(&s->lock);
}
