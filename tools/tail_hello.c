/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handles a peer that sends something other than hello, or nothing. */
#include "log.h"
#include "tail.h"

#include <ctype.h>
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SHOWN_MAX 60u /* bytes of the peer's first line in the message */
#define ANSWER_MS 1000 /* time for the peer to answer the question */
#define ANSWER_MAX 512u

/* Web servers answer this; the control socket answers with an error record, as for any unknown
 * command. Sent only after the wait for hello, so a socket sink never reads it. */
static const char question[] = "GET / HTTP/1.0\r\n\r\n";

static bool begins(const char *data, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(data, with, strlen(with)) == 0;
}

/* Returns the kind of peer that people connect to by mistake. NULL: unknown. */
static const char *name_peer(const char *data, size_t len)
{
	if (begins(data, len, "error\t") || begins(data, len, "share\t") ||
	    begins(data, len, "ok\t"))
		return "this is the control socket of hostwatchd; use hostwatch status";
	if (begins(data, len, "HTTP/"))
		return "the peer sent an HTTP answer, it is not a hostwatch socket sink";
	return NULL;
}

int hw_tail_complain_stranger(const struct tail *t, const char *data, size_t len)
{
	const char *name = name_peer(data, len), *newline = memchr(data, '\n', len);
	char quoted[4 * SHOWN_MAX];

	if (name) {
		fprintf(stderr, "hostwatch tail: %s: %s\n", t->address.text, name);
		return -EPROTO;
	}
	len = newline ? (size_t)(newline - data) : len;
	fprintf(stderr,
		"hostwatch tail: %s: this is not a hostwatch server: it sent %s instead of hello\n",
		t->address.text,
		hw_quote(quoted, sizeof(quoted), data, len < SHOWN_MAX ? len : SHOWN_MAX));
	return -EPROTO;
}

/* The first four bytes of a netlink message are its length: four bytes of text would be too large
 * for a message. */
static bool is_text(const char *data, size_t len)
{
	for (size_t i = 0; i < 4 && i < len; i++) {
		if (!isprint((unsigned char)data[i]) && !isspace((unsigned char)data[i]))
			return false;
	}
	return true;
}

/* ---- the secret ---- */

static int refuse_server(const struct tail *t, const char *why)
{
	fprintf(stderr, "hostwatch tail: %s: %s\n", t->address.text, why);
	return -EPROTO;
}

/* Returns whether the bytes may be the beginning of an error message, in either format. */
static bool may_be_error(const struct tail *t)
{
	static const char start[] = "{\"error\":";
	size_t len = t->in.len < sizeof(start) - 1 ? t->in.len : sizeof(start) - 1;
	const struct nlmsghdr *message = (const void *)t->in.data;

	if (t->in.data[0] == '{')
		return memcmp(t->in.data, start, len) == 0;
	return t->in.len < sizeof(*message) || message->nlmsg_type == HW_NL_ERROR;
}

int hw_tail_authenticate(struct tail *t)
{
	struct hw_auth_line line;
	const char *why = "";
	int n;

	if (t->auth.state == HW_AUTH_OFF && hw_auth_is_line(t->in.data, t->in.len))
		return refuse_server(t,
				     "the server requires a secret; give its file with --secret");
	while (t->auth.state != HW_AUTH_OFF && t->auth.state != HW_AUTH_DONE) {
		n = hw_auth_take(&t->auth, t->in.data, t->in.len, &line, &why);
		if (n == -EBADMSG && may_be_error(t))
			return 1; /* the server says why it refuses */
		if (n < 0)
			return refuse_server(t, why);
		if (n == 0)
			return 0;
		hw_buf_consume(&t->in, (size_t)n);
		if (line.len && send(t->fd, line.text, line.len, MSG_NOSIGNAL) < 0)
			return refuse_server(t, strerror(errno));
	}
	return t->in.len > 0;
}

int hw_tail_recognize(struct tail *t)
{
	const char *data = t->in.data;

	if (t->in.len == 0)
		return 0;
	if (data[0] == '{')
		t->format = TAIL_JSON;
	else if (t->in.len >= 4 && !is_text(data, t->in.len))
		t->format = TAIL_NETLINK;
	else if (t->in.len >= 4)
		return hw_tail_complain_stranger(t, data, t->in.len);
	return 0;
}

/* Returns the length of the peer's answer to the question, 0 if there was none. */
static size_t ask_peer(const struct tail *t, char answer[ANSWER_MAX])
{
	struct pollfd poll_fd = { .fd = t->fd, .events = POLLIN };
	ssize_t n;

	if (send(t->fd, question, sizeof(question) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return 0;
	if (poll(&poll_fd, 1, ANSWER_MS) <= 0)
		return 0;
	n = recv(t->fd, answer, ANSWER_MAX, MSG_DONTWAIT);
	return n > 0 ? (size_t)n : 0;
}

int hw_tail_complain_silence(const struct tail *t)
{
	char answer[ANSWER_MAX];
	size_t len = t->in.len ? 0 : ask_peer(t, answer);

	if (len)
		return hw_tail_complain_stranger(t, answer, len);
	fprintf(stderr,
		"hostwatch tail: %s: no hello within %gs; is this a hostwatch socket sink?\n",
		t->address.text, (double)t->timeout_ns / (double)HW_SEC);
	return -EPROTO;
}
