/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch guest-sim: acts as the guest of a virtiofs sink, and prints the events that it
 * receives. */
#include "guest_channel.h"
#include "log.h"
#include "standard.h"
#include "tool.h"
#include <hostwatch/auth.h>
#include <hostwatch/frame.h>
#include <hostwatch/wire.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000
#define HELLO_MS 10000

struct sim {
	/* options */
	struct guest_channel channel;
	const char *share; /* borrowed from argv */
	uint32_t code;
	bool json;
	uint64_t exit_after; /* 0: never */
	struct hw_secret *secret; /* owned; NULL: none */

	struct hw_auth auth;
	uint64_t epoch, seq; /* position of the last event; 0 and 0: no event */
	uint64_t told_epoch; /* from the host's hello on this connection, 0 before it */
	char told_share[HW_FRAME_SHARE_MAX + 1];
	uint64_t count; /* events printed */
	struct hw_buf line;
	size_t len;
	unsigned char bytes[2 * HW_FUSE_FRAME_MAX];
};

/* ---- printing ---- */

static void print_path(const char *label, const char *path, uint32_t len)
{
	static char quoted[4 * HW_PATH_MAX + 16];

	if (path)
		printf(" %s%s", label, hw_quote(quoted, sizeof(quoted), path, len));
}

static void print_event(struct sim *sim, struct hw_event *event)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* frames carry no time */
	event->time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	if (sim->json) {
		sim->line.len = 0;
		if (hw_json_put_event(&sim->line, sim->told_share, event) == 0)
			(void)fwrite(sim->line.data, 1, sim->line.len, stdout);
		return;
	}
	printf("%" PRIu64 " %s", event->seq, hw_kind_name(event->kind));
	if (event->type != HW_TYPE_NONE)
		printf(" %s", hw_type_name(event->type));
	print_path("from ", event->from, event->from_len);
	print_path(event->kind == HW_MOVE ? "to " : "", event->path, event->path_len);
	if (event->flags & HW_FLAG_REPLACED)
		printf(" replaced");
	if (event->flags & HW_FLAG_EXCHANGE)
		printf(" exchange");
	printf("\n");
}

static void print_hello(struct sim *sim, const struct hw_frame_hello *hello)
{
	struct hw_share_info info = {
		.struct_size = sizeof(info),
		.state = HW_SHARE_ONLINE,
		.name = sim->told_share,
		.epoch = hello->epoch,
		.seq = hello->seq,
	};
	char quoted[4 * HW_FRAME_SHARE_MAX + 16];

	if (sim->json) {
		sim->line.len = 0;
		if (hw_json_put_hello(&sim->line, HW_VERSION, &info, 1) == 0)
			(void)fwrite(sim->line.data, 1, sim->line.len, stdout);
		return;
	}
	printf("hello share %s epoch %016" PRIx64 " seq %" PRIu64 "\n",
	       hw_quote(quoted, sizeof(quoted), sim->told_share, strlen(sim->told_share)),
	       hello->epoch, hello->seq);
}

/* ---- input from the host ---- */

/*
 * A guest that has seen nothing starts at the host's hello. If the epoch changed, the guest keeps
 * its position until the rescan arrives: if the connection ends before that, the host must send the
 * rescan again.
 */
static int take_hello(struct sim *sim, const struct hw_frame_hello *hello)
{
	char told[4 * HW_FRAME_SHARE_MAX + 16], asked[4 * HW_FRAME_SHARE_MAX + 16];

	memcpy(sim->told_share, hello->share, hello->share_len);
	sim->told_share[hello->share_len] = '\0';
	if (sim->share && strcmp(sim->share, sim->told_share) != 0) {
		(void)hw_args_failure(&tool_guest_sim_line, "the host sends share %s, not %s",
				      hw_quote(told, sizeof(told), sim->told_share,
					       hello->share_len),
				      hw_quote(asked, sizeof(asked), sim->share,
					       strlen(sim->share)));
		return -EPROTO;
	}
	sim->told_epoch = hello->epoch;
	if (sim->epoch == 0) {
		sim->epoch = hello->epoch;
		sim->seq = hello->seq;
	}
	print_hello(sim, hello);
	return 0;
}

/* Returns 0; 1 if this was the last event to wait for; -EPROTO if the host skipped one. */
static int take_event(struct sim *sim, struct hw_event *event)
{
	bool same = sim->epoch == sim->told_epoch;

	if (event->kind != HW_RESCAN) {
		if (same && event->seq <= sim->seq)
			return 0; /* sent before the hello */
		if (!same || event->seq != sim->seq + 1) {
			(void)hw_args_failure(&tool_guest_sim_line,
					      "events missing between %" PRIu64 " and %" PRIu64
					      "%s",
					      sim->seq, event->seq,
					      same ? "" : " of another epoch, without a rescan");
			return -EPROTO;
		}
	}
	sim->epoch = sim->told_epoch;
	sim->seq = event->seq;
	print_event(sim, event);
	sim->count++;
	return sim->exit_after != 0 && sim->count >= sim->exit_after;
}

/* Handles every complete frame. */
static int take_frames(struct sim *sim)
{
	size_t at = 0;
	int r = 0;

	while (r == 0) {
		struct hw_frame frame;
		const char *why = "";
		int n;

		if (sim->told_epoch == 0)
			at += hw_frame_find_hello(sim->bytes + at, sim->len - at, sim->code);
		n = hw_frame_decode(sim->bytes + at, sim->len - at, sim->code, &frame, &why);
		if (n == 0)
			break;
		if (n < 0) {
			(void)hw_args_failure(&tool_guest_sim_line, "bad frame from the host: %s",
					      why);
			return -EPROTO;
		}
		if (frame.what == HW_FRAME_HELLO)
			r = take_hello(sim, &frame.hello);
		else
			r = take_event(sim, &frame.event);
		at += (size_t)n;
	}
	memmove(sim->bytes, sim->bytes + at, sim->len - at);
	sim->len -= at;
	return r;
}

/* ---- the connection ---- */

static int say_hello(struct sim *sim, int fd)
{
	unsigned char buf[HW_FRAME_HELLO_MAX];
	struct hw_frame_hello hello = {
		.role = HW_FUSE_GUEST,
		.epoch = sim->epoch,
		.seq = sim->seq,
		.mask_supported = HW_FUSE_EVENTS,
		.share = sim->share,
		.share_len = sim->share ? (uint32_t)strlen(sim->share) : 0,
	};
	int n = hw_frame_encode_hello(buf, sizeof(buf), sim->code, &hello);

	if (n < 0)
		return n;
	return send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EPIPE;
}

/* ---- the secret ---- */

static bool is_unproved(const struct sim *sim)
{
	return sim->auth.state != HW_AUTH_OFF && sim->auth.state != HW_AUTH_DONE;
}

static int begin_auth(struct sim *sim, int fd)
{
	struct hw_auth_line none;

	sim->auth.state = HW_AUTH_OFF;
	if (!sim->secret)
		return say_hello(sim, fd);
	hw_auth_begin(&sim->auth, HW_AUTH_RECEIVER, sim->secret, &none);
	return 0;
}

/* Answers the lines at the start of the input; says hello after the last one. */
static int take_auth(struct sim *sim, int fd)
{
	while (is_unproved(sim)) {
		struct hw_auth_line line;
		const char *why = "";
		int n = hw_auth_take(&sim->auth, sim->bytes, sim->len, &line, &why);

		if (n < 0) {
			(void)hw_args_failure(&tool_guest_sim_line, "%s", why);
			return -EPROTO;
		}
		if (n == 0)
			return 0;
		memmove(sim->bytes, sim->bytes + n, sim->len - (size_t)n);
		sim->len -= (size_t)n;
		if (line.len && send(fd, line.text, line.len, MSG_NOSIGNAL) < 0)
			return -errno;
		if (sim->auth.state == HW_AUTH_DONE)
			return say_hello(sim, fd);
	}
	if (sim->told_epoch == 0 && hw_auth_is_line(sim->bytes, sim->len)) {
		(void)hw_args_failure(&tool_guest_sim_line,
				      "the host requires a secret; give its file with --secret");
		return -EPROTO;
	}
	return 0;
}

/* Serves until the connection ends (-errno), the host violates the protocol (-EPROTO), a signal
 * ends the program (-EINTR) or enough events were printed (1). */
static int serve(struct sim *sim, int fd)
{
	int r = begin_auth(sim, fd);

	sim->len = 0;
	while (r == 0) {
		ssize_t n;

		if (hw_standard_flush() < 0)
			return 1; /* the reason is printed at exit */
		r = hw_guest_channel_await(fd, POLLIN, sim->told_epoch ? -1 : HELLO_MS);
		if (r < 0)
			return r;
		n = recv(fd, sim->bytes + sim->len, sizeof(sim->bytes) - sim->len, 0);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		sim->len += (size_t)n;
		r = take_auth(sim, fd);
		if (r == 0 && !is_unproved(sim))
			r = take_frames(sim);
	}
	return r;
}

/* Printed once until the reason changes, or a connection succeeds. */
static void tell_failure(const struct sim *sim, int error, int *told)
{
	char quoted[300];

	if (error == *told)
		return;
	*told = error;
	(void)hw_args_failure(&tool_guest_sim_line, "%s: cannot %s: %s; trying again",
			      hw_quote(quoted, sizeof(quoted), sim->channel.path,
				       strlen(sim->channel.path)),
			      sim->channel.listen ? "accept a connection" : "connect",
			      strerror(-error));
}

static int listen_for_host(struct sim *sim)
{
	char quoted[300];
	const char *why;
	int r = hw_guest_channel_listen(&sim->channel, &why);

	if (r < 0)
		(void)hw_args_failure(&tool_guest_sim_line, "%s: cannot listen: %s",
				      hw_quote(quoted, sizeof(quoted), sim->channel.path,
					       strlen(sim->channel.path)),
				      why);
	return r;
}

/* Makes one connection and serves it until it ends, or fails to connect. */
static int run_once(struct sim *sim, int *told)
{
	int fd = -1;
	int r = hw_guest_channel_open(&sim->channel, &fd);

	sim->told_epoch = 0;
	if (r < 0) {
		if (r != -EINTR)
			tell_failure(sim, r, told);
		return r;
	}
	r = serve(sim, fd);
	(void)close(fd); /* all input was handled */
	*told = 0;
	if (r < 0 && r != -EPROTO && r != -EINTR)
		(void)hw_args_failure(&tool_guest_sim_line, "disconnected: %s", strerror(-r));
	return r;
}

static int run(struct sim *sim)
{
	int wait_ms = RETRY_MIN_MS, told = 0;
	int r = sim->channel.listen ? listen_for_host(sim) : 0;

	if (r < 0)
		return r;
	for (;;) {
		r = run_once(sim, &told);
		if (r == 1 || r == -EINTR)
			return 0;
		if (r == -EPROTO || r == -EINVAL)
			return r;
		if (sim->told_epoch != 0)
			wait_ms = RETRY_MIN_MS;
		if (hw_standard_flush() < 0 || hw_guest_channel_await(-1, 0, wait_ms) != -ETIMEDOUT)
			return 0;
		wait_ms = 2 * wait_ms < RETRY_MAX_MS ? 2 * wait_ms : RETRY_MAX_MS;
	}
}

/* ---- the command line ---- */

struct settings {
	bool listen, json;
	const char *epoch, *share, *secret;
	uint64_t seq, code, exit_after;
};

#define FIELD(member) .offset = offsetof(struct settings, member)

static const struct hw_arg args[] = {
	{ .name = "listen",
	  .type = HW_ARG_FLAG,
	  .help = "Wait for the host to connect; for a hybrid-vsock channel, act as the VMM.",
	  FIELD(listen) },
	{ .name = "epoch",
	  .type = HW_ARG_TEXT,
	  .value = "HEX",
	  .help = "Resume in this epoch; requires --seq.",
	  FIELD(epoch) },
	{ .name = "seq",
	  .type = HW_ARG_NUMBER,
	  .value = "N",
	  .help = "Resume after this event of --epoch.",
	  FIELD(seq) },
	{ .name = "share",
	  .type = HW_ARG_TEXT,
	  .value = "NAME",
	  .help = "Request this share.",
	  FIELD(share) },
	{ .name = "secret",
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "The file of the secret; the other end must prove that it has the same one.",
	  FIELD(secret),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "code",
	  .type = HW_ARG_NUMBER,
	  .value = "N",
	  .help = "Notify code; must equal notify_code of the sink.",
	  FIELD(code),
	  .min = HW_FRAME_CODE_MIN,
	  .max = HW_FRAME_CODE_MAX },
	{ .name = "json", .type = HW_ARG_FLAG, .help = "Print JSON lines.", FIELD(json) },
	{ .name = "exit-after",
	  .type = HW_ARG_NUMBER,
	  .value = "N",
	  .help = "Exit after N events.",
	  FIELD(exit_after),
	  .min = 1 },
};

const struct hw_command_line tool_guest_sim_line = {
	.program = "hostwatch guest-sim",
	.summary = "act as the guest of a virtiofs sink and print its events",
	.synopsis = "[OPTION]... CHANNEL",
	.about = "Acts as the guest of a virtiofs sink and prints the events it receives. CHANNEL "
		 "is "
		 "unix:PATH or hybrid-vsock:PATH:PORT.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
	.operand = "CHANNEL",
	.operands_min = 1,
	.operands_max = 1,
	.complete = HW_COMPLETE_ADDRESS,
};

static bool parse_epoch(const char *text, uint64_t *ret)
{
	size_t len = strlen(text);

	if (len == 0 || len > 16 || text[strspn(text, "0123456789abcdefABCDEF")])
		return false;
	*ret = strtoull(text, NULL, 16);
	return true;
}

static int read_secret(struct sim *sim, const char *path)
{
	char quoted[300];
	const char *why;

	if (!path || hw_secret_read(path, &sim->secret, &why) == 0)
		return -1;
	return hw_args_failure(&tool_guest_sim_line, "--secret: %s: %s",
			       hw_quote(quoted, sizeof(quoted), path, strlen(path)), why);
}

static int take_settings(struct sim *sim, const struct settings *settings, const char *channel)
{
	char quoted[300];

	if (settings->epoch && !parse_epoch(settings->epoch, &sim->epoch))
		return hw_args_mistake(&tool_guest_sim_line,
				       "--epoch: %s is not a hexadecimal number of at most 16 "
				       "digits",
				       hw_quote(quoted, sizeof(quoted), settings->epoch,
						strlen(settings->epoch)));
	if (settings->seq != 0 && sim->epoch == 0)
		return hw_args_mistake(&tool_guest_sim_line, "--seq needs --epoch");
	if (settings->share && strlen(settings->share) > HW_FRAME_SHARE_MAX)
		return hw_args_mistake(&tool_guest_sim_line, "--share: longer than %u bytes",
				       HW_FRAME_SHARE_MAX);
	if (hw_guest_channel_parse(channel, settings->listen, &sim->channel) < 0)
		return hw_args_mistake(&tool_guest_sim_line,
				       "%s is not a channel (unix:PATH, hybrid-vsock:PATH:PORT)",
				       hw_quote(quoted, sizeof(quoted), channel, strlen(channel)));
	sim->seq = settings->seq;
	sim->share = settings->share;
	sim->code = (uint32_t)settings->code;
	sim->json = settings->json;
	sim->exit_after = settings->exit_after;
	return read_secret(sim, settings->secret);
}

/* Returns -1, or the exit status if there is nothing to do. */
static int parse(struct sim *sim, int argc, char **argv)
{
	struct settings settings = { .code = HW_FUSE_NOTIFY_FSNOTIFY };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_guest_sim_line, argc, argv, &settings, &operands);

	return status >= 0 ? status : take_settings(sim, &settings, operands.items[0]);
}

int tool_guest_sim(int argc, char **argv)
{
	static struct sim sim;
	int r, status = parse(&sim, argc, argv);

	if (status >= 0)
		return status;
	sim.line = HW_BUF_GROWING(HW_JSON_EVENT_MAX);
	r = hw_standard_catch();
	if (r == 0)
		r = run(&sim);
	hw_guest_channel_close(&sim.channel);
	hw_buf_free(&sim.line);
	hw_secret_free(sim.secret);
	return r == 0 ? 0 : HW_EXIT_FAILURE;
}
