/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <time.h>

int hw_feed_init(struct socket_sink *sink, struct feed *feed, uint32_t share)
{
	*feed = (struct feed){ .share = share };
	feed->seq = feed->done_seq = sink->shares[share].seq;
	return sink->host->cursor_open(sink->ctx, share, 0, 0, &feed->cursor);
}

/* Replaces the cursor. On failure, the old one stays. */
static int open_at(struct socket_sink *sink, struct feed *feed, uint64_t epoch, uint64_t after)
{
	struct hw_cursor *cursor;
	int r = sink->host->cursor_open(sink->ctx, feed->share, epoch, after, &cursor);

	if (r < 0)
		return r;
	sink->host->cursor_close(sink->ctx, feed->cursor);
	feed->cursor = cursor;
	feed->seq = feed->done_seq = after;
	return 0;
}

/* Counts the events after `from` up to `to`, which are not sent to this receiver. */
static void count_lost(struct socket_sink *sink, struct feed *feed, uint64_t from, uint64_t to)
{
	if (to > from)
		feed->lost += sink->host->count_after(sink->ctx, feed->share, from) -
			      sink->host->count_after(sink->ctx, feed->share, to);
}

int hw_feed_resume(struct socket_sink *sink, struct feed *feed, uint64_t epoch, uint64_t after,
		   bool filtered)
{
	int r;

	feed->resuming = true;
	feed->resume_to = sink->shares[feed->share].seq;
	/* One event may be sent as two events with the same number, and the connection may have
	 * ended between them. */
	if (filtered && after) {
		r = open_at(sink, feed, epoch, after - 1);
		if (r == 0)
			feed->told = after;
		if (r != -ESTALE)
			return r;
	}
	r = open_at(sink, feed, epoch, after);
	if (r != -ESTALE)
		return r;
	feed->owes_rescan = true;
	if (epoch == sink->shares[feed->share].epoch)
		count_lost(sink, feed, after, feed->seq);
	return 0;
}

static void close_snapshot(struct socket_sink *sink, struct feed *feed)
{
	if (!feed->snapshot)
		return;
	sink->host->snapshot_close(sink->ctx, feed->snapshot);
	feed->snapshot = NULL;
	sink->snapshots--;
	feed->peer->snapshots--;
	hw_sink_kick(sink); /* other feeds may wait for the snapshot */
}

void hw_feed_fini(struct socket_sink *sink, struct feed *feed)
{
	close_snapshot(sink, feed);
	sink->host->cursor_close(sink->ctx, feed->cursor);
	feed->cursor = NULL;
}

#define SELECTED_MAX (HW_BELOW_MAX * HW_EXCLUDE_MAX)

/* Writes the events that the receiver gets instead of this one, and returns their number: at most
 * two, because only a move without `from` is split by below, and no other one by exclude. */
static int select_event(const struct feed_filter *filter, const struct hw_event *event,
			struct hw_event ret[SELECTED_MAX])
{
	struct hw_event seen[HW_BELOW_MAX];
	int count = 1, selected = 0;

	seen[0] = *event;
	if (filter->below)
		count = hw_event_below(event, filter->below, filter->below_len, seen);
	for (int i = 0; i < count; i++) {
		ret[selected] = seen[i];
		selected += filter->exclude
				    ? hw_event_exclude(&seen[i], filter->exclude, ret + selected)
				    : 1;
	}
	return selected;
}

/* A snapshot, whose events have no number, contains every entry. */
static bool is_wanted(const struct feed_filter *filter, const struct hw_event *event)
{
	return !filter->events || !event->seq || event->kind == HW_RESCAN ||
	       filter->events & UINT32_C(1) << event->kind;
}

static int put_event(struct socket_sink *sink, struct feed *feed, const struct feed_filter *filter,
		     struct hw_buf *buf, const struct hw_event *event)
{
	struct hw_event seen[SELECTED_MAX];
	int count, first = feed->told && event->seq == feed->told, r = 0;

	if (!filter->below && !filter->exclude && !filter->events)
		return sink->stream->put_event(sink, buf, feed->share, event);
	count = select_event(filter, event, seen);
	for (int i = first; r == 0 && i < count; i++)
		if (is_wanted(filter, &seen[i]))
			r = sink->stream->put_event(sink, buf, feed->share, &seen[i]);
	return r;
}

static int64_t now_realtime(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int put_rescan(struct socket_sink *sink, struct feed *feed, const struct feed_filter *filter,
		      struct hw_buf *buf)
{
	struct hw_event event = { .struct_size = sizeof(event), .kind = HW_RESCAN, .path = "" };

	event.seq = sink->host->cursor_seek(sink->ctx, feed->cursor);
	event.time_ns = now_realtime();
	count_lost(sink, feed, feed->seq, event.seq);
	hw_sink_refresh(sink, feed->share); /* the journal may have overtaken the cursor because of
					     * a new epoch */
	feed->owes_rescan = false;
	feed->told = 0;
	feed->seq = event.seq;
	feed->dropped++;
	return put_event(sink, feed, filter, buf, &event);
}

/* ---- snapshots ---- */

/* While the share is offline, the cursor stays at the end: the snapshot will contain the skipped
 * events, and ready() is still called. */
static int wait_for_share(struct socket_sink *sink, struct feed *feed)
{
	struct hw_event event = { .struct_size = sizeof(event) };

	(void)sink->host->cursor_seek(sink->ctx, feed->cursor);
	(void)sink->host->cursor_next(sink->ctx, feed->cursor, &event); /* 0, at the end */
	return 0;
}

/* Other readers of snapshots do not delay the events of a feed that waits for its own. */
static bool must_wait(const struct socket_sink *sink, const struct feed *feed)
{
	return sink->snapshots >= SNAPSHOTS_MAX || feed->peer->snapshots >= SNAPSHOTS_PEER_MAX;
}

/* Returns 1: open; 0: not yet; -errno. */
static int open_snapshot(struct socket_sink *sink, struct feed *feed)
{
	uint64_t seq;
	int r;

	r = sink->host->snapshot_open(sink->ctx, feed->share, &feed->snapshot, &seq);
	if (r < 0) {
		feed->snapshot = NULL;
		return r == -EAGAIN ? wait_for_share(sink, feed) : r;
	}
	sink->snapshots++;
	feed->peer->snapshots++;
	feed->wants_snapshot = feed->owes_rescan = false;
	feed->snapshot_seq = seq;
	feed->snapshot_ns = now_realtime();
	hw_sink_refresh(sink, feed->share);
	r = open_at(sink, feed, sink->shares[feed->share].epoch, seq);
	if (r == -ESTALE)
		feed->owes_rescan = true;
	return r < 0 && r != -ESTALE ? r : 1;
}

static int tell_entry(struct socket_sink *sink, struct feed *feed, const struct feed_filter *filter,
		      struct hw_buf *buf)
{
	struct hw_event event = { .struct_size = sizeof(event) };
	int r = sink->host->snapshot_next(sink->ctx, feed->snapshot, &event);

	if (r > 0) {
		event.time_ns = feed->snapshot_ns; /* the time at which the entry was known to exist
						    * */
		return put_event(sink, feed, filter, buf, &event);
	}
	close_snapshot(sink, feed);
	if (r < 0)
		return r;
	return sink->stream->put_snapshot_end(sink, buf, feed->share, feed->several,
					      feed->snapshot_seq);
}

/* ---- pulling ---- */

static int tell_event(struct socket_sink *sink, struct feed *feed, const struct feed_filter *filter,
		      struct hw_buf *buf)
{
	struct hw_event event = { .struct_size = sizeof(event) };
	int r = sink->host->cursor_next(sink->ctx, feed->cursor, &event);

	if (r == -ESTALE) {
		feed->owes_rescan = true;
		return 1;
	}
	if (r <= 0)
		return r;
	r = put_event(sink, feed, filter, buf, &event);
	if (r < 0)
		return r;
	feed->seq = event.seq;
	return 1;
}

/* Appends the answers that follow the events sent so far. Returns 1 if there was one, 0, -errno. */
static int put_answers(struct socket_sink *sink, struct feed *feed, struct hw_buf *buf,
		       bool drained)
{
	int r;

	if (!feed->resuming || (feed->seq < feed->resume_to && !drained))
		return hw_sync_answer(sink, feed, buf, drained);
	feed->resuming = false;
	r = sink->stream->put_resumed_end(sink, buf, feed->share, feed->several, feed->seq);
	return r < 0 ? r : 1;
}

/* Sends the next event, or an answer that is due. Returns 0 if nothing is to be sent. */
static int tell_next(struct socket_sink *sink, struct feed *feed, const struct feed_filter *filter,
		     struct hw_buf *buf)
{
	int r = put_answers(sink, feed, buf, false);

	if (r == 0)
		r = tell_event(sink, feed, filter, buf);
	return r == 0 ? put_answers(sink, feed, buf, true) : r;
}

int hw_feed_pull(struct socket_sink *sink, struct feed *feed, const struct feed_filter *filter,
		 struct hw_buf *buf, size_t limit)
{
	int r;

	while (buf->len < limit) {
		if (feed->wants_snapshot && !must_wait(sink, feed)) {
			r = open_snapshot(sink, feed);
			if (r <= 0)
				return r;
		} else if (feed->snapshot) {
			r = tell_entry(sink, feed, filter, buf);
		} else if (feed->owes_rescan) {
			r = put_rescan(sink, feed, filter, buf);
		} else {
			r = tell_next(sink, feed, filter, buf);
			if (r == 0)
				return 0;
		}
		if (r < 0)
			return r;
	}
	return 1;
}

bool hw_feed_is_plain(const struct feed *feed)
{
	return !feed->wants_snapshot && !feed->snapshot && !feed->owes_rescan && !feed->resuming &&
	       !feed->synced;
}

int hw_feed_pull_events(struct socket_sink *sink, struct feed *feed, struct hw_buf *buf,
			size_t limit)
{
	static const struct feed_filter everything = { .below = NULL };
	int r = 1;

	while (r > 0 && buf->len < limit && !feed->owes_rescan)
		r = tell_event(sink, feed, &everything, buf);
	return r;
}

int hw_feed_skip(struct socket_sink *sink, struct feed *feed, uint64_t epoch, uint64_t to)
{
	const struct hw_share_info *share = &sink->shares[feed->share];
	uint64_t done = feed->done_seq;
	int r;

	if (share->epoch == epoch && share->seq == to) {
		feed->seq = sink->host->cursor_seek(sink->ctx, feed->cursor);
		return 0;
	}
	r = open_at(sink, feed, epoch, to);
	feed->done_seq = done;
	return r;
}

void hw_feed_done(struct socket_sink *sink, struct feed *feed)
{
	if (feed->done_seq == feed->seq || feed->snapshot)
		return;
	feed->done_seq = feed->seq;
	sink->host->cursor_done(sink->ctx, feed->cursor, feed->seq);
}

void hw_feed_status(struct socket_sink *sink, const struct feed *feed, const char *name)
{
	struct hw_receiver receiver = {
		.struct_size = sizeof(receiver),
		.name = name,
		.share = sink->shares[feed->share].name,
		.seq = feed->done_seq,
		.dropped = feed->dropped,
		.lost = feed->lost,
	};

	sink->host->receiver(sink->ctx, &receiver);
}
