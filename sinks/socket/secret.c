/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer receives nothing but the lines of <hostwatch/auth.h> until it has proved that it has the
 * secret. */
#include "socket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static int send_line(struct subscriber *s, const struct hw_auth_line *line)
{
	struct hw_buf *buf = &s->sink->scratch;
	int r;

	if (!line->len)
		return 0;
	buf->len = 0;
	r = hw_buf_append(buf, line->text, line->len);
	return r < 0 ? r : hw_subscriber_send(s, buf);
}

int hw_subscriber_ask_proof(struct subscriber *s)
{
	struct socket_sink *sink = s->sink;
	struct hw_auth_line line;
	int r;

	hw_auth_begin(&s->auth, HW_AUTH_HOST, sink->secret, &line);
	s->phase = PHASE_AUTH;
	r = send_line(s, &line);
	if (r < 0)
		return r;
	sink->host->timer_set(sink->ctx, s->timer, sink->handshake_timeout_ns);
	return 0;
}

/* Handles one line. Returns 1; 0: it is incomplete; -errno: the connection failed, or -EACCES and
 * the reason for the peer. */
static int take_line(struct subscriber *s, const char **ret_why)
{
	struct hw_auth_line line;
	int r, n = hw_auth_take(&s->auth, s->in.data, s->in.len, &line, ret_why);

	if (n <= 0)
		return n < 0 ? -EACCES : 0;
	hw_subscriber_drop_input(s, (size_t)n);
	r = send_line(s, &line);
	if (r >= 0 && s->auth.state == HW_AUTH_DONE)
		r = hw_subscriber_greet(s);
	return r < 0 ? -ECONNRESET : 1;
}

int hw_subscriber_take_proof(struct subscriber *s)
{
	const char *why = "";
	int r = 1;

	while (r > 0 && s->phase == PHASE_AUTH && s->in.len && !hw_subscriber_has_output(s))
		r = take_line(s, &why);
	if (r >= 0)
		return 0;
	if (r == -EACCES) {
		s->sink->unproved++;
		hw_subscriber_refuse(s, EACCES, why);
	} else {
		hw_subscriber_destroy(s);
	}
	return -ECONNRESET;
}

const char *hw_secret_state(struct socket_sink *sink)
{
	if (!sink->secret)
		return "";
	if (!sink->unproved)
		return "secret required";
	(void)snprintf(sink->secret_state, sizeof(sink->secret_state),
		       "secret required, refused %" PRIu64, sink->unproved);
	return sink->secret_state;
}
