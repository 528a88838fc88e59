/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "receivers.h"

#include <errno.h>
#include <hostwatch/wire.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SLOW_BYTES 512u
#define PREFIX "unix:"

static const char *setting(const struct hw_kit *kit, const char *key)
{
	for (size_t i = 0; i < kit->count; i++)
		if (!strcmp(kit->settings[i].key, key))
			return kit->settings[i].value;
	return NULL;
}

/* Returns the path at which the plugin is configured to listen, if any. */
static const char *find_path(const struct hw_kit *kit)
{
	for (size_t i = 0; i < kit->count; i++)
		if (!strncmp(kit->settings[i].value, PREFIX, strlen(PREFIX)))
			return kit->settings[i].value + strlen(PREFIX);
	return NULL;
}

/* ---- greetings ---- */

static int put_netlink(struct hw_buf *buf, const struct hw_subscribe *subscribe)
{
	struct hw_nl_writer *writer;
	int r = hw_nl_writer_create(&writer);

	if (r < 0)
		return r;
	r = hw_nl_put_subscribe(writer, buf, subscribe);
	hw_nl_writer_destroy(writer);
	return r;
}

/* A sink of another author gets no greeting, because its protocol is unknown. */
static void write_greeting(struct hw_receivers *receivers, const struct hw_kit *kit)
{
	const struct hw_frame_hello hello = { .role = HW_FUSE_GUEST,
					      .mask_supported = HW_FUSE_EVENTS };
	const struct hw_subscribe subscribe = { 0 };
	const char *name = kit->plugin->name, *format = setting(kit, "format");
	struct hw_buf buf = HW_BUF_FIXED(receivers->greeting, sizeof(receivers->greeting));
	int r = 0;

	if (!strcmp(name, "virtiofs"))
		r = hw_frame_encode_hello(receivers->greeting, sizeof(receivers->greeting),
					  HW_FUSE_NOTIFY_FSNOTIFY, &hello);
	else if (!strcmp(name, "socket") && format && !strcmp(format, "netlink"))
		r = put_netlink(&buf, &subscribe);
	else if (!strcmp(name, "socket"))
		r = hw_json_put_subscribe(&buf, &subscribe);
	if (r >= 0)
		receivers->greeting_len = buf.len ? buf.len : (size_t)r;
}

void hw_receivers_init(struct hw_receivers *receivers, const struct hw_kit *kit,
		       enum hw_manner manner, unsigned count)
{
	*receivers = (struct hw_receivers){
		.path = find_path(kit),
		.manner = manner,
		.count = count < HW_RECEIVERS_MAX ? count : HW_RECEIVERS_MAX,
	};
	for (unsigned i = 0; i < HW_RECEIVERS_MAX; i++)
		receivers->fds[i] = -1;
	write_greeting(receivers, kit);
}

/* ---- connections ---- */

static void leave(struct hw_receivers *receivers, unsigned i)
{
	if (receivers->fds[i] >= 0)
		(void)close(receivers->fds[i]); /* unread bytes are lost on purpose */
	receivers->fds[i] = -1;
}

static void join(struct hw_receivers *receivers, unsigned i)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", receivers->path);
	receivers->fds[i] = fd;
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		leave(receivers, i);
	else if (receivers->greeting_len &&
		 send(fd, receivers->greeting, receivers->greeting_len, MSG_NOSIGNAL) < 0)
		leave(receivers, i);
}

/* ---- behavior ---- */

static void hear(struct hw_receivers *receivers, unsigned i, size_t most)
{
	char bytes[65536];
	ssize_t n = recv(receivers->fds[i], bytes, most < sizeof(bytes) ? most : sizeof(bytes), 0);

	if (n > 0)
		receivers->received += (uint64_t)n;
	else if (n == 0 || errno != EAGAIN)
		leave(receivers, i); /* reconnects in the next iteration */
}

/* Sends the next bytes of a fixed sequence. */
static void talk(struct hw_receivers *receivers, unsigned i)
{
	static uint32_t state = 1;
	unsigned char bytes[4096];

	for (size_t k = 0; k < sizeof(bytes); k++) {
		state = state * 1664525u + 1013904223u;
		bytes[k] = (unsigned char)(state >> 24);
	}
	if (send(receivers->fds[i], bytes, sizeof(bytes), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		leave(receivers, i);
}

static void act(struct hw_receivers *receivers, unsigned i)
{
	if (receivers->fds[i] < 0)
		join(receivers, i);
	if (receivers->fds[i] < 0)
		return;
	switch (receivers->manner) {
	case HW_READS:
		hear(receivers, i, SIZE_MAX);
		break;
	case HW_READS_SLOWLY:
		hear(receivers, i, SLOW_BYTES);
		break;
	case HW_TALKS:
		talk(receivers, i);
		break;
	case HW_VANISHES:
		if ((receivers->turn + i) % 3 == 0)
			leave(receivers, i);
		break;
	}
}

void hw_receivers_act(void *arg)
{
	struct hw_receivers *receivers = arg;

	receivers->turn++;
	for (unsigned i = 0; receivers->path && i < receivers->count; i++)
		act(receivers, i);
}

void hw_receivers_fini(struct hw_receivers *receivers)
{
	for (unsigned i = 0; i < HW_RECEIVERS_MAX; i++)
		leave(receivers, i);
}
