/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nats sink: life (nats.c), options (options.c), and the events of each share (feed.c). */
#ifndef HW_NATS_SINK_H
#define HW_NATS_SINK_H

#include "session.h"

#include <hostwatch/plugin.h>
#include <hostwatch/wire.h>

/* One share. Used by the loop only. */
struct nats_feed {
	struct hw_share_info share;
	struct hw_cursor *cursor; /* owned; NULL: its place is not known yet */
	uint64_t serial; /* of the connection for which the cursor was opened */
	uint64_t sent; /* the last event that was given to the session */
	uint64_t acked, acked_at; /* the last event that is stored, and its number in the stream */
	uint64_t rescans, lost;
	bool owes_rescan;
	bool in_rescan; /* a rescan is on its way: nothing is sent until it is stored */
};

struct nats_sink {
	const struct hw_host *host;
	void *ctx;
	/* options */
	const char *url, *prefix, *stream;
	const char *user, *password_file, *credentials, *tls_ca, *tls_cert, *tls_key;
	uint32_t create_stream;
	uint64_t in_flight;
	/* from open() to start() */
	struct nats_settings settings;
	/* from start() to stop() */
	struct nats_session *session;
	struct nats_feed *feeds; /* owned */
	uint32_t share_count;
	struct hw_io *io;
	struct hw_timer *begin;
	pthread_t thread;
	bool running; /* the thread was started */
	struct hw_buf buf; /* scratch */
	uint64_t rescan_ids; /* makes the ids of rescans different */
	char told[NATS_WHY_MAX]; /* the failure that was logged; "": none */
};

int nats_options_parse(struct nats_sink *sink);

/* Gives the session what the journals have, up to the limits. */
void nats_feeds_pump(struct nats_sink *sink);
/* Handles what the thread has found and what the server has answered. */
void nats_feeds_answers(struct nats_sink *sink);
void nats_feed_refresh(struct nats_sink *sink, uint32_t index);

#endif
