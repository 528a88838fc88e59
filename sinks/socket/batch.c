/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Batches of events that are encoded once and sent to all subscribers that are at the same place of
 * a journal and get the same bytes: those without filters, to which nothing but events is due.
 */
#include "socket.h"

#include <errno.h>
#include <stdlib.h>

static bool is_alone(const struct socket_sink *sink)
{
	return TAILQ_FIRST(&sink->subscribers) == TAILQ_LAST(&sink->subscribers, subscriber_list);
}

/* Returns whether the next bytes for the subscriber are events as the journal has them. */
static bool can_share(const struct subscriber *s)
{
	if (s->below || s->events || s->exclude.count || is_alone(s->sink))
		return false;
	for (uint32_t i = 0; i < s->feed_count; i++)
		if (!hw_feed_is_plain(&s->feeds[i]))
			return false;
	return true;
}

/* Returns the next feed that has not sent all events; NULL: none. Each feed gets its turn. */
static struct feed *next_feed(struct subscriber *s)
{
	for (uint32_t i = 0; i < s->feed_count; i++) {
		struct feed *feed = &s->feeds[s->next_feed];

		s->next_feed = (s->next_feed + 1) % s->feed_count;
		hw_sink_refresh(s->sink, feed->share);
		if (feed->seq != s->sink->shares[feed->share].seq)
			return feed;
	}
	return NULL;
}

static struct batch *find(struct socket_sink *sink, const struct feed *feed)
{
	for (uint32_t i = 0; i < BATCHES; i++) {
		struct batch *batch = sink->batches[i];

		if (batch && batch->bytes.len && batch->share == feed->share &&
		    batch->after == feed->seq && batch->epoch == sink->shares[feed->share].epoch)
			return batch;
	}
	return NULL;
}

void hw_batch_put(struct batch *batch)
{
	if (!batch || --batch->references)
		return;
	hw_buf_free(&batch->bytes);
	free(batch);
}

static struct batch *create(const struct socket_sink *sink)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->references = 1;
	batch->bytes = HW_BUF_GROWING(sink->scratch.limit);
	return batch;
}

/* Returns a batch in place of the oldest one, NULL without memory. */
static struct batch *renew(struct socket_sink *sink)
{
	uint32_t at = sink->next_batch;
	struct batch *batch = sink->batches[at];

	sink->next_batch = (at + 1) % BATCHES;
	if (batch && batch->references == 1)
		return batch;
	hw_batch_put(batch);
	batch = create(sink);
	sink->batches[at] = batch;
	return batch;
}

/* Encodes what follows. Returns -errno if that failed. */
static int encode(struct socket_sink *sink, struct feed *feed, struct batch **ret)
{
	struct batch *batch = renew(sink);
	int r;

	if (!batch)
		return -ENOMEM;
	batch->share = feed->share;
	batch->epoch = sink->shares[feed->share].epoch;
	batch->after = feed->seq;
	batch->bytes.len = 0;
	r = hw_feed_pull_events(sink, feed, &batch->bytes, sink->batch_bytes);
	if (r < 0)
		batch->bytes.len = 0; /* for no other subscriber */
	batch->last = feed->seq;
	*ret = batch;
	return r < 0 ? r : 0;
}

int hw_batch_next(struct subscriber *s, struct batch **ret)
{
	struct feed *feed = can_share(s) ? next_feed(s) : NULL;
	struct batch *batch;
	int r;

	if (!feed)
		return 0;
	batch = find(s->sink, feed);
	if (batch && hw_feed_skip(s->sink, feed, batch->epoch, batch->last) < 0)
		return 0; /* it reads the journal itself */
	r = batch ? 0 : encode(s->sink, feed, &batch);
	if (r < 0)
		return r;
	*ret = batch;
	return batch->bytes.len > 0;
}

void hw_batches_init(struct socket_sink *sink)
{
	sink->batch_bytes = TURN_BYTES / BATCHES;
	if (sink->batch_bytes > sink->send_buffer)
		sink->batch_bytes = sink->send_buffer;
}

void hw_batches_free(struct socket_sink *sink)
{
	for (uint32_t i = 0; i < BATCHES; i++) {
		hw_batch_put(sink->batches[i]);
		sink->batches[i] = NULL;
	}
}
