/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client_wait.h"
#include "log.h"
#include "since.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536u
#define SYNC_TEXT "since"

/* ---- messages ---- */

static int send_out(struct since *s)
{
	ssize_t n = send(s->fd, s->out.data, s->out.len, MSG_NOSIGNAL);
	int r = n == (ssize_t)s->out.len ? 0 : n < 0 ? -errno : -EIO;

	s->out.len = 0;
	return r;
}

static int convert(const struct hw_nl_message *m, struct hw_json_message *ret)
{
	static const enum hw_json_line kinds[] = {
		[HW_NL_HELLO - HW_NL_HELLO] = HW_JSON_HELLO,
		[HW_NL_EVENT - HW_NL_HELLO] = HW_JSON_EVENT,
		[HW_NL_ERROR - HW_NL_HELLO] = HW_JSON_ERROR,
		[HW_NL_RESUMED_END - HW_NL_HELLO] = HW_JSON_RESUMED_END,
		[HW_NL_SYNCED - HW_NL_HELLO] = HW_JSON_SYNCED,
		[HW_NL_PLACE - HW_NL_HELLO] = HW_JSON_PLACE,
	};
	size_t kind = m->type - HW_NL_HELLO;

	*ret = (struct hw_json_message){ .share = m->share,
					 .epoch = m->epoch,
					 .seq = m->seq,
					 .text = m->text,
					 .event = m->event };
	if (kind < sizeof(kinds) / sizeof(kinds[0]))
		ret->what = kinds[kind];
	if (ret->what == HW_JSON_PLACE) {
		ret->event.path = m->path;
		ret->event.path_len = m->path_len;
	}
	return 0;
}

/* Parses the message at the start of the input. Returns its length, 0 if it is not complete. */
static int parse(struct since *s, struct hw_json_message *ret)
{
	struct hw_nl_message m;
	char *newline;
	int len;

	s->json = s->in.data[0] == '{';
	if (s->json) {
		newline = memchr(s->in.data, '\n', s->in.len);
		if (!newline)
			return 0;
		len = (int)(newline - s->in.data) + 1;
		return hw_json_parse_line(s->in.data, (size_t)len - 1, ret) < 0 ? -EPROTO : len;
	}
	len = hw_nl_frame(s->in.data, s->in.len, HW_NL_MESSAGE_MAX);
	if (len <= 0)
		return len < 0 ? -EPROTO : 0;
	if (hw_nl_parse(s->in.data, (size_t)len, &m) < 0)
		return -EPROTO;
	return convert(&m, ret) < 0 ? -EPROTO : len;
}

/* Reads the next message, which is valid until the next call. Returns 0 or -errno. */
static int next_message(struct since *s, struct hw_json_message *ret)
{
	hw_buf_consume(&s->in, s->taken);
	s->taken = 0;
	for (;;) {
		int len = s->in.len ? parse(s, ret) : 0, r;
		ssize_t n;

		if (len) {
			s->taken = len > 0 ? (size_t)len : 0;
			return len > 0 ? 0 : len;
		}
		r = hw_buf_reserve(&s->in, READ_BYTES);
		if (r < 0)
			return r;
		n = recv(s->fd, s->in.data + s->in.len, s->in.size - s->in.len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -ECONNRESET : errno == EAGAIN ? -ETIMEDOUT : -errno;
		s->in.len += (size_t)n;
	}
}

/* ---- the conversation ---- */

static int open_socket(struct since *s, const struct hw_address *address)
{
	const struct hw_client_wait wait = { .timeout_ns = s->timeout_ns };
	int r;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->in.len = s->taken = 0;
	if (s->fd < 0)
		return -errno;
	r = hw_client_connect(s->fd, address, s->timeout_ns);
	if (r == 0)
		r = hw_client_wait(s->fd, &wait); /* for hello */
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static int ask_where(struct since *s, struct hw_json_message *ret)
{
	int r = next_message(s, ret);

	if (r < 0 || ret->what != HW_JSON_HELLO)
		return r < 0 ? r : -EPROTO;
	r = s->json ? hw_json_put_where(&s->out, s->dir)
		    : hw_nl_put_where(s->writer, &s->out, s->dir, (uint32_t)strlen(s->dir));
	if (r == 0)
		r = send_out(s);
	return r < 0 ? r : next_message(s, ret);
}

static int keep_place(struct since *s, const struct hw_json_message *m)
{
	s->share = strdup(m->share);
	s->below = malloc(m->event.path_len + 1);
	if (!s->share || !s->below)
		return -ENOMEM;
	memcpy(s->below, m->event.path, m->event.path_len);
	s->below[m->event.path_len] = '\0';
	s->below_len = m->event.path_len;
	return 0;
}

/* Returns whether the token has the form that this program writes. */
static bool parse_token(const char *text, uint64_t *ret_epoch, uint64_t *ret_seq)
{
	int end = 0;

	return text && strspn(text, "0123456789abcdef:") == strlen(text) &&
	       sscanf(text, "%16" SCNx64 ":%20" SCNu64 "%n", ret_epoch, ret_seq, &end) == 2 &&
	       end && !text[end] && *ret_epoch && *ret_seq < UINT64_MAX;
}

static int ask_changes(struct since *s)
{
	struct hw_subscribe subscribe = { .share = s->share,
					  .below = s->below,
					  .below_len = s->below_len };
	int r;

	subscribe.resume = parse_token(s->token, &s->epoch, &s->after);
	subscribe.epoch = s->epoch;
	subscribe.after = s->after;
	s->unknown = !subscribe.resume;
	r = s->json ? hw_json_put_subscribe(&s->out, &subscribe)
		    : hw_nl_put_subscribe(s->writer, &s->out, &subscribe);
	if (r == 0)
		r = s->json ? hw_json_put_sync(&s->out, SYNC_TEXT)
			    : hw_nl_put_sync(s->writer, &s->out, SYNC_TEXT);
	return r < 0 ? r : send_out(s);
}

/* Adds a path of an event. An event about the directory itself changes everything. */
static int add_path(struct since *s, const char *path, uint32_t len, bool dir)
{
	uint32_t skip = s->below_len ? s->below_len + 1 : 0;

	if (!path)
		return 0;
	if (len <= s->below_len) {
		s->unknown = true;
		return 0;
	}
	return hw_since_names_add(&s->names, path + skip, len - skip, dir);
}

static int add_event(struct since *s, const struct hw_event *event)
{
	bool dir = event->type == HW_TYPE_DIR || event->kind == HW_RESCAN;
	int r = add_path(s, event->from, event->from_len, dir);

	if (r == 0)
		r = add_path(s, event->path, event->path_len, dir);
	if (r < 0 || !(event->flags & HW_FLAG_EXCHANGE))
		return r;
	/* The type is that of one of the two entries. */
	r = add_path(s, event->from, event->from_len, !dir);
	return r < 0 ? r : add_path(s, event->path, event->path_len, !dir);
}

/* The last answer covered everything up to the event of the token, although the server may send its
 * second half again. A rescan instead of a resume has a later number, or another epoch. */
static void end(struct since *s, const struct hw_json_message *m)
{
	if (m->epoch != s->epoch || m->seq < s->after)
		s->unknown = true;
	(void)snprintf(s->next, sizeof(s->next), "%016" PRIx64 ":%" PRIu64, m->epoch, m->seq);
}

static int collect(struct since *s)
{
	struct hw_json_message m;
	int r;

	while ((r = next_message(s, &m)) == 0) {
		if (m.what == HW_JSON_EVENT && m.event.seq > s->after)
			r = add_event(s, &m.event);
		if (r < 0 || m.what == HW_JSON_ERROR)
			return r < 0 ? r : -EPROTO;
		if (m.what == HW_JSON_SYNCED) {
			end(s, &m);
			return 0;
		}
	}
	return r;
}

static int give_up(struct since *s, const struct hw_address *address, int error)
{
	return hw_args_failure(s->line, "unix:%s: %s", address->to.un.sun_path,
			       error == -ETIMEDOUT ? "no answer in time"
			       : error == -ESRCH ? "the hostwatchd that listened there was killed; "
						   "start hostwatchd again"
			       : error == -EPROTO ? "this is not a socket sink of hostwatchd, or "
						    "it is an older one"
						  : strerror(-error));
}

/* Returns -1 if this sink has no such directory. */
static int ask(struct since *s, const struct hw_address *address)
{
	struct hw_json_message m = { 0 };
	int r = open_socket(s, address);

	if (r == 0)
		r = ask_where(s, &m);
	if (r < 0 || m.what != HW_JSON_PLACE) {
		if (s->fd >= 0)
			(void)close(s->fd); /* it has no answer */
		s->fd = -1;
		if (r == 0 && m.what == HW_JSON_ERROR) {
			s->answered = true;
			return -1;
		}
		return r == -ENOENT || r == -ECONNREFUSED || (r == -EACCES && !s->socket)
			       ? -1
			       : give_up(s, address, r < 0 ? r : -EPROTO);
	}
	r = keep_place(s, &m);
	if (r == 0)
		r = ask_changes(s);
	if (r == 0)
		r = collect(s);
	if (r < 0)
		return give_up(s, address, r);
	hw_since_names_finish(&s->names);
	return EXIT_SUCCESS;
}

int hw_since_ask(struct since *s)
{
	char quoted[300];
	int status;

	if (strlen(s->dir) > HW_WHERE_MAX)
		return hw_args_failure(s->line, "%s: %s",
				       hw_quote(quoted, sizeof(quoted), s->dir, strlen(s->dir)),
				       SINCE_TOO_LONG);
	s->fd = -1;
	s->in = HW_BUF_GROWING(SINCE_INPUT_MAX);
	s->out = HW_BUF_GROWING(8 * (size_t)HW_JSON_REQUEST_MAX);
	if (hw_nl_writer_create(&s->writer) < 0)
		return hw_args_failure(s->line, "out of memory");
	status = hw_since_find(s, ask);
	if (status == EXIT_SUCCESS)
		return -1;
	if (status > 0)
		return status;
	if (!s->answered)
		return hw_args_failure(
			s->line, "no hostwatchd with a socket sink that this user may connect to "
				 "is running; HOSTWATCH_EVENTS can name the socket");
	return hw_args_failure(s->line,
			       "%s: no share that this user can reach contains this directory; "
			       "'hostwatch status' shows the shares, and HOSTWATCH_EVENTS can name "
			       "the socket",
			       hw_quote(quoted, sizeof(quoted), s->dir, strlen(s->dir)));
}

void hw_since_free(struct since *s)
{
	if (s->fd >= 0)
		(void)close(s->fd); /* nothing more is expected */
	s->fd = -1;
	hw_buf_free(&s->in);
	hw_buf_free(&s->out);
	hw_nl_writer_destroy(s->writer);
	free(s->share);
	free(s->below);
	hw_since_names_free(&s->names);
}
