/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES 16384u
#define SHARES_TEXT_MAX 200u

int hw_subscriber_reject(struct subscriber *s, int error, const char *text)
{
	hw_subscriber_refuse(s, error, text);
	return -ECONNRESET;
}

void hw_subscriber_go_live(struct subscriber *s)
{
	s->phase = PHASE_LIVE;
	s->sink->host->timer_set(s->sink->ctx, s->timer, 0);
	(void)hw_subscriber_pump(s, TURN_BYTES);
}

/* Keeps only the feed of this share. */
static bool keep_share(struct subscriber *s, const char *name)
{
	struct socket_sink *sink = s->sink;
	struct feed kept;
	uint32_t share = 0;

	while (share < s->feed_count && strcmp(sink->shares[share].name, name) != 0)
		share++;
	if (share == s->feed_count)
		return false;
	kept = s->feeds[share];
	kept.several = false;
	for (uint32_t i = 0; i < s->feed_count; i++)
		if (i != share)
			hw_feed_fini(sink, &s->feeds[i]);
	s->feeds[0] = kept;
	s->feed_count = 1;
	return true;
}

static int keep_below(struct subscriber *s, const struct hw_subscribe *request)
{
	if (!request->below || !request->below_len)
		return 0;
	s->below = malloc(request->below_len);
	if (!s->below)
		return -ENOMEM;
	memcpy(s->below, request->below, request->below_len);
	s->below_len = request->below_len;
	return 0;
}

/* Returns -EINVAL with a reason for an invalid pattern. */
static int keep_filter(struct subscriber *s, const struct hw_subscribe *request,
		       const char **ret_error)
{
	size_t bad;

	s->events = request->events;
	*ret_error = "out of memory";
	return hw_filter_init(&s->exclude, request->exclude, request->exclude_count, &bad,
			      ret_error);
}

/* Adds the names of existing shares, as far as there is room. */
static int refuse_share(struct subscriber *s)
{
	char text[SHARES_TEXT_MAX] = "no such share; this sink sends";
	size_t len = strlen(text);

	for (uint32_t i = 0; i < s->feed_count && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? ", " : " ",
					s->sink->shares[i].name);
	return hw_subscriber_reject(s, ENOENT, text);
}

/* Returns -ECONNRESET if the request was refused. */
static int apply_subscribe(struct subscriber *s, const struct hw_subscribe *request)
{
	const char *error;
	int r = hw_subscribe_check(request, &error);

	if (s->phase != PHASE_HELLO)
		return hw_subscriber_reject(
			s, EALREADY,
			s->asked ? "a subscription exists already: only one request is allowed"
				 : "the request came too late: events are already being sent");
	if (r < 0)
		return hw_subscriber_reject(s, EINVAL, error);
	if (request->share && !keep_share(s, request->share))
		return refuse_share(s);
	if (request->resume && s->feed_count != 1)
		return hw_subscriber_reject(s, EINVAL, "epoch and after require a share");
	r = keep_filter(s, request, &error);
	if (r < 0)
		return hw_subscriber_reject(s, -r, error);
	r = keep_below(s, request);
	if (r == 0 && request->resume)
		r = hw_feed_resume(s->sink, &s->feeds[0], request->epoch, request->after,
				   s->below || s->exclude.count);
	if (r < 0)
		return hw_subscriber_reject(s, -r, strerror(-r));
	for (uint32_t i = 0; request->snapshot && i < s->feed_count; i++)
		s->feeds[i].wants_snapshot = true;
	s->asked = true;
	s->phase = PHASE_LIVE;
	s->sink->host->timer_set(s->sink->ctx, s->timer, 0);
	return 0;
}

/* Without subscribe before it, sync begins the stream of all shares. */
static int begin_sync(struct subscriber *s, const char *text)
{
	int r = hw_sync_begin(s, text);

	if (r < 0)
		return hw_subscriber_reject(s, -r, strerror(-r));
	if (s->phase == PHASE_HELLO) {
		s->phase = PHASE_LIVE;
		s->sink->host->timer_set(s->sink->ctx, s->timer, 0);
	}
	return 0;
}

/* A subscriber may ask several times before it subscribes. */
static int answer_where(struct subscriber *s, const struct hw_ask *ask)
{
	const char *error = NULL;
	int r = hw_where_answer(s, ask, &error);

	if (r < 0)
		return hw_subscriber_reject(s, -r, error);
	if (s->phase == PHASE_HELLO)
		s->sink->host->timer_set(s->sink->ctx, s->timer, s->sink->hello_wait_ns);
	return 0;
}

static int handle_ask(struct subscriber *s, const struct hw_ask *ask)
{
	switch (ask->what) {
	case HW_ASK_SUBSCRIBE:
		return apply_subscribe(s, &ask->subscribe);
	case HW_ASK_SYNC:
		return begin_sync(s, ask->text);
	case HW_ASK_WHERE:
		return answer_where(s, ask);
	}
	return hw_subscriber_reject(s, EINVAL, "unknown request");
}

/* Sends an answer, before any event that is not encoded yet. */
static int answer(struct subscriber *s, const struct request *request)
{
	struct socket_sink *sink = s->sink;

	if (request->what == REQUEST_PING)
		return sink->stream->put_pong(sink, &s->out, request->text);
	return sink->stream->put_error(sink, &s->out, EOPNOTSUPP, "unknown message type");
}

static int handle(struct subscriber *s, const struct request *request)
{
	if (request->what == REQUEST_ASK)
		return handle_ask(s, &request->ask);
	if (request->what == REQUEST_PONG)
		return 0;
	if (answer(s, request) < 0) {
		hw_subscriber_destroy(s);
		return -ECONNRESET;
	}
	return 0;
}

void hw_subscriber_drop_input(struct subscriber *s, size_t len)
{
	size_t before = s->in.len;

	hw_buf_consume(&s->in, len);
	s->sink->input_bytes -= before - s->in.len;
	s->peer->input_bytes -= before - s->in.len;
	if (!s->in.len)
		hw_buf_free(&s->in);
}

/* Handles every complete request, until an answer has to wait. Returns -ECONNRESET if the
 * subscriber was destroyed. */
static int handle_requests(struct subscriber *s)
{
	const char *error = "malformed request";
	struct request request;
	int len, r;

	s->held = s->in.len && s->syncing;
	while (s->in.len && !hw_subscriber_has_output(s) && !s->syncing) {
		len = s->sink->stream->read(s->in.data, s->in.len, &request, &error);
		if (len == 0)
			break;
		if (len < 0 && hw_auth_is_line(s->in.data, s->in.len))
			error = "this sink has no secret: set secret = FILE in it, or remove the "
				"secret of the receiver";
		if (len < 0)
			return hw_subscriber_reject(s, -len, error);
		if (handle(s, &request) < 0)
			return -ECONNRESET;
		hw_subscriber_drop_input(s, (size_t)len);
		s->held = s->in.len && s->syncing;
		r = hw_subscriber_pump(s, TURN_BYTES);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Returns the number of bytes read; 0 if there are none; -errno at the end. */
static ssize_t receive(struct subscriber *s)
{
	struct socket_sink *sink = s->sink;
	size_t room = s->in.limit - s->in.len;
	ssize_t n;

	if (room > READ_BYTES)
		room = READ_BYTES;
	if (hw_buf_reserve(&s->in, room) < 0)
		return -ENOMEM;
	n = recv(s->fd, s->in.data + s->in.len, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -ECONNRESET;
	s->in.len += (size_t)n;
	sink->input_bytes += (size_t)n;
	s->peer->input_bytes += (size_t)n;
	return n;
}

int hw_subscriber_input(struct subscriber *s)
{
	ssize_t n = 0;

	if (!hw_subscriber_has_output(s) && !s->syncing && s->phase != PHASE_CLOSING &&
	    s->in.len < s->in.limit) {
		n = receive(s);
		if (n < 0) {
			hw_subscriber_destroy(s);
			return -ECONNRESET;
		}
	}
	if (s->phase == PHASE_AUTH && hw_subscriber_take_proof(s) < 0)
		return -ECONNRESET;
	if (s->phase != PHASE_AUTH && handle_requests(s) < 0)
		return -ECONNRESET;
	if (!s->in.len)
		hw_buf_free(&s->in);
	else if (s->sink->input_bytes > INPUT_TOTAL_MAX || s->peer->input_bytes > INPUT_PEER_MAX)
		return hw_subscriber_reject(s, ENOBUFS, "too many unfinished requests");
	return (int)n;
}
