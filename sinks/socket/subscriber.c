/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <hostwatch/probe.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NO_PROOF                                                                                   \
	"this sink requires a secret, and no proof arrived in time; give the receiver the file "   \
	"that secret = names"
#define DISCARD_MAX (256u << 10) /* bytes of unread input discarded before an error is sent */

struct feed *hw_subscriber_feed(struct subscriber *s, uint32_t share)
{
	if (s->phase != PHASE_LIVE)
		return NULL;
	for (uint32_t i = 0; i < s->feed_count; i++)
		if (s->feeds[i].share == share)
			return &s->feeds[i];
	return NULL;
}

static bool has_snapshot(const struct subscriber *s)
{
	for (uint32_t i = 0; i < s->feed_count; i++)
		if (s->feeds[i].snapshot)
			return true;
	return false;
}

static void count_accepted(struct subscriber *s, int change)
{
	s->sink->accepted += (uint32_t)change;
	if (s->peer)
		s->peer->accepted += (uint32_t)change;
}

void hw_subscriber_destroy(struct subscriber *s)
{
	struct socket_sink *sink = s->sink;
	struct connector *connector = s->connector;

	sink->host->log(sink->ctx, HW_LOG_DEBUG, "connection of %s closed", s->name);
	TAILQ_REMOVE(&sink->subscribers, s, link);
	sink->host->io_del(sink->ctx, s->io);
	hw_sink_drop_timer(sink, s->timer);
	for (uint32_t i = 0; i < s->feed_count; i++)
		hw_feed_fini(sink, &s->feeds[i]);
	sink->input_bytes -= s->in.len;
	if (s->peer)
		s->peer->input_bytes -= s->in.len;
	hw_buf_free(&s->in);
	hw_batch_put(s->rest);
	hw_buf_free(&s->out);
	free(s->feeds);
	free(s->below);
	hw_filter_free(&s->exclude);
	(void)close(s->fd); /* unread bytes may be lost */
	if (!connector)
		count_accepted(s, -1);
	hw_peer_put(s->peer);
	free(s);
	if (connector)
		hw_connector_lost(connector);
}

/* ---- output ---- */

/* Returns the number of bytes that the socket accepted; -ECONNRESET if it accepts no more. */
static ssize_t send_bytes(struct subscriber *s, const char *bytes, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = send(s->fd, bytes + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		HW_PROBE3(send, s->fd, len - sent, n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			break;
		if (n < 0)
			return -ECONNRESET;
		sent += (size_t)n;
	}
	s->window_bytes += sent;
	return (ssize_t)sent;
}

/* A subscriber with an open snapshot must read it at a certain rate, because others wait for
 * theirs. */
static void watch_progress(struct subscriber *s)
{
	bool open = has_snapshot(s);

	if (s->phase != PHASE_LIVE || open == s->in_window)
		return;
	s->in_window = open;
	s->window_bytes = 0;
	s->sink->host->timer_set(s->sink->ctx, s->timer, open ? SNAPSHOT_WINDOW_NS : 0);
}

/* Returns whether the subscriber accepted enough, or had nothing to accept, and may go on. */
static bool begin_next_window(struct subscriber *s)
{
	if (s->phase != PHASE_LIVE ||
	    (hw_subscriber_has_output(s) && s->window_bytes < SNAPSHOT_WINDOW_BYTES))
		return false;
	s->in_window = false;
	watch_progress(s);
	return true;
}

static void mark_done(struct subscriber *s)
{
	for (uint32_t i = 0; i < s->feed_count; i++)
		hw_feed_done(s->sink, &s->feeds[i]);
	watch_progress(s);
}

/* Returns 0: nothing is left; 1: the socket is full; -errno: the connection ended. */
static int flush_rest(struct subscriber *s)
{
	const struct hw_buf *bytes = s->rest ? &s->rest->bytes : NULL;
	ssize_t n = bytes ? send_bytes(s, bytes->data + s->rest_at, bytes->len - s->rest_at) : 0;

	if (n < 0 || !bytes)
		return (int)n;
	s->rest_at += (size_t)n;
	if (s->rest_at < bytes->len)
		return 1;
	hw_batch_put(s->rest);
	s->rest = NULL;
	return 0;
}

/* Returns as flush_rest() does. */
static int flush_out(struct subscriber *s)
{
	int r = flush_rest(s);
	ssize_t n = r == 0 ? send_bytes(s, s->out.data, s->out.len) : r;

	if (r != 0 || n < 0)
		return (int)n;
	hw_buf_consume(&s->out, (size_t)n);
	if (s->out.len)
		return 1;
	hw_buf_free(&s->out);
	mark_done(s);
	return 0;
}

int hw_subscriber_send(struct subscriber *s, const struct hw_buf *buf)
{
	ssize_t n = hw_subscriber_has_output(s) ? 0 : send_bytes(s, buf->data, buf->len);
	int r;

	if (n < 0)
		return (int)n;
	if ((size_t)n == buf->len) {
		mark_done(s);
		return 0;
	}
	watch_progress(s);
	r = hw_buf_append(&s->out, buf->data + n, buf->len - (size_t)n);
	return r < 0 ? r : 1;
}

/* Sends a batch while nothing is queued. Returns as hw_subscriber_send() does. */
static int send_batch(struct subscriber *s, struct batch *batch)
{
	ssize_t n = send_bytes(s, batch->bytes.data, batch->bytes.len);

	if (n < 0)
		return (int)n;
	if ((size_t)n == batch->bytes.len) {
		mark_done(s);
		return 0;
	}
	watch_progress(s);
	batch->references++;
	s->rest = batch;
	s->rest_at = (size_t)n;
	return 1;
}

/* Encodes the next batch. Returns 1: there may be more; 0: this was all; -errno. */
static int fill_batch(struct subscriber *s, struct hw_buf *buf)
{
	struct feed_filter filter = { s->below, s->below_len, s->events,
				      s->exclude.count ? &s->exclude : NULL };
	uint32_t idle = 0;
	int r;

	while (idle < s->feed_count) {
		r = hw_feed_pull(s->sink, &s->feeds[s->next_feed], &filter, buf,
				 s->sink->send_buffer);
		if (r != 0)
			return r;
		s->next_feed = (s->next_feed + 1) % s->feed_count;
		idle++;
	}
	return 0;
}

/* Sends the next batch, and adds its size to *ret_sent. Returns 1: there may be more; 0: everything
 * is sent or queued; -errno. */
static int pump_batch(struct subscriber *s, size_t *ret_sent)
{
	struct hw_buf *buf = &s->sink->scratch;
	struct batch *batch = NULL;
	int more = hw_batch_next(s, &batch), r;

	if (more > 0) {
		r = send_batch(s, batch);
		*ret_sent += batch->bytes.len;
	} else if (more == 0) {
		buf->len = 0;
		more = fill_batch(s, buf);
		r = more < 0 ? more : hw_subscriber_send(s, buf);
		*ret_sent += buf->len;
	} else {
		r = more;
	}
	return r == 0 ? more : r < 0 ? r : 0; /* 1: continue when the socket is writable */
}

/* While output is queued or a barrier runs, no request is read, so that a peer cannot send requests
 * faster than it reads the answers. */
static void set_events(struct subscriber *s, bool more)
{
	uint32_t events = hw_subscriber_has_output(s) ? HW_IO_WRITE : s->syncing ? 0 : HW_IO_READ;

	more |= s->held && !s->syncing;
	if (s->phase == PHASE_CLOSING)
		events = HW_IO_WRITE;
	s->sink->host->io_set(s->sink->ctx, s->io, more ? events | HW_IO_WRITE : events);
}

void hw_subscriber_wake(struct subscriber *s)
{
	set_events(s, true);
}

static int pump_events(struct subscriber *s, size_t bytes)
{
	size_t sent = 0;
	int r = 1;

	while (r > 0 && sent < bytes)
		r = pump_batch(s, &sent);
	return r;
}

int hw_subscriber_pump(struct subscriber *s, size_t bytes)
{
	int r = flush_out(s);

	if (r == 0 && s->phase == PHASE_LIVE)
		r = pump_events(s, bytes);
	hw_sync_count(s);
	if (r == -ENOMEM || r == -ENOBUFS || r == -EINVAL)
		s->sink->host->log(s->sink->ctx, HW_LOG_WARNING, "disconnected %s: %s", s->name,
				   strerror(-r));
	if (r < 0 || (s->phase == PHASE_CLOSING && !hw_subscriber_has_output(s))) {
		(void)shutdown(s->fd, SHUT_WR); /* ends the connection even if the peer has a
						 * duplicate of the fd */
		hw_subscriber_destroy(s);
		return -ECONNRESET;
	}
	set_events(s, r > 0);
	return r > 0 || hw_subscriber_has_output(s);
}

/* With unread input, close() would make TCP reset the connection, and the error would be lost. */
static void discard_input(struct subscriber *s)
{
	char bytes[4096];

	for (size_t total = 0; total < DISCARD_MAX; total += sizeof(bytes))
		if (recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			break;
}

void hw_subscriber_refuse(struct subscriber *s, int error, const char *text)
{
	struct socket_sink *sink = s->sink;
	struct hw_buf *buf = &sink->scratch;

	sink->host->log(sink->ctx, HW_LOG_WARNING, "refused %s: %s", s->name, text);
	s->phase = PHASE_CLOSING;
	sink->host->timer_set(sink->ctx, s->timer, CLOSING_NS);
	discard_input(s);
	buf->len = 0;
	if (sink->stream->put_error(sink, buf, error, text) < 0 || hw_subscriber_send(s, buf) < 0)
		hw_subscriber_destroy(s);
	else
		(void)hw_subscriber_pump(s, 0);
}

/* ---- events of the loop ---- */

static int on_io(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct subscriber *s = self;
	int r = 0;

	(void)io;
	(void)budget; /* one read and a few batches are less than any budget */
	if (events & HW_IO_READ) {
		r = hw_subscriber_input(s);
		if (r < 0)
			return 1;
	}
	if ((events & HW_IO_HANGUP) && r == 0) {
		hw_subscriber_destroy(s);
		return 1;
	}
	if ((events & HW_IO_WRITE) && hw_subscriber_pump(s, TURN_BYTES) == 0 && s->in.len)
		(void)hw_subscriber_input(s); /* requests may have waited for the output */
	return 1;
}

/* Returns whether a unix socket peer has yet to read hello. For other peers, the kernel reports at
 * most whether it arrived. */
static bool is_unread(const struct subscriber *s)
{
	int bytes = 0;

	return hw_subscriber_has_output(s) || (ioctl(s->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0);
}

/* Returns whether a request has arrived that this iteration has not read yet. */
static bool has_request(const struct subscriber *s)
{
	int bytes = 0;

	return ioctl(s->fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/* A peer that was stopped, or got no CPU time, may still send a request. */
static void end_hello_wait(struct subscriber *s)
{
	struct socket_sink *sink = s->sink;

	if (!is_unread(s) && !has_request(s)) {
		hw_subscriber_go_live(s);
		return;
	}
	s->wait_ns *= 2;
	if (s->wait_ns > sink->handshake_timeout_ns)
		s->wait_ns = sink->handshake_timeout_ns;
	sink->host->timer_set(sink->ctx, s->timer, s->wait_ns);
}

static void on_timer(void *self, struct hw_timer *timer)
{
	struct subscriber *s = self;
	struct socket_sink *sink = s->sink;
	uint64_t rest = sink->handshake_timeout_ns - sink->hello_wait_ns;

	if (s->phase == PHASE_AUTH) {
		sink->unproved++;
		hw_subscriber_refuse(s, ETIMEDOUT, NO_PROOF);
	} else if (s->phase == PHASE_HELLO && !s->in.len) {
		end_hello_wait(s);
	} else if (s->phase == PHASE_HELLO && !s->waited && rest) {
		s->waited = true;
		sink->host->timer_set(sink->ctx, timer, rest);
	} else if (s->phase == PHASE_HELLO) {
		hw_subscriber_refuse(s, ETIMEDOUT, "request not completed in time");
	} else if (!begin_next_window(s)) {
		sink->host->log(sink->ctx, HW_LOG_WARNING,
				s->phase == PHASE_LIVE
					? "disconnected %s: it reads its snapshot too slowly"
					: "disconnected %s: it does not read the last message",
				s->name);
		hw_subscriber_destroy(s);
	}
}

/* ---- creation ---- */

static int open_feeds(struct subscriber *s)
{
	struct socket_sink *sink = s->sink;
	int r;

	hw_sink_refresh_all(sink);
	s->feeds = calloc(sink->share_count ? sink->share_count : 1, sizeof(*s->feeds));
	if (!s->feeds)
		return -ENOMEM;
	for (uint32_t i = 0; i < sink->share_count; i++) {
		r = hw_feed_init(sink, &s->feeds[i], i);
		if (r < 0)
			return r;
		s->feeds[i].several = true;
		s->feeds[i].peer = s->peer;
		s->feed_count++;
	}
	return 0;
}

int hw_subscriber_greet(struct subscriber *s)
{
	struct hw_buf *buf = &s->sink->scratch;
	int r = open_feeds(s);

	if (r < 0)
		return r;
	s->phase = PHASE_HELLO;
	buf->len = 0;
	r = s->sink->stream->put_hello(s->sink, buf);
	if (r >= 0)
		r = hw_subscriber_send(s, buf);
	if (r < 0)
		return r;
	set_events(s, false);
	s->wait_ns = s->sink->hello_wait_ns;
	s->sink->host->timer_set(s->sink->ctx, s->timer, s->wait_ns);
	return 0;
}

int hw_subscriber_create(struct socket_sink *sink, int fd, struct connector *connector,
			 struct subscriber **ret)
{
	struct subscriber *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s) {
		(void)close(fd); /* nothing was sent */
		return r;
	}
	s->sink = sink;
	s->fd = fd;
	s->in = HW_BUF_GROWING(HW_JSON_REQUEST_MAX);
	s->out = HW_BUF_GROWING(sink->scratch.limit);
	hw_peer_name(fd, s->name);
	TAILQ_INSERT_TAIL(&sink->subscribers, s, link);
	s->peer = hw_peer_get(sink, fd);
	count_accepted(s, 1);
	r = s->peer ? 0 : -ENOMEM;
	if (r >= 0)
		r = sink->host->io_add(sink->ctx, fd, HW_IO_READ, on_io, s, &s->io);
	if (r >= 0)
		r = sink->host->timer_add(sink->ctx, on_timer, s, &s->timer);
	if (r >= 0)
		r = sink->secret ? hw_subscriber_ask_proof(s) : hw_subscriber_greet(s);
	if (r < 0) {
		hw_subscriber_destroy(s);
		return r;
	}
	if (connector) {
		s->connector = connector;
		count_accepted(s, -1); /* destroy notifies the connector instead */
	}
	if (ret)
		*ret = s;
	return 0;
}

static struct subscriber *newest_of(struct socket_sink *sink, const struct peer *peer)
{
	struct subscriber *s = TAILQ_LAST(&sink->subscribers, subscriber_list);

	while (s && (s->peer != peer || s->connector))
		s = TAILQ_PREV(s, subscriber_list, link);
	return s;
}

bool hw_subscriber_displace(struct socket_sink *sink, const struct peer *newcomer)
{
	struct peer *largest = hw_peer_largest(sink);
	struct subscriber *s = largest ? newest_of(sink, largest) : NULL;

	if (!s || largest->accepted < newcomer->accepted + 2)
		return false;
	sink->host->log(sink->ctx, HW_LOG_WARNING,
			"disconnected %s: another peer with fewer subscribers needs its place "
			"(max_subscribers)",
			s->name);
	hw_subscriber_destroy(s);
	return true;
}
