/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <string.h>

/* Returns the number of the barrier that covers changes made before now; 0: -errno is in *ret. */
static uint64_t join(struct socket_sink *sink, uint32_t share, int *ret)
{
	struct barriers *b = &sink->barriers[share];

	*ret = 0;
	if (b->begun != b->ended)
		return b->begun + 1; /* begins when the one that is running has ended */
	*ret = sink->host->sync(sink->ctx, share);
	return *ret < 0 ? 0 : ++b->begun;
}

int hw_sync_begin(struct subscriber *s, const char *text)
{
	int r = 0;

	memcpy(s->sync_text, text, strlen(text) + 1); /* its length was checked */
	for (uint32_t i = 0; i < s->feed_count && r == 0; i++) {
		struct feed *feed = &s->feeds[i];

		feed->sync = join(s->sink, feed->share, &r);
		feed->sync_text = s->sync_text;
		feed->synced = false;
	}
	hw_sync_count(s);
	return r;
}

void hw_sync_count(struct subscriber *s)
{
	s->syncing = 0;
	for (uint32_t i = 0; i < s->feed_count; i++)
		s->syncing += s->feeds[i].sync != 0;
}

int hw_sync_answer(struct socket_sink *sink, struct feed *feed, struct hw_buf *buf, bool drained)
{
	struct hw_share_info info = sink->shares[feed->share];
	int r;

	if (!feed->synced || feed->wants_snapshot || (feed->seq < feed->sync_to && !drained))
		return 0;
	info.seq = feed->seq;
	r = sink->stream->put_synced(sink, buf, feed->sync_text, &info);
	feed->sync = 0;
	feed->synced = false;
	return r < 0 ? r : 1;
}

/* Returns whether the subscriber waits for a later barrier of this share. */
static bool take_result(struct subscriber *s, uint32_t share, const struct barriers *ended)
{
	bool waits = false;

	for (uint32_t i = 0; i < s->feed_count; i++) {
		struct feed *feed = &s->feeds[i];

		if (feed->share != share || !feed->sync || feed->synced)
			continue;
		if (feed->sync > ended->ended) {
			waits = true;
			continue;
		}
		feed->synced = true;
		feed->sync_to = ended->seq;
		hw_subscriber_wake(s);
	}
	return waits;
}

void hw_sync_ended(struct socket_sink *sink, uint32_t share, uint64_t seq)
{
	struct barriers *b = &sink->barriers[share];
	struct subscriber *s;
	bool waits = false;

	b->ended++;
	b->seq = seq;
	hw_sink_refresh(sink, share);
	TAILQ_FOREACH(s, &sink->subscribers, link)
	waits |= take_result(s, share, b);
	if (!waits)
		return;
	if (sink->host->sync(sink->ctx, share) == 0) {
		b->begun++;
		return;
	}
	/* Out of memory: nothing can be promised to these subscribers. */
	for (struct subscriber *next = NULL, *at = TAILQ_FIRST(&sink->subscribers); at; at = next) {
		next = TAILQ_NEXT(at, link);
		if (take_result(at, share, b))
			hw_subscriber_refuse(at, ENOMEM, "out of memory");
	}
}
