/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tail.h"
#include "address_arg.h"
#include "log.h"
#include "print.h"
#include "standard.h"
#include "tool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_BYTES 65536u
#define TIMEOUT_NS (10 * HW_SEC)
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

/* ---- the command line ---- */

#define FIELD(name) offsetof(struct tail, name)

static const struct hw_arg args[] = {
	{ .name = "share",
	  .type = HW_ARG_TEXT,
	  .value = "NAME",
	  .help = "Show only this share.",
	  .offset = FIELD(share),
	  .complete = HW_COMPLETE_SHARE },
	{ .name = "below",
	  .type = HW_ARG_TEXT,
	  .value = "DIR",
	  .help = "Show only events at or below this directory of the share.",
	  .offset = FIELD(below) },
	HW_SELECT_ARGS(struct tail, select, "End after COUNT events."),
	{ .name = "snapshot",
	  .type = HW_ARG_FLAG,
	  .help = "First show the current tree, as create events.",
	  .offset = FIELD(snapshot) },
	{ .name = "after",
	  .type = HW_ARG_NUMBER,
	  .value = "SEQ",
	  .help = "Resume after this event of --epoch. Needs --share if the server has several "
		  "shares.",
	  .offset = FIELD(after),
	  .max = UINT64_MAX - 1 },
	{ .name = "epoch",
	  .type = HW_ARG_TEXT,
	  .value = "HEX",
	  .help = "The history that --after belongs to.",
	  .offset = FIELD(epoch) },
	{ .name = "state",
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "Keep the position in FILE, and resume there at the next start. Needs --share if "
		  "the server has several shares.",
	  .offset = FIELD(state_path),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "secret",
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "The file of the secret; the other end must prove that it has the same one.",
	  .offset = FIELD(secret_path),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "retry",
	  .letter = 'r',
	  .type = HW_ARG_FLAG,
	  .help = "Connect again when the connection fails, and continue after the last event.",
	  .offset = FIELD(retry) },
	{ .name = "timeout",
	  .letter = 't',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "How long to wait for the hello of the server (10s); 0 waits forever.",
	  .offset = FIELD(timeout_ns),
	  .max = 24 * 3600 * HW_SEC },
	{ .name = "all",
	  .type = HW_ARG_FLAG,
	  .help = "nats: first show the events that the stream has.",
	  .offset = FIELD(all) },
	{ .name = "nats",
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "nats: a file with lines KEY = VALUE: stream, user, password_file, token_file, "
		  "nkey, nkey_file, credentials, tls_ca, tls_cert and tls_key, as in "
		  "hostwatch.conf(5).",
	  .offset = FIELD(nats_options),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "json",
	  .letter = 'j',
	  .type = HW_ARG_FLAG,
	  .help = "Print JSON lines, whichever format the server sends.",
	  .offset = FIELD(json) },
};

const struct hw_command_line tool_tail_line = {
	.program = "hostwatch tail",
	.summary = "print the events of a socket or nats sink",
	.synopsis = "[OPTION]... ADDRESS",
	.about = "Prints the events that a socket sink of hostwatchd sends, until it is "
		 "interrupted. "
		 "ADDRESS is unix:PATH, tcp:ADDR:PORT, vsock:CID:PORT, netlink:GROUP (1 to 32; "
		 "needs CAP_NET_ADMIN) or nats:URL[/PREFIX.SHARE], a stream that a nats sink "
		 "fills. The format is detected.",
	.footer = "TIME is a number with a unit (500us, 50ms, 1s, 2m); without a unit it is in "
		  "seconds.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "ADDRESS",
	.operands_min = 1,
	.operands_max = 1,
	.complete = HW_COMPLETE_ADDRESS,
};

static int parse_epoch(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 16);
	return errno || end == text || *end || strpbrk(text, "-+ \tx") ? -EINVAL : 0;
}

static void take_below(struct tail *t)
{
	size_t len = t->below ? strlen(t->below) : 0;

	while (len && t->below[len - 1] == '/')
		len--; /* as shell completion adds it */
	t->subscribe.below = t->below;
	t->subscribe.below_len = (uint32_t)len;
}

static const char *check_nats(const struct tail *t)
{
	if (t->snapshot)
		return "a stream has no snapshots; --all shows what it has";
	return t->secret_path ? "--secret is for sockets; --nats names the credentials" : NULL;
}

/* Returns -1, or an exit status. */
static int check_address(struct tail *t, const char *text)
{
	const char *error = NULL;
	char quoted[300];

	if (hw_tail_is_nats(text)) {
		if (hw_tail_parse_nats(t, text, &error) == 0)
			error = check_nats(t);
	} else if (t->all || t->nats_options) {
		error = "--all and --nats are for addresses that begin with nats:";
	} else if (hw_address_arg(text, &t->address, &error) == 0 &&
		   t->address.transport == HW_TRANSPORT_FD)
		error = "fd: addresses are for servers only";
	if (!error && t->address.transport == HW_TRANSPORT_NETLINK) {
		if (t->snapshot || t->subscribe.resume)
			error = "a netlink group has neither snapshots nor resume";
		else if (t->retry)
			error = "a netlink group has no connection that could fail";
	}
	if (!error)
		return -1;
	return hw_args_mistake(&tool_tail_line, "%s: %s",
			       hw_quote(quoted, sizeof(quoted), text, strlen(text)), error);
}

static int check_options(struct tail *t)
{
	struct hw_subscribe *s = &t->subscribe;
	const char *error = NULL;

	s->share = t->share;
	s->snapshot = t->snapshot;
	s->resume = t->epoch != NULL;
	take_below(t);
	if (t->epoch && parse_epoch(t->epoch, &s->epoch) < 0)
		return hw_args_mistake(&tool_tail_line,
				       "--epoch: expected 1 to 16 hexadecimal digits");
	if (!t->epoch != (t->after == UINT64_MAX))
		return hw_args_mistake(&tool_tail_line, "--after and --epoch require each other");
	s->after = t->epoch ? t->after : 0;
	if (s->share && strlen(s->share) > TAIL_NAME_MAX)
		return hw_args_mistake(&tool_tail_line, "--share: no share has such a long name");
	if (hw_subscribe_check(s, &error) < 0)
		return hw_args_mistake(&tool_tail_line, "%s", error);
	return hw_select_prepare(&t->select, &tool_tail_line);
}

static int read_secret(struct tail *t)
{
	char quoted[300];
	const char *why;

	if (!t->secret_path)
		return -1;
	if (t->address.transport == HW_TRANSPORT_NETLINK)
		return hw_args_mistake(&tool_tail_line, "--secret: a netlink group has none");
	if (hw_secret_read(t->secret_path, &t->secret, &why) == 0)
		return -1;
	return hw_args_failure(&tool_tail_line, "--secret: %s: %s",
			       hw_quote(quoted, sizeof(quoted), t->secret_path,
					strlen(t->secret_path)),
			       why);
}

/* ---- life ---- */

/* Returns whether to try another connection. If the first one fails, the cause is the command line
 * or its address, unless no program listens there. */
static bool may_retry(const struct tail *t, int error)
{
	if (!t->retry || t->state_failed || error == -EPIPE || error == -ENOMEM ||
	    hw_standard_caught())
		return false;
	return t->connections > 1 || (error != TAIL_REFUSED && error != -EPROTO &&
				      error != -EBADMSG && error != -EMSGSIZE);
}

/* Waits until the time is over or a signal arrives. */
static void rest(int milliseconds)
{
	struct pollfd fd = { .fd = hw_standard_caught_fd(), .events = POLLIN };

	(void)poll(&fd, 1, milliseconds); /* EINTR: a signal was caught */
}

static int connect_and_follow(struct tail *t, bool quiet)
{
	int r = hw_tail_open(t, quiet);
	bool connected = r == 0;

	if (r == 0)
		r = hw_tail_follow(t);
	if (connected && r < 0 && r != -EPIPE && r != TAIL_CLOSED && r != TAIL_REFUSED &&
	    r != -EPROTO && r != -EBADMSG && r != -EMSGSIZE && r != -EINVAL && !t->state_failed)
		(void)hw_args_failure(&tool_tail_line, "%s: %s", t->address.text, strerror(-r));
	hw_tail_close(t);
	return r;
}

/* Makes one connection after another. Prints the reason of a failure once. */
static int run(struct tail *t)
{
	int delay = RETRY_MIN_MS, r, last = 0;

	for (;;) {
		unsigned before = t->connections;

		r = connect_and_follow(t, last < 0);
		if (r == 0 || !may_retry(t, r))
			break;
		if (t->connections != before) {
			delay = RETRY_MIN_MS;
			last = 0;
		}
		if (last == 0)
			(void)hw_args_failure(&tool_tail_line, "%s: connecting again",
					      t->address.text);
		last = r;
		if (hw_standard_flush() < 0)
			return -EPIPE;
		rest(delay);
		delay = 2 * delay < RETRY_MAX_MS ? 2 * delay : RETRY_MAX_MS;
		if (hw_standard_caught())
			return 0;
	}
	return hw_standard_caught() ? 0 : r;
}

static int prepare(struct tail *t)
{
	int r = hw_nl_writer_create(&t->writer);

	t->in = HW_BUF_GROWING(TAIL_INPUT_MAX);
	t->line = HW_BUF_GROWING(TAIL_INPUT_MAX);
	t->colour = hw_print_in_colour(stdout);
	t->several = !t->subscribe.share;
	/* Full buffering is faster, with the same result. */
	(void)setvbuf(stdout, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, OUTPUT_BYTES);
	if (r == 0)
		r = hw_buf_reserve(&t->in, HW_NL_MESSAGE_MAX);
	if (r == 0)
		r = hw_standard_catch();
	if (r < 0)
		(void)hw_args_failure(&tool_tail_line, "%s", strerror(-r));
	return r;
}

static void end(struct tail *t)
{
	hw_tail_close(t);
	hw_nl_writer_destroy(t->writer);
	hw_buf_free(&t->in);
	hw_buf_free(&t->line);
	hw_select_free(&t->select);
	free(t->shares);
	hw_tail_unlock_state(t);
	hw_secret_free(t->secret);
}

int tool_tail(int argc, char **argv)
{
	struct tail t = { .fd = -1,
			  .listener_fd = -1,
			  .lock = -1,
			  .timeout_ns = TIMEOUT_NS,
			  .after = UINT64_MAX };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_tail_line, argc, argv, &t, &operands), r;

	if (status < 0)
		status = check_options(&t);
	if (status < 0)
		status = check_address(&t, operands.items[0]);
	if (status < 0)
		status = hw_tail_load_state(&t);
	if (status < 0)
		status = read_secret(&t);
	if (status < 0) {
		r = prepare(&t);
		if (r == 0)
			r = run(&t);
		/* A failure of the output is reported at the end of main(). */
		status = r < 0 && r != -EPIPE ? HW_EXIT_FAILURE : EXIT_SUCCESS;
	}
	end(&t);
	return status;
}
