/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest receives nothing but the lines of <hostwatch/auth.h> until it has proved that it has the
 * secret. */
#include "virtiofs.h"

#include <errno.h>
#include <string.h>

int hw_secret_open(struct virtiofs *v)
{
	const char *why;
	int r;

	if (!v->secret_option)
		return 0;
	if (v->secret_option[0] != '/')
		return v->host->fail_option(v->ctx, "secret", v->secret_option, EINVAL,
					    "must be an absolute path");
	r = hw_secret_read(v->secret_option, &v->secret, &why);
	if (r < 0)
		(void)v->host->fail_option(v->ctx, "secret", v->secret_option, -r, "%s", why);
	return r;
}

static void put_line(struct virtiofs *v, const struct hw_auth_line *line)
{
	unsigned char *room = line->len ? hw_output_room(&v->output, line->len) : NULL;

	if (!room)
		return;
	memcpy(room, line->text, line->len);
	hw_output_commit(&v->output, line->len);
}

void hw_secret_ask(struct virtiofs *v)
{
	struct hw_auth_line line;

	if (!v->secret)
		return;
	hw_auth_begin(&v->auth, HW_AUTH_HOST, v->secret, &line);
	put_line(v, &line);
}

/* On a virtio-serial port, a new agent replaces the old one, and the host does not see the change:
 * the new one has to prove that it has the secret. */
static void restart(struct virtiofs *v)
{
	struct hw_auth_line line;

	hw_auth_begin(&v->auth, HW_AUTH_HOST, v->secret, &line);
	hw_session_restart(v);
	hw_link_restart(v);
}

const char *hw_secret_explain(const struct virtiofs *v, int error, const unsigned char *input,
			      size_t len, const char *why)
{
	struct hw_frame frame;
	const char *ignored;

	if (error == -EBADMSG &&
	    hw_frame_decode(input, len, (uint32_t)v->notify_code, &frame, &ignored) > 0)
		return "the guest has no secret; set secret = FILE in its [mount] section";
	return why;
}

bool hw_secret_input(struct virtiofs *v)
{
	struct link *link = &v->link;

	if (!v->secret)
		return true;
	if (v->auth.state == HW_AUTH_DONE && hw_auth_is_line(link->input, link->input_len))
		restart(v);
	while (v->auth.state != HW_AUTH_DONE && link->input_len) {
		struct hw_auth_line line;
		const char *why = "";
		int n = hw_auth_take(&v->auth, link->input, link->input_len, &line, &why);

		if (n < 0) {
			v->unproved++;
			hw_link_drop(v, false, "%s",
				     hw_secret_explain(v, n, link->input, link->input_len, why));
			return false;
		}
		if (n == 0)
			return false;
		memmove(link->input, link->input + n, link->input_len - (size_t)n);
		link->input_len -= (size_t)n;
		put_line(v, &line);
	}
	return v->auth.state == HW_AUTH_DONE;
}
