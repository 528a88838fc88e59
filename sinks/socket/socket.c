/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- services for all parts ---- */

void hw_sink_refresh(struct socket_sink *sink, uint32_t share)
{
	struct hw_share_info info = { .struct_size = sizeof(info) };

	if (sink->host->share_info(sink->ctx, share, &info) == 0)
		sink->shares[share] = info;
}

void hw_sink_refresh_all(struct socket_sink *sink)
{
	for (uint32_t i = 0; i < sink->share_count; i++)
		hw_sink_refresh(sink, i);
}

void hw_sink_kick(struct socket_sink *sink)
{
	if (sink->kick)
		sink->host->timer_set(sink->ctx, sink->kick, 1);
}

static void pump_multicasts(struct socket_sink *sink)
{
	for (uint32_t i = 0; i < sink->listen_count; i++)
		if (sink->multicasts[i].sink)
			hw_multicast_pump(&sink->multicasts[i]);
}

static bool waits_for_snapshot(const struct subscriber *s)
{
	for (uint32_t i = 0; i < s->feed_count; i++)
		if (s->feeds[i].wants_snapshot)
			return true;
	return false;
}

static void on_kick(void *self, struct hw_timer *timer)
{
	struct socket_sink *sink = self;
	struct subscriber *s = TAILQ_FIRST(&sink->subscribers), *next;

	(void)timer;
	pump_multicasts(sink);
	for (; s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!hw_subscriber_has_output(s) && waits_for_snapshot(s))
			(void)hw_subscriber_pump(s, TURN_BYTES);
	}
}

/* ---- lifecycle ---- */

static int socket_open(void *self, const struct hw_host *host, void *ctx)
{
	struct socket_sink *sink = self;

	sink->host = host;
	sink->ctx = ctx;
	TAILQ_INIT(&sink->subscribers);
	LIST_INIT(&sink->peers);
	return hw_options_parse(sink);
}

static int allocate(struct socket_sink *sink)
{
	uint32_t shares = sink->host->share_count(sink->ctx);

	sink->scratch =
		HW_BUF_GROWING(sink->send_buffer + 2 * HW_JSON_EVENT_MAX + HW_NL_MESSAGE_MAX);
	hw_batches_init(sink);
	sink->stream = sink->format == FORMAT_JSON ? &hw_stream_json : &hw_stream_netlink;
	sink->shares = calloc(shares ? shares : 1, sizeof(*sink->shares));
	sink->listeners = calloc(sink->listen_count + 1, sizeof(*sink->listeners));
	sink->barriers = calloc(shares ? shares : 1, sizeof(*sink->barriers));
	sink->multicasts = calloc(sink->listen_count + 1, sizeof(*sink->multicasts));
	sink->connectors = calloc(sink->connect_count + 1, sizeof(*sink->connectors));
	if (!sink->shares || !sink->barriers || !sink->listeners || !sink->multicasts ||
	    !sink->connectors)
		return -ENOMEM;
	sink->share_count = shares;
	hw_sink_refresh_all(sink);
	return hw_nl_writer_create(&sink->writer);
}

static int start_address(struct socket_sink *sink, uint32_t i)
{
	const struct hw_address *address = &sink->listen_on[i];

	if (address->transport == HW_TRANSPORT_NETLINK)
		return hw_multicast_start(&sink->multicasts[i], sink, address);
	return hw_listener_start(&sink->listeners[i], sink, address);
}

/* Creates the directory for relative paths. */
static int make_runtime_dir(struct socket_sink *sink)
{
	const char *dir;
	int r = sink->host->runtime_dir(sink->ctx, 1, &dir);

	return r < 0 ? sink->host->fail(sink->ctx, r,
					"cannot use the directory for relative paths: %s",
					r == -EPERM ? "other users can change it" : strerror(-r))
		     : 0;
}

static int socket_start(void *self)
{
	struct socket_sink *sink = self;
	int r = allocate(sink);

	if (r == 0)
		r = sink->host->timer_add(sink->ctx, on_kick, sink, &sink->kick);
	if (r == 0 && sink->in_runtime_dir)
		r = make_runtime_dir(sink);
	for (uint32_t i = 0; r == 0 && i < sink->listen_count; i++)
		r = start_address(sink, i);
	for (uint32_t i = 0; r == 0 && i < sink->connect_count; i++)
		r = hw_connector_start(&sink->connectors[i], sink, &sink->connect_to[i]);
	return r;
}

static void stop_addresses(struct socket_sink *sink)
{
	for (uint32_t i = 0; sink->listeners && i < sink->listen_count; i++)
		hw_listener_stop(&sink->listeners[i]);
	for (uint32_t i = 0; sink->multicasts && i < sink->listen_count; i++)
		hw_multicast_stop(&sink->multicasts[i]);
	/* Subscribers notify their connectors, so they end first. */
	while (!TAILQ_EMPTY(&sink->subscribers))
		hw_subscriber_destroy(TAILQ_FIRST(&sink->subscribers));
	for (uint32_t i = 0; sink->connectors && i < sink->connect_count; i++)
		hw_connector_stop(&sink->connectors[i]);
}

static void socket_stop(void *self)
{
	struct socket_sink *sink = self;

	if (!sink->host)
		return;
	stop_addresses(sink);
	hw_sink_drop_timer(sink, sink->kick);
	sink->kick = NULL;
	hw_nl_writer_destroy(sink->writer);
	sink->writer = NULL;
	hw_buf_free(&sink->scratch);
	hw_batches_free(sink);
	free(sink->shares);
	free(sink->barriers);
	free(sink->listeners);
	free(sink->multicasts);
	free(sink->connectors);
	sink->shares = NULL;
	sink->barriers = NULL;
	sink->listeners = NULL;
	sink->multicasts = NULL;
	sink->connectors = NULL;
	sink->share_count = 0;
}

static void socket_close(void *self)
{
	hw_options_free(self);
}

/* ---- running ---- */

static void socket_ready(void *self, uint32_t share)
{
	struct socket_sink *sink = self;
	struct subscriber *s, *next;

	hw_sink_refresh(sink, share);
	pump_multicasts(sink);
	for (s = TAILQ_FIRST(&sink->subscribers); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!hw_subscriber_has_output(s) && hw_subscriber_feed(s, share))
			(void)hw_subscriber_pump(s, TURN_BYTES);
	}
}

static void socket_synced(void *self, uint32_t share, uint64_t seq)
{
	hw_sync_ended(self, share, seq);
}

/* Reports the address that is in use: a relative path was completed. */
static void tell_address(struct socket_sink *sink, const char *option,
			 const struct hw_address *address, const char *state)
{
	char text[HW_ADDRESS_TEXT_MAX + 1];
	struct hw_sink_address row = {
		.struct_size = sizeof(row),
		.option = option,
		.address = address->text,
		.state = state,
	};

	if (address->transport == HW_TRANSPORT_UNIX) {
		(void)snprintf(text, sizeof(text), "unix:%s", address->to.un.sun_path);
		row.address = text;
	}
	sink->host->address(sink->ctx, &row);
}

static const char *listener_state(struct socket_sink *sink, uint32_t i, char *text, size_t size)
{
	if (!hw_listener_is_short(&sink->listeners[i]))
		return hw_secret_state(sink);
	(void)snprintf(text, size, "no descriptors left for more than %u subscribers",
		       sink->accepted);
	return text;
}

static void tell_addresses(struct socket_sink *sink)
{
	char text[80];

	for (uint32_t i = 0; i < sink->listen_count; i++)
		tell_address(sink, "listen", &sink->listen_on[i],
			     listener_state(sink, i, text, sizeof(text)));
	for (uint32_t i = 0; i < sink->connect_count; i++)
		tell_address(sink, "connect", &sink->connect_to[i],
			     hw_connector_state(&sink->connectors[i]));
}

static void tell_multicast(struct socket_sink *sink, const struct multicast *m)
{
	for (uint32_t i = 0; m->sink && i < sink->share_count; i++)
		hw_feed_status(sink, &m->feeds[i], m->address->text);
}

static void socket_status(void *self)
{
	struct socket_sink *sink = self;
	struct subscriber *s;

	tell_addresses(sink);
	for (uint32_t i = 0; i < sink->listen_count; i++)
		tell_multicast(sink, &sink->multicasts[i]);
	TAILQ_FOREACH(s, &sink->subscribers, link)
	for (uint32_t i = 0; i < s->feed_count; i++)
		hw_feed_status(sink, &s->feeds[i], s->name);
}

static int socket_drain(void *self)
{
	struct socket_sink *sink = self;
	struct subscriber *s = TAILQ_FIRST(&sink->subscribers), *next;
	int queued = 0;

	pump_multicasts(sink);
	for (; s; s = next) {
		next = TAILQ_NEXT(s, link);
		queued |= hw_subscriber_pump(s, SIZE_MAX) > 0;
	}
	return queued;
}

static const struct hw_option format_option =
	HW_OPT_ENUM("format", struct socket_sink, format, "json", "json|netlink",
		    "Format of the events: one JSON object per line, or netlink messages");
static const struct hw_option listen_option = HW_OPT_LIST_FLAGS(
	"listen", struct socket_sink, listen, HW_OPTION_ADDRESS,
	"Address where subscribers connect: unix:PATH, tcp:ADDR:PORT, vsock:CID:PORT "
	"or fd:NAME; or the group that events are multicast to: netlink:GROUP");
static const struct hw_option connect_option = HW_OPT_LIST_FLAGS(
	"connect", struct socket_sink, connect, HW_OPTION_ADDRESS,
	"Address of a receiver to connect to, retried until it answers: unix:PATH, "
	"tcp:ADDR:PORT or vsock:CID:PORT");
static const struct hw_option mode_option = HW_OPT_STRING("mode", struct socket_sink, mode, "0600",
							  "Permissions of unix sockets, in octal");
static const struct hw_option group_option =
	HW_OPT_STRING("group", struct socket_sink, group, NULL,
		      "Group of unix sockets, by name or number");
static const struct hw_option allow_uid_option =
	HW_OPT_LIST("allow_uid", struct socket_sink, allow_uid,
		    "User ID that may subscribe; if not set, any user who can open the socket may");
static const struct hw_option allow_cid_option =
	HW_OPT_LIST("allow_cid", struct socket_sink, allow_cid,
		    "CID of a guest that may subscribe on vsock; if not set, any guest may, and "
		    "listening on vsock needs allow_remote");
static const struct hw_option allow_remote_option = HW_OPT_BOOL(
	"allow_remote", struct socket_sink, allow_remote, "no",
	"Permit tcp addresses other than loopback, and listening on vsock without allow_cid, "
	"where every guest of this host can connect; also needs secret");
static const struct hw_option secret_option = HW_OPT_STRING(
	"secret", struct socket_sink, secret_path, NULL,
	"File with a secret that each peer must also have, 32 to 4096 bytes; nothing is sent to "
	"a peer that cannot prove it");
static const struct hw_option max_subscribers_option =
	HW_OPT_NUMBER("max_subscribers", struct socket_sink, max_subscribers, "1024", 1,
		      SUBSCRIBERS_MAX,
		      "Maximum number of subscribers; further connections are refused");
static const struct hw_option send_buffer_option =
	HW_OPT_SIZE("send_buffer", struct socket_sink, send_buffer, "64K", 4096, 64 << 20,
		    "Bytes encoded ahead for a subscriber that has not read them yet");
static const struct hw_option hello_wait_option =
	HW_OPT_DURATION("hello_wait", struct socket_sink, hello_wait_ns, "200ms", HW_MS,
			10 * HW_SEC,
			"How long to wait for a subscriber's request before sending events");
static const struct hw_option handshake_timeout_option =
	HW_OPT_DURATION("handshake_timeout", struct socket_sink, handshake_timeout_ns, "5s",
			100 * HW_MS, 60 * HW_SEC,
			"How long a subscriber may take to complete a request");

static const struct hw_option *const options[] = {
	&format_option,      &listen_option,     &connect_option,           &mode_option,
	&group_option,       &allow_uid_option,  &allow_remote_option,      &max_subscribers_option,
	&send_buffer_option, &hello_wait_option, &handshake_timeout_option, &secret_option,
	&allow_cid_option,
};

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_SINK, struct socket_sink),
	.name = "socket",
	.version = HW_VERSION,
	.summary = "sends events to programs over unix, TCP, vsock and netlink sockets",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.open = socket_open,
	.start = socket_start,
	.stop = socket_stop,
	.close = socket_close,
	.ready = socket_ready,
	.status = socket_status,
	.drain = socket_drain,
	.synced = socket_synced,
};
