/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tail.h"
#include "address_arg.h"
#include "log.h"
#include "option.h"
#include "print.h"
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536u
#define TAIL_TIMEOUT_NS (10 * HW_SEC)

static const char help[] =
	"usage: hostwatch tail [OPTION]... ADDRESS\n"
	"\n"
	"Shows the events that a hostwatchd tells on a socket. ADDRESS is unix:PATH, "
	"tcp:ADDR:PORT,\n"
	"vsock:CID:PORT or netlink:GROUP (1 to 32; needs CAP_NET_ADMIN). The format is found out.\n"
	"\n"
	"  --share NAME          only this share\n"
	"  --below DIR           only events at or below this directory of the share\n"
	"  --snapshot            first the tree as it is, as create events\n"
	"  --after SEQ           resume behind this event of --epoch; needs --share unless there\n"
	"  --epoch HEX             is only one\n"
	"  --json                JSON lines, as hostwatch-protocol(7) describes them\n"
	"  --timeout TIME        how long to wait for the server's hello (10s); 0 waits for ever\n"
	"  -h, --help            this text\n";

/* ---- the command line ---- */

static int usage(const char *text)
{
	fprintf(stderr, "hostwatch tail: %s: see hostwatch tail --help\n", text);
	return HW_EXIT_USAGE;
}

static int parse_number(const char *text, int base, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, base);
	return errno || end == text || *end || strpbrk(text, "-+ \t") ? -EINVAL : 0;
}

static int parse_timeout(const char *text, uint64_t *ret)
{
	static const struct hw_option option = { .key = "timeout",
						 .type = HW_OPTION_DURATION,
						 .max = UINT64_MAX / 2 };
	char why[HW_OPTION_TEXT_MAX];

	return hw_option_parse(&option, text, ret, why);
}

static void take_below(struct tail *t, const char *below)
{
	size_t len = strlen(below);

	while (len && below[len - 1] == '/')
		len--; /* as shells complete it */
	t->subscribe.below = below;
	t->subscribe.below_len = (uint32_t)len;
}

static const char *take_option(struct tail *t, int option, bool *after)
{
	switch (option) {
	case 's':
		t->subscribe.share = optarg;
		return NULL;
	case 'j':
		t->json = true;
		return NULL;
	case 'b':
		take_below(t, optarg);
		return NULL;
	case 'n':
		t->subscribe.snapshot = true;
		return NULL;
	case 'a':
		*after = true;
		return parse_number(optarg, 10, &t->subscribe.after) < 0
			       ? "--after needs a sequence number"
			       : NULL;
	case 'e':
		t->subscribe.resume = true;
		return parse_number(optarg, 16, &t->subscribe.epoch) < 0
			       ? "--epoch needs up to 16 hexadecimal digits"
			       : NULL;
	case 't':
		return parse_timeout(optarg, &t->timeout_ns) < 0
			       ? "--timeout needs a duration (like 50ms, 1s or 2m)"
			       : NULL;
	default:
		return "bad option";
	}
}

static const char *check_options(struct tail *t, bool after, int argc, char **argv)
{
	const char *error = NULL;

	if (optind + 1 != argc)
		return "give one address";
	if (hw_address_arg(argv[optind], &t->address, &error) < 0)
		return error;
	if (t->address.transport == HW_TRANSPORT_FD)
		return "fd: is for servers";
	if (after != t->subscribe.resume)
		return "--after and --epoch go together";
	if (t->subscribe.share && strlen(t->subscribe.share) > 255)
		return "no share has such a long name";
	if (t->address.transport == HW_TRANSPORT_NETLINK &&
	    (t->subscribe.snapshot || t->subscribe.resume))
		return "a netlink group has neither snapshots nor resume";
	return hw_subscribe_check(&t->subscribe, &error) < 0 ? error : NULL;
}

/* -1, or the exit status. */
static int parse_command(struct tail *t, int argc, char **argv)
{
	static const struct option options[] = {
		{ "share", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "below", required_argument, NULL, 'b' },
		{ "snapshot", no_argument, NULL, 'n' },
		{ "after", required_argument, NULL, 'a' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *error = NULL;
	bool after = false;
	int option;

	while (!error && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return 0;
		}
		error = take_option(t, option, &after);
	}
	if (!error)
		error = check_options(t, after, argc, argv);
	return error ? usage(error) : -1;
}

/* ---- the connection ---- */

static int join_group(unsigned group)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1u << (group - 1) };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
	int size = 8 << 20;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = errno;

		(void)close(fd); /* nothing was read from it */
		return -error;
	}
	/* Bursts wait here; without the privilege as much as is allowed. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static int connect_stream(const struct hw_address *address)
{
	int fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	if (connect(fd, &address->to.any, address->len) == 0)
		return fd;
	error = errno;
	(void)close(fd); /* it was never connected */
	return -error;
}

static const char *explain(const struct hw_address *address, int error)
{
	if (address->transport == HW_TRANSPORT_NETLINK && error == EPERM)
		return "joining a netlink group needs CAP_NET_ADMIN";
	if (address->transport == HW_TRANSPORT_VSOCK && error == EAFNOSUPPORT)
		return "this kernel does not support vsock";
	return strerror(error);
}

static int open_connection(struct tail *t)
{
	bool group = t->address.transport == HW_TRANSPORT_NETLINK;

	t->fd = group ? join_group(t->address.group) : connect_stream(&t->address);
	if (t->fd >= 0)
		return 0;
	fprintf(stderr, "hostwatch tail: %s: %s\n", t->address.text, explain(&t->address, -t->fd));
	return t->fd;
}

/* ---- reading ---- */

static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
	(void)signal;
	stopped = 1;
}

/* The kernel dropped datagrams, of any share. */
static int tell_overrun(struct tail *t)
{
	struct hw_event event = { .struct_size = sizeof(event), .kind = HW_RESCAN, .path = "" };
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	event.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	return hw_tail_show(t, t->subscribe.share ? t->subscribe.share : "", &event);
}

/* 1: read something; 0: nothing is there; -errno: it is over. */
static int read_group(struct tail *t)
{
	ssize_t n = recv(t->fd, t->in.data, t->in.size, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && errno == ENOBUFS)
		return tell_overrun(t) < 0 ? -EPIPE : 1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if ((size_t)n > t->in.size)
		return 1; /* from somebody else: no message of ours is that long */
	/* Anybody may send to a group: only an output that fails ends it. */
	return hw_tail_read_datagram(t, t->in.data, (size_t)n) == -EPIPE ? -EPIPE : 1;
}

static int read_stream(struct tail *t)
{
	ssize_t n;
	int r = hw_buf_reserve(&t->in, 1);

	if (r == 0 && t->in.size - t->in.len < READ_BYTES)
		r = hw_buf_reserve(&t->in, t->in.limit - t->in.len < READ_BYTES
						   ? t->in.limit - t->in.len
						   : READ_BYTES);
	if (r < 0)
		return r;
	n = recv(t->fd, t->in.data + t->in.len, t->in.size - t->in.len, MSG_DONTWAIT);
	if (n < 0 && errno != ECONNRESET)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n <= 0) {
		fprintf(stderr, "hostwatch tail: %s: the server closed the connection\n",
			t->address.text);
		return -EREMOTEIO;
	}
	t->in.len += (size_t)n;
	r = hw_tail_read(t);
	return r < 0 ? r : 1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

/* Waits for input, for `deadline_ns` only while hello has not come. Signals come only meanwhile. */
static int await_input(struct tail *t, bool more, uint64_t deadline_ns, const sigset_t *waiting)
{
	struct pollfd poll_fd = { .fd = t->fd, .events = POLLIN };
	struct timespec wait = { 0, 0 };
	bool limited = t->timeout_ns && !t->greeted && t->address.transport != HW_TRANSPORT_NETLINK;
	uint64_t now = limited ? now_ns() : 0;

	if (limited && !more && now >= deadline_ns)
		return hw_tail_complain_silence(t);
	if (limited && !more) {
		wait.tv_sec = (time_t)((deadline_ns - now) / HW_SEC);
		wait.tv_nsec = (long)((deadline_ns - now) % HW_SEC);
	}
	/* Also while there is more to read, for the signals. EINTR: stopped is set */
	(void)ppoll(&poll_fd, 1, more || limited ? &wait : NULL, waiting);
	return 0;
}

/* Until a signal (0) or the end (-errno). Output is flushed whenever there is nothing more to read.
 */
static int read_all(struct tail *t, const sigset_t *waiting)
{
	uint64_t deadline_ns = now_ns() + t->timeout_ns;
	bool group = t->address.transport == HW_TRANSPORT_NETLINK;

	while (!stopped) {
		int r = group ? read_group(t) : read_stream(t);

		if (r < 0)
			return r;
		if (r == 0 && fflush(stdout) != 0)
			return hw_tail_check_output();
		r = await_input(t, r > 0, deadline_ns, waiting);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Signals come only while ppoll() waits, so that none is missed between the check and the wait. */
static void catch_signals(sigset_t *ret_waiting)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	(void)sigaction(SIGINT, &action, NULL); /* valid arguments cannot fail */
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigprocmask(SIG_BLOCK, &blocked, ret_waiting);
	sigdelset(ret_waiting, SIGINT);
	sigdelset(ret_waiting, SIGTERM);
}

static int run(struct tail *t)
{
	sigset_t waiting;
	int r = hw_nl_writer_create(&t->writer);

	t->in = HW_BUF_GROWING(TAIL_INPUT_MAX);
	t->line = HW_BUF_GROWING(TAIL_INPUT_MAX);
	t->colour = hw_print_in_colour(stdout);
	t->several = !t->subscribe.share;
	if (t->address.transport == HW_TRANSPORT_NETLINK)
		t->format = TAIL_NETLINK;
	if (r == 0)
		r = hw_buf_reserve(&t->in, HW_NL_MESSAGE_MAX);
	if (r < 0) {
		fprintf(stderr, "hostwatch tail: %s\n", strerror(-r));
		return r;
	}
	r = open_connection(t);
	if (r < 0)
		return r;
	catch_signals(&waiting);
	r = read_all(t, &waiting);
	if (r < 0 && r != -EPIPE && r != -EREMOTEIO && r != -EPROTO && r != -EBADMSG &&
	    r != -EMSGSIZE)
		fprintf(stderr, "hostwatch tail: %s: %s\n", t->address.text, strerror(-r));
	return r;
}

int tool_tail(int argc, char **argv)
{
	struct tail t = { .fd = -1, .timeout_ns = TAIL_TIMEOUT_NS };
	int r = parse_command(&t, argc, argv);

	if (r >= 0)
		return r;
	if (!isatty(STDOUT_FILENO))
		(void)setvbuf(stdout, NULL, _IOFBF, READ_BYTES); /* slower, otherwise the same */
	else
		(void)setvbuf(stdout, NULL, _IOLBF, READ_BYTES);
	r = run(&t);
	if (t.fd >= 0)
		(void)close(t.fd); /* the server notices */
	hw_nl_writer_destroy(t.writer);
	hw_buf_free(&t.in);
	hw_buf_free(&t.line);
	return r < 0 || (fflush(stdout) != 0 && hw_tail_check_output() < 0) ? HW_EXIT_FAILURE
									    : EXIT_SUCCESS;
}
