/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"
#include "print.h"
#include "standard.h"
#include "tail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static int complain(int error, const char *text)
{
	fprintf(stderr, "hostwatch tail: %s\n", text);
	return error;
}

/* Prints the server's own text. */
static int complain_error(const char *text)
{
	char quoted[1024];

	fprintf(stderr, "hostwatch tail: error from the server: %s\n",
		hw_quote(quoted, sizeof(quoted), text, strlen(text)));
	return TAIL_REFUSED;
}

/* ---- output ---- */

int hw_tail_check_output(void)
{
	if (!ferror(stdout))
		return 0;
	(void)hw_standard_flush(); /* for the errno, which main() prints */
	return -EPIPE;
}

bool hw_tail_is_done(const struct tail *t)
{
	return t->select.count && t->shown >= t->select.count && !hw_tail_needs_snapshot(t);
}

static int write_line(struct tail *t, int r)
{
	if (r < 0)
		return r;
	fwrite(t->line.data, 1, t->line.len, stdout);
	return hw_tail_check_output();
}

static int show_one(struct tail *t, const char *share, const struct hw_event *event)
{
	if (!hw_select_wants(&t->select, event->kind))
		return 0;
	t->shown++;
	if (!t->json) {
		hw_print_event(stdout, event, t->several ? share : NULL, t->colour);
		return hw_tail_check_output();
	}
	t->line.len = 0;
	return write_line(t, hw_json_put_event(&t->line, share, event));
}

int hw_tail_show(struct tail *t, const char *share, const struct hw_event *event)
{
	struct hw_event shown[HW_EXCLUDE_MAX];
	int count = hw_event_exclude(event, &t->select.filter, shown), r = 0;

	if (hw_tail_is_done(t))
		return 0;

	for (int i = 0; i < count && r == 0; i++)
		r = show_one(t, share, &shown[i]);
	return r;
}

int hw_tail_show_rescan(struct tail *t, const char *share, uint64_t seq)
{
	const struct hw_subscribe *s = &t->subscribe;
	struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = HW_RESCAN,
		.seq = seq,
		.path = s->below ? s->below : "",
		.path_len = s->below_len,
	};
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	event.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	return hw_tail_show(t, share, &event);
}

static int show_snapshot_end(struct tail *t, const char *share, uint64_t seq)
{
	hw_tail_note(t, share, seq, true);
	t->line.len = 0;
	return t->json ? write_line(t, hw_json_put_snapshot_end(&t->line, share, seq)) : 0;
}

/* ---- the answer to hello ---- */

static int refuse_unproved(const struct tail *t)
{
	if (t->auth.state == HW_AUTH_OFF || t->auth.state == HW_AUTH_DONE)
		return 0;
	return complain(-EPROTO, "the server did not prove that it has the secret");
}

static int send_request(struct tail *t, const struct hw_share_info *shares, size_t count)
{
	struct hw_subscribe request;
	struct hw_buf *buf = &t->line;
	int r = hw_tail_check_state(t, shares, count);

	if (r == 0)
		r = hw_tail_begin(t, shares, count, &request);
	if (r < 0)
		return r;
	t->greeted = true;
	buf->len = 0;
	r = t->format == TAIL_JSON ? hw_json_put_subscribe(buf, &request)
				   : hw_nl_put_subscribe(t->writer, buf, &request);
	/* A request is shorter than any socket's buffer. If the server disconnected, this is
	 * detected when its last message is read. */
	if (r == 0 && send(t->fd, buf->data, buf->len, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		r = -errno;
	return r < 0 ? complain(r, "cannot send the request") : 0;
}

/* ---- netlink format ---- */

static int answer_hello(struct tail *t, const struct hw_nl_message *hello,
			const struct hw_share_info *infos, uint32_t count)
{
	int r = refuse_unproved(t);

	if (r < 0)
		return r;
	t->several = count > 1 && !t->subscribe.share;
	if (t->json) {
		t->line.len = 0;
		r = write_line(t, hw_json_put_hello(&t->line, hello->version, infos, count));
	}
	if (r == 0 && t->address.transport != HW_TRANSPORT_NETLINK)
		r = send_request(t, infos, count);
	return r;
}

static int take_hello(struct tail *t, const struct hw_nl_message *hello)
{
	struct hw_share_info info, *infos = NULL;
	uint32_t count = 0, pos = 0;
	int r;

	if (hello->protocol != HW_PROTOCOL_VERSION)
		return complain(-EPROTO, "the server uses another version of the protocol");
	while (hw_nl_next_share(hello, &pos, &info) > 0)
		count++;
	infos = calloc(count ? count : 1, sizeof(*infos));
	if (!infos)
		return -ENOMEM;
	pos = 0;
	for (uint32_t i = 0; i < count; i++)
		(void)hw_nl_next_share(hello, &pos, &infos[i]); /* counted above */
	r = answer_hello(t, hello, infos, count);
	free(infos);
	return r;
}

/* Shows an event after checking that it follows the last one of its share. */
static int show_next(struct tail *t, const char *share, const struct hw_event *event)
{
	int r;

	if (hw_tail_is_done(t))
		return 0; /* it is not shown: the position stays before it */
	hw_tail_check_rescan(t, event);
	r = hw_tail_show(t, share, event);
	if (r == 0 && event->seq == 0 && event->kind != HW_RESCAN)
		hw_tail_note_entry(t, share);
	else if (r == 0 && hw_tail_is_own(t, event))
		hw_tail_note_own(t, share, event);
	else if (r == 0)
		hw_tail_note(t, share, event->seq, false);
	return r;
}

/* Groups carry all events: the filter of a server is applied here. */
static int take_event(struct tail *t, const struct hw_nl_message *m)
{
	const struct hw_subscribe *s = &t->subscribe;
	struct hw_event seen[HW_BELOW_MAX];
	int count, r = 0;

	if (t->address.transport != HW_TRANSPORT_NETLINK)
		return show_next(t, m->share, &m->event);
	if (s->share && strcmp(s->share, m->share) != 0)
		return 0;
	count = hw_event_below(&m->event, s->below ? s->below : "", s->below_len, seen);
	for (int i = 0; r == 0 && i < count; i++)
		r = hw_tail_show(t, m->share, &seen[i]);
	return r;
}

static int take_message(struct tail *t, const struct hw_nl_message *m)
{
	switch (m->type) {
	case HW_NL_HELLO:
		return t->greeted ? 0 : take_hello(t, m);
	case HW_NL_EVENT:
		return take_event(t, m);
	case HW_NL_SNAPSHOT_END:
		return show_snapshot_end(t, t->subscribe.share ? NULL : m->share, m->seq);
	case HW_NL_RESUMED_END:
		t->resuming = false;
		return 0;
	case HW_NL_ERROR:
		return complain_error(m->text);
	default:
		return 0; /* a ping from a server needs no answer */
	}
}

static int take_frame(struct tail *t, const void *data, size_t len)
{
	struct hw_nl_message message;
	int r = hw_nl_parse(data, len, &message);

	if (r == -EOPNOTSUPP)
		return 0; /* a newer type */
	if (r == -EPROTO)
		return complain(r, "the server uses another byte order");
	if (r < 0)
		return complain(r, "the server sent a malformed message");
	return take_message(t, &message);
}

/* Returns the number of bytes handled, up to the first incomplete frame. */
static ssize_t take_frames(struct tail *t, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		int frame = hw_nl_frame(data + done, len - done, HW_NL_MESSAGE_MAX), r;

		if (frame == 0)
			break;
		r = frame < 0 ? -EPROTO : take_frame(t, data + done, (size_t)frame);
		if (frame < 0)
			complain(r, frame == -EPROTO
					    ? "the server uses another byte order"
					    : "this is not a hostwatch server: malformed message");
		if (r < 0)
			return r;
		done += (size_t)frame;
	}
	return (ssize_t)done;
}

int hw_tail_read_datagram(struct tail *t, const void *data, size_t len)
{
	ssize_t done = take_frames(t, data, len);

	return done < 0 ? (int)done : 0;
}

/* ---- JSON lines ---- */

static int print_hello(struct tail *t, const char *line, size_t len)
{
	int r;

	if (!t->json)
		return 0;
	t->line.len = 0;
	r = hw_buf_append(&t->line, line, len);
	if (r == 0)
		r = hw_buf_append(&t->line, "\n", 1);
	return write_line(t, r);
}

static int take_json_hello(struct tail *t, char *line, size_t len)
{
	struct hw_share_info *infos;
	size_t count;
	int r = refuse_unproved(t);

	if (r == 0)
		r = print_hello(t, line, len);
	if (r < 0)
		return r;
	infos = calloc(TAIL_SHARES_MAX, sizeof(*infos));
	if (!infos)
		return -ENOMEM;
	count = hw_tail_parse_shares(line, len, infos, TAIL_SHARES_MAX);
	t->several = count > 1 && !t->subscribe.share;
	if (t->greeted)
		hw_tail_note_epochs(t, infos, count);
	else
		r = send_request(t, infos, count);
	free(infos);
	return r;
}

static int take_line(struct tail *t, char *line, size_t len)
{
	struct hw_json_message m;

	if (hw_json_parse_line(line, len, &m) < 0 ||
	    (!t->greeted && m.what != HW_JSON_HELLO && m.what != HW_JSON_ERROR))
		return t->greeted ? complain(-EPROTO, "the server sent a malformed line")
				  : hw_tail_complain_stranger(t, line, len);
	switch (m.what) {
	case HW_JSON_HELLO:
		/* The reader of a stream says by a later hello that an epoch changes. */
		return t->greeted && !t->nats.on ? 0 : take_json_hello(t, line, len);
	case HW_JSON_EVENT:
		return show_next(t, m.share, &m.event);
	case HW_JSON_SNAPSHOT_END:
		return show_snapshot_end(t, m.share, m.seq);
	case HW_JSON_ERROR:
		return complain_error(m.text);
	case HW_JSON_RESUMED_END:
		t->resuming = false;
		return 0;
	case HW_JSON_SYNCED:
	case HW_JSON_PLACE:
		return 0; /* answers that were not requested, or need no line */
	}
	return -EPROTO;
}

static ssize_t take_lines(struct tail *t, char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		char *newline = memchr(data + done, '\n', len - done);
		int r;

		if (!newline)
			break;
		r = take_line(t, data + done, (size_t)(newline - data) - done);
		if (r < 0)
			return r;
		done = (size_t)(newline - data) + 1;
	}
	return (ssize_t)done;
}

int hw_tail_read(struct tail *t)
{
	ssize_t done;

	if (t->format == TAIL_UNKNOWN) {
		int r = hw_tail_authenticate(t);

		if (r > 0)
			r = hw_tail_recognize(t);
		if (r < 0 || t->format == TAIL_UNKNOWN)
			return r;
	}
	done = t->format == TAIL_JSON ? take_lines(t, t->in.data, t->in.len)
				      : take_frames(t, t->in.data, t->in.len);
	if (done < 0)
		return (int)done;
	hw_buf_consume(&t->in, (size_t)done);
	return t->in.len < t->in.limit
		       ? 0
		       : complain(-EMSGSIZE, "the server sent a line that is too long");
}
