/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's link to a hostile host. The input is a list of steps: hello, event, raw bytes, a
 * damaged frame, the end of the connection. Events must reach the guest's kernel in order and after
 * a hello, or as a rescan of everything. */
#include "guest/agent/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHARE "srv"

struct input {
	const uint8_t *at, *end;
};

struct host {
	struct hw_link link;
	struct hw_position seen;
	int fd; /* owned: the host's end; -1: the link is down */
	uint64_t now_ms;
	uint64_t seq; /* of the next event */
	unsigned damage; /* the next frame is damaged at this place; 0: it is not */
	bool broken; /* the next event finds no mount */
};

static struct host host;

static void require(int condition)
{
	if (!condition)
		abort();
}

/* ---- the guest's side ---- */

static int check_event(struct hw_inject *inject, const struct hw_told *told)
{
	const struct hw_event *event = told->event;
	struct hw_frame frame;

	(void)inject;
	require(host.link.told_epoch != 0 && strcmp(told->share, SHARE) == 0);
	require(hw_frame_decode(told->bytes, told->len, HW_FUSE_NOTIFY_FSNOTIFY, &frame, NULL) ==
		(int)told->len);
	require(frame.what == HW_FRAME_EVENT && frame.event.kind == event->kind &&
		frame.event.seq == event->seq && frame.event.path_len == event->path_len);
	/* A rescan of a directory replaces the events that are missing before it. */
	if (event->kind != HW_RESCAN)
		require(host.seen.epoch == host.link.told_epoch && event->seq == host.seen.seq + 1);
	else if (event->path_len)
		require(host.seen.epoch == host.link.told_epoch && event->seq > host.seen.seq);
	if (!host.broken)
		return 0;
	host.broken = false;
	return -ENODEV;
}

static void ignore_line(const char *line)
{
	(void)line;
}

static void close_nothing(struct hw_inject *inject)
{
	(void)inject;
}

static int open_inject(const struct hw_mount *mount, struct hw_inject **ret,
		       char why[HW_INJECT_WHY_MAX]);
static const struct hw_inject_ops ops = {
	.open = open_inject,
	.event = check_event,
	.close = close_nothing,
};
static struct hw_inject kernel = { .ops = &ops };

static int open_inject(const struct hw_mount *mount, struct hw_inject **ret,
		       char why[HW_INJECT_WHY_MAX])
{
	(void)mount;
	(void)why;
	*ret = &kernel;
	return 0;
}

const struct hw_inject_ops hw_inject_module = { .open = open_inject };
const struct hw_inject_ops hw_inject_touch = { .open = open_inject };
const struct hw_inject_ops hw_inject_print = { .open = open_inject };
const struct hw_inject_ops hw_inject_replay = { .open = open_inject };
const struct hw_inject_ops hw_inject_auto = { .open = open_inject };

/* ---- the host's side ---- */

static void disconnect(void)
{
	if (host.fd >= 0)
		(void)close(host.fd);
	host.fd = -1;
}

/* The link finds a connection that has just been made. */
static void connect_link(void)
{
	int fds[2];

	disconnect();
	if (host.link.fd >= 0)
		(void)close(host.link.fd);
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	host.link.len = 0;
	host.link.told_epoch = 0;
	host.link.inject = &kernel;
	host.link.fd = fds[0];
	host.link.state = HW_LINK_CONNECTING;
	host.fd = fds[1];
	require(hw_link_turn(&host.link, POLLOUT, host.now_ms) == 0);
	require(hw_link_turn(&host.link, POLLOUT, host.now_ms) == 0); /* sends its hello */
}

static void turn(void)
{
	int r = hw_link_turn(&host.link, POLLIN, ++host.now_ms);

	require(r == 0);
	require(host.link.len <= 2 * HW_FUSE_FRAME_MAX);
	if (host.link.state != HW_LINK_UP)
		connect_link();
}

static void say(const void *bytes, size_t len)
{
	if (host.fd >= 0 && len)
		(void)!send(host.fd, bytes, len, MSG_NOSIGNAL); /* what fits */
	turn();
}

static void say_frame(unsigned char *frame, int len)
{
	if (len <= 0)
		return;
	if (host.damage)
		frame[host.damage % (unsigned)len] ^= (unsigned char)(1 + host.damage / 256);
	host.damage = 0;
	say(frame, (size_t)len);
}

/* ---- steps ---- */

static uint8_t take(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

static const char *take_bytes(struct input *input, size_t len, uint32_t *ret_len)
{
	size_t left = (size_t)(input->end - input->at);
	const char *bytes = (const char *)input->at;

	*ret_len = (uint32_t)(len < left ? len : left);
	input->at += *ret_len;
	return bytes;
}

static void say_hello(struct input *input)
{
	unsigned char frame[HW_FRAME_HELLO_MAX];
	uint8_t bits = take(input);
	const struct hw_frame_hello hello = {
		.role = bits & 1 ? HW_FUSE_GUEST : HW_FUSE_HOST,
		.epoch = 1 + (bits >> 1) % 3,
		.seq = take(input),
		.mask_supported = HW_FUSE_EVENTS,
		.share = SHARE,
		.share_len = bits & 64 ? 2 : 3,
	};

	host.seq = hello.seq + 1;
	say_frame(frame,
		  hw_frame_encode_hello(frame, sizeof(frame), HW_FUSE_NOTIFY_FSNOTIFY, &hello));
}

static void say_event(struct input *input)
{
	static unsigned char frame[HW_FUSE_FRAME_MAX];
	struct hw_event event = { .struct_size = sizeof(event) };
	uint8_t bits = take(input);

	event.kind = 1 + bits % (HW_KIND_END - 1);
	event.type = event.kind == HW_RESCAN ? HW_TYPE_NONE : HW_TYPE_FILE;
	event.seq = host.seq++;
	if (bits & 128)
		host.seq += take(input) % 3; /* events are missing */
	event.path = take_bytes(input, bits & 64 ? 0 : 1 + take(input) % 16, &event.path_len);
	if (event.kind == HW_MOVE)
		event.from = take_bytes(input, 1, &event.from_len);
	say_frame(frame,
		  hw_frame_encode_event(frame, sizeof(frame), HW_FUSE_NOTIFY_FSNOTIFY, &event));
}

static void step(struct input *input)
{
	uint32_t len;
	const char *bytes;

	switch (take(input) % 7) {
	case 0:
	case 1:
		say_hello(input);
		break;
	case 2:
		bytes = take_bytes(input, 1 + take(input), &len);
		say(bytes, len);
		break;
	case 3:
		host.damage = 1 + take(input) * 7u;
		break;
	case 4:
		disconnect();
		turn();
		break;
	case 5:
		host.broken = true;
		break;
	default:
		say_event(input);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, data + size };
	const struct hw_mount mount = {
		.name = "main",
		.channel_text = "unix:/run/vm",
		.notify_code = HW_FUSE_NOTIFY_FSNOTIFY,
		.share = SHARE,
		.channel.is_virtio = take(&input) & 1,
	};

	hw_log_set_fn(ignore_line);
	host = (struct host){ .fd = -1 };
	require(hw_link_init(&host.link, &mount, &host.seen) == 0);
	connect_link();
	while (input.at < input.end)
		step(&input);
	hw_link_finish(&host.link);
	disconnect();
	return 0;
}
