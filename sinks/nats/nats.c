/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- lifecycle ---- */

static int nats_sink_open(void *self, const struct hw_host *host, void *ctx)
{
	struct nats_sink *sink = self;

	sink->host = host;
	sink->ctx = ctx;
	return nats_options_parse(sink);
}

static int on_wake(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct nats_sink *sink = self;
	uint64_t count;

	(void)io;
	(void)events;
	(void)budget;
	(void)!read(sink->session->wake_fd, &count, sizeof(count)); /* EAGAIN: nothing is new */
	nats_feeds_answers(sink);
	nats_feeds_pump(sink);
	return 1;
}

/* The thread begins on the loop, after the daemon has dropped its privileges: a thread keeps those
 * with which it was created. */
static void on_begin(void *self, struct hw_timer *timer)
{
	struct nats_sink *sink = self;
	int r = nats_worker_start(sink->session, &sink->thread);

	sink->running = r == 0;
	if (r == 0)
		return;
	sink->host->log(sink->ctx, HW_LOG_ERROR, "cannot start a thread: %s; trying again",
			strerror(-r));
	sink->host->timer_set(sink->ctx, timer, HW_SEC);
}

static void on_again(void *self, struct hw_timer *timer)
{
	(void)timer;
	nats_feeds_pump(self);
}

static int name_lanes(struct nats_sink *sink)
{
	for (uint32_t i = 0; i < sink->share_count; i++) {
		nats_feed_refresh(sink, i);
		if (nats_subject(sink->prefix, sink->feeds[i].share.name,
				 sink->session->lanes[i].place.subject) < 0)
			return sink->host->fail(sink->ctx, ENAMETOOLONG,
						"prefix and name of the share %s are too long for "
						"a subject",
						sink->feeds[i].share.name);
	}
	return 0;
}

static int create_session(struct nats_sink *sink)
{
	int r = nats_session_create(&sink->settings, sink->share_count, &sink->session);

	if (r < 0)
		return r;
	sink->session->create = sink->create_stream != 0;
	sink->session->check_ns = sink->publish_tree ? sink->check_tree : 0;
	sink->session->prefix = strdup(sink->prefix);
	return sink->session->prefix ? name_lanes(sink) : -ENOMEM;
}

static int nats_sink_start(void *self)
{
	struct nats_sink *sink = self;
	int r;

	sink->share_count = sink->host->share_count(sink->ctx);
	sink->buf = HW_BUF_GROWING(HW_JSON_EVENT_MAX);
	sink->feeds = calloc(sink->share_count ? sink->share_count : 1, sizeof(*sink->feeds));
	if (!sink->feeds)
		return -ENOMEM;
	r = create_session(sink);
	if (r == 0)
		r = sink->host->io_add(sink->ctx, sink->session->wake_fd, HW_IO_READ, on_wake, sink,
				       &sink->io);
	if (r == 0)
		r = sink->host->timer_add(sink->ctx, on_begin, sink, &sink->begin);
	if (r == 0)
		r = sink->host->timer_add(sink->ctx, on_again, sink, &sink->again);
	if (r == 0)
		sink->host->timer_set(sink->ctx, sink->begin, 1);
	return r;
}

static void nats_sink_stop(void *self)
{
	struct nats_sink *sink = self;

	if (!sink->host)
		return;
	if (sink->begin)
		sink->host->timer_del(sink->ctx, sink->begin);
	if (sink->again)
		sink->host->timer_del(sink->ctx, sink->again);
	sink->host->io_del(sink->ctx, sink->io);
	sink->begin = sink->again = NULL;
	sink->io = NULL;
	if (sink->running)
		nats_worker_stop(sink->session, sink->thread);
	sink->running = false;
	for (uint32_t i = 0; sink->feeds && i < sink->share_count; i++) {
		nats_tree_drop(sink, i);
		sink->host->cursor_close(sink->ctx, sink->feeds[i].cursor);
	}
	if (sink->session)
		nats_session_unref(sink->session);
	sink->session = NULL;
	free(sink->feeds);
	sink->feeds = NULL;
	hw_buf_free(&sink->buf);
}

static void nats_sink_close(void *self)
{
	struct nats_sink *sink = self;

	nats_settings_free(&sink->settings);
}

/* ---- running ---- */

static void nats_sink_ready(void *self, uint32_t share)
{
	struct nats_sink *sink = self;

	if (!sink->feeds[share].cursor)
		nats_feeds_answers(sink);
	nats_feeds_pump(sink);
}

static void nats_sink_status(void *self)
{
	struct nats_sink *sink = self;
	struct nats_session *s = sink->session;
	struct hw_sink_address row = { .struct_size = sizeof(row), .option = "url" };

	(void)pthread_mutex_lock(&s->lock);
	row.address = s->url[0] ? s->url : s->settings.urls[0];
	row.state = s->state == NATS_UP ? "connected" : s->why[0] ? s->why : "connecting";
	sink->host->address(sink->ctx, &row);
	(void)pthread_mutex_unlock(&s->lock);
	for (uint32_t i = 0; i < sink->share_count; i++) {
		const struct nats_feed *feed = &sink->feeds[i];
		struct hw_receiver receiver = {
			.struct_size = sizeof(receiver),
			.name = s->settings.stream,
			.share = feed->share.name,
			.seq = feed->acked,
			.dropped = feed->rescans,
			.lost = feed->lost,
		};

		sink->host->receiver(sink->ctx, &receiver);
	}
}

static int nats_sink_drain(void *self)
{
	struct nats_sink *sink = self;
	int left;

	nats_feeds_answers(sink);
	nats_feeds_pump(sink);
	(void)pthread_mutex_lock(&sink->session->lock);
	left = sink->session->state == NATS_UP && sink->session->unresolved > 0;
	(void)pthread_mutex_unlock(&sink->session->lock);
	return left;
}

#define TEXT(k, f, def, help)                                                                      \
	static const struct hw_option f##_option = HW_OPT_STRING(k, struct nats_sink, f, def, help)

static const struct hw_option url_option =
	HW_OPT_LIST("url", struct nats_sink, url,
		    "URL of a NATS server: nats://HOST[:PORT] or tls://HOST[:PORT]; the others of "
		    "a cluster may follow");
TEXT("prefix", prefix, "hostwatch", "First part of the subjects, which are PREFIX.SHARE.KIND");
TEXT("stream", stream, "hostwatch", "Name of the JetStream stream that stores these subjects");
static const struct hw_option create_stream_option =
	HW_OPT_BOOL("create_stream", struct nats_sink, create_stream, "no",
		    "Create the stream if the server does not have it");
static const struct hw_option publish_tree_option =
	HW_OPT_BOOL("publish_tree", struct nats_sink, publish_tree, "yes",
		    "Publish the tree of a share after each rescan");
static const struct hw_option check_tree_option =
	HW_OPT_DURATION("check_tree", struct nats_sink, check_tree, "10m", 100 * HW_MS,
			24 * 3600 * HW_SEC,
			"How often to look whether the stream still has the tree of each share");
TEXT("user", user, NULL, "User name for the server");
TEXT("password_file", password_file, NULL, "File with the password of user, in its first line");
TEXT("token_file", token_file, NULL, "File with the token of the server, in its first line");
TEXT("nkey", nkey, NULL, "Public nkey by which the server knows the user: U...");
TEXT("nkey_file", nkey_file, NULL, "File with the seed of nkey, in its first line");
TEXT("credentials", credentials, NULL, "Credentials file with a JWT and an nkey seed");
TEXT("tls_ca", tls_ca, NULL,
     "File with the certificates of authorities that may have signed the server's certificate; "
     "default: those of the system");
TEXT("tls_cert", tls_cert, NULL, "File with the certificate by which the server knows this host");
TEXT("tls_key", tls_key, NULL, "File with the private key of tls_cert");
static const struct hw_option in_flight_option = HW_OPT_NUMBER(
	"in_flight", struct nats_sink, in_flight, "256", 1, 4096,
	"Maximum number of messages that are sent before the server has stored the first of them");

static const struct hw_option *const options[] = {
	&url_option,          &prefix_option,     &stream_option,    &create_stream_option,
	&publish_tree_option, &check_tree_option, &user_option,      &password_file_option,
	&token_file_option,   &nkey_option,       &nkey_file_option, &credentials_option,
	&tls_ca_option,       &tls_cert_option,   &tls_key_option,   &in_flight_option,
};

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_SINK, struct nats_sink),
	.name = "nats",
	.version = HW_VERSION,
	.summary = "publishes events to a NATS JetStream stream",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.open = nats_sink_open,
	.start = nats_sink_start,
	.stop = nats_sink_stop,
	.close = nats_sink_close,
	.ready = nats_sink_ready,
	.status = nats_sink_status,
	.drain = nats_sink_drain,
};
