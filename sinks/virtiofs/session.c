/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtiofs.h"

#include <errno.h>
#include <hostwatch/probe.h>
#include <inttypes.h>
#include <string.h>

/* Buffers sent in one iteration of the loop. If there is more, it continues when the socket is
 * writable. */
#define PUMP_ROUNDS 4

static uint32_t notify_code(const struct virtiofs *v)
{
	return (uint32_t)v->notify_code;
}

static struct hw_share_info share_info(struct virtiofs *v)
{
	struct hw_share_info info = { .struct_size = sizeof(info) };

	(void)v->host->share_info(v->ctx, v->share, &info); /* the share existed at the start */
	return info;
}

static void close_cursor(struct virtiofs *v)
{
	v->host->cursor_close(v->ctx, v->session.cursor);
	v->session.cursor = NULL;
}

void hw_session_begin(struct virtiofs *v)
{
	hw_output_clear(&v->output);
	v->session.live = false;
	v->session.owe_hello = true;
	v->session.owe_start = false;
	v->session.owe_rescan = false;
	hw_secret_ask(v);
	(void)hw_session_pump(v); /* the rest is sent when the socket is writable */
}

void hw_session_restart(struct virtiofs *v)
{
	hw_session_end(v);
	v->session.owe_hello = true;
}

void hw_session_end(struct virtiofs *v)
{
	close_cursor(v);
	hw_output_clear(&v->output);
	v->session.live = false;
	v->session.owe_hello = false;
	v->session.owe_start = false;
	v->session.owe_rescan = false;
}

void hw_session_take(struct virtiofs *v, const struct peer *peer)
{
	hw_session_end(v);
	v->session.owe_hello = !peer->greeted;
	v->session.epoch = peer->epoch;
	v->session.hello_seq = peer->hello_seq;
}

/* ---- output ---- */

int hw_session_encode_hello(struct virtiofs *v, unsigned char buf[HW_FRAME_HELLO_MAX],
			    uint64_t *ret_epoch, uint64_t *ret_seq)
{
	struct hw_share_info info = share_info(v);
	const struct hw_frame_hello hello = {
		.role = HW_FUSE_HOST,
		.epoch = info.epoch,
		.seq = info.seq,
		.mask_supported = HW_FUSE_EVENTS,
		.share = v->share_name,
		.share_len = (uint32_t)strlen(v->share_name),
	};

	if (info.epoch == 0)
		return 0;
	*ret_epoch = info.epoch;
	*ret_seq = info.seq;
	return hw_frame_encode_hello(buf, HW_FRAME_HELLO_MAX, notify_code(v), &hello);
}

static bool put_hello(struct virtiofs *v)
{
	unsigned char *room = hw_output_room(&v->output, HW_FRAME_HELLO_MAX);
	int n = room ? hw_session_encode_hello(v, room, &v->session.epoch, &v->session.hello_seq)
		     : 0;

	if (n > 0)
		hw_output_commit(&v->output, (size_t)n);
	v->session.owe_hello = n == 0;
	return n != 0;
}

/*
 * Opens the cursor at the position of the guest. A guest that has seen nothing starts after the
 * hello that it was sent, so that no event between the two is lost. If the journal no longer has
 * the position, or the epoch is different, a rescan is sent.
 */
static bool start_cursor(struct virtiofs *v)
{
	struct session *s = &v->session;
	uint64_t epoch = s->resume_epoch, after = s->resume_seq, newest = share_info(v).seq;
	int r;

	if (epoch == 0) {
		epoch = s->epoch;
		after = s->hello_seq;
	}
	r = epoch == s->epoch ? v->host->cursor_open(v->ctx, v->share, epoch, after, &s->cursor)
			      : -ESTALE;
	if (r == -ESTALE) {
		s->owe_rescan = true;
		s->dropped++;
		if (epoch != s->epoch || after > newest)
			after = newest; /* the number of missed events is unknown */
		r = v->host->cursor_open(v->ctx, v->share, 0, 0, &s->cursor);
	}
	if (r < 0) {
		hw_link_drop(v, false, "cannot read the journal: %s", strerror(-r));
		return false;
	}
	s->queued_seq = after;
	s->owe_start = false;
	return true;
}

static bool put_event(struct virtiofs *v, const struct hw_event *event)
{
	unsigned char *room = hw_output_room(&v->output, HW_FUSE_FRAME_MAX);
	int n = -ENOBUFS;

	if (room)
		n = hw_frame_encode_event(room, HW_FUSE_FRAME_MAX, notify_code(v), event);
	if (n < 0)
		return false;
	hw_output_commit(&v->output, (size_t)n);
	HW_PROBE2(encode, event->seq, v->output.end - v->output.start);
	v->session.queued_seq = event->seq;
	return true;
}

static void put_rescan(struct virtiofs *v)
{
	struct hw_event rescan = {
		.struct_size = sizeof(rescan),
		.kind = HW_RESCAN,
		.seq = v->host->cursor_seek(v->ctx, v->session.cursor),
		.path = "",
	};

	if (rescan.seq > v->session.queued_seq)
		v->session.lost += v->host->count_after(v->ctx, v->share, v->session.queued_seq) -
				   v->host->count_after(v->ctx, v->share, rescan.seq);
	(void)put_event(v, &rescan); /* the room was checked, and a rescan can always be encoded */
	v->session.owe_rescan = false;
}

/* Takes events while a frame of any length fits, because an event that was taken cannot be put
 * back. Returns whether the journal may have more. */
static bool fill_events(struct virtiofs *v)
{
	struct session *s = &v->session;

	while (hw_output_room(&v->output, HW_FUSE_FRAME_MAX)) {
		struct hw_event event = { .struct_size = sizeof(event) };
		int r;

		if (s->owe_rescan) {
			put_rescan(v);
			continue;
		}
		r = v->host->cursor_next(v->ctx, s->cursor, &event);
		if (r == 0)
			return false;
		if (r > 0 && put_event(v, &event))
			continue;
		if (r < 0 && r != -ESTALE) {
			hw_link_drop(v, false, "cannot read events: %s", strerror(-r));
			return false;
		}
		if (r > 0)
			v->host->log(v->ctx, HW_LOG_WARNING,
				     "%s: cannot encode event %" PRIu64 "; sending a rescan",
				     v->label, event.seq);
		s->owe_rescan = true;
		s->dropped++;
	}
	return true;
}

/* The epoch changed: the position of the guest, even if it has only seen the hello, belongs to the
 * old one. */
static void leave_epoch(struct virtiofs *v)
{
	struct session *s = &v->session;

	if (!s->owe_start || s->resume_epoch == 0)
		s->resume_epoch = s->epoch;
	close_cursor(v);
	s->owe_hello = true;
	s->owe_start = true;
}

/* Writes all pending messages, in order. Returns whether more than the buffer may be pending; the
 * link may be down. */
static bool fill_output(struct virtiofs *v)
{
	struct session *s = &v->session;
	struct hw_share_info info = share_info(v);

	if (!hw_secret_is_proved(v))
		return false;
	if (s->live && info.epoch != 0 && info.epoch != s->epoch)
		leave_epoch(v);
	if (s->owe_hello && !put_hello(v))
		return info.epoch != 0;
	if (s->owe_start && !start_cursor(v))
		return false;
	return s->cursor ? fill_events(v) : false;
}

bool hw_session_pump(struct virtiofs *v)
{
	bool more = true;
	int r = 0;

	for (int round = 0; round < PUMP_ROUNDS && more; round++) {
		more = fill_output(v);
		if (v->link.state != LINK_UP)
			return false;
		r = hw_output_flush(&v->output, v->link.fd, v->link.is_socket);
		if (r != 0)
			break;
		if (v->session.cursor)
			v->host->cursor_done(v->ctx, v->session.cursor, v->session.queued_seq);
	}
	if (r < 0) {
		hw_link_drop(v, true, "connection to the guest lost: %s", strerror(-r));
		return false;
	}
	hw_link_want_write(v, r > 0 || more);
	return r > 0 || more;
}

/* ---- input ---- */

/*
 * A guest may send hello again on the same connection: on a virtio-serial port, a new agent
 * replaces the old one, and the host does not see the change. The host answers with a hello, so
 * that the guest can separate old bytes from new, and then serves it like a new connection.
 */
static void take_hello(struct virtiofs *v, const struct hw_frame_hello *hello)
{
	struct session *s = &v->session;

	if (s->live)
		s->owe_hello = true;
	if (share_info(v).epoch != s->epoch)
		s->owe_hello = true;
	close_cursor(v);
	s->owe_rescan = false;
	s->owe_start = true;
	s->resume_epoch = hello->epoch;
	s->resume_seq = hello->seq;
	if (!s->live)
		hw_link_live(v);
	s->live = true;
	v->host->log(v->ctx, HW_LOG_DEBUG,
		     "%s: the guest resumes after event %" PRIu64 " of epoch %016" PRIx64, v->label,
		     hello->seq, hello->epoch);
}

static const char *refuse_hello(const struct virtiofs *v, const struct hw_frame *frame)
{
	const struct hw_frame_hello *hello = &frame->hello;

	if (frame->what != HW_FRAME_HELLO)
		return "an event frame, which only a host may send";
	if (hello->role != HW_FUSE_GUEST)
		return "the hello of another host: two hosts use this channel";
	if (hello->share_len != 0 && (hello->share_len != strlen(v->share_name) ||
				      memcmp(hello->share, v->share_name, hello->share_len) != 0))
		return "a hello that asks for another share";
	return NULL;
}

int hw_session_look(const struct virtiofs *v, const unsigned char *input, size_t len,
		    struct hw_frame *ret, const char **ret_why)
{
	const char *why = NULL;
	int n = hw_frame_decode(input, len, notify_code(v), ret, &why);

	if (n > 0)
		why = refuse_hello(v, ret);
	else if (n == 0 && len > HW_FRAME_HELLO_MAX)
		why = "an event frame, which only a host may send";
	if (why && !v->secret && hw_auth_is_line(input, len))
		why = "the guest has a secret; set secret = FILE in this sink as well";
	if (!why)
		return n;
	*ret_why = why;
	return -EBADMSG;
}

int hw_session_input(struct virtiofs *v)
{
	struct link *link = &v->link;
	struct hw_frame frame;
	const char *why;
	size_t at = 0;
	int count = 0, n;

	if (!hw_secret_input(v))
		return 0;
	while ((n = hw_session_look(v, link->input + at, link->input_len - at, &frame, &why)) > 0) {
		take_hello(v, &frame.hello);
		at += (size_t)n;
		count++;
	}
	if (n < 0) {
		hw_link_drop(v, false, "bad frame from the guest: %s", why);
		return count + 1;
	}
	memmove(link->input, link->input + at, link->input_len - at);
	link->input_len -= at;
	return count;
}
