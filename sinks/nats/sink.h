/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nats sink: life (nats.c), options (options.c), the events of each share (feed.c) and its tree
 * after a rescan (tree.c). */
#ifndef HW_NATS_SINK_H
#define HW_NATS_SINK_H

#include "session.h"

#include <hostwatch/plugin.h>
#include <hostwatch/wire.h>

/* The tree of a share on its way to the stream. */
struct nats_tree {
	bool owed; /* the rescan before it was published */
	bool ended; /* the last entry was taken; the end is due when the parts are stored */
	struct hw_snapshot *snapshot; /* owned; NULL: not open */
	struct hw_buf lines; /* owned: lines that are not in a message yet */
	uint64_t seq; /* the event after which it is the tree */
	uint64_t parts; /* messages */
	int64_t time_ns; /* CLOCK_REALTIME when it was opened */
	uint64_t begun_ns, rest_until_ns; /* CLOCK_MONOTONIC: of this one; before the next rescan */
	uint64_t left_out; /* entries that are longer than a message may be */
	char id[NATS_ID_MAX]; /* of its rescan */
};

/* One share. Used by the loop only. */
struct nats_feed {
	struct hw_share_info share;
	struct hw_cursor *cursor; /* owned; NULL: its place is not known yet */
	uint64_t serial; /* of the connection for which the cursor was opened */
	uint64_t sent; /* the last event that was given to the session */
	uint64_t acked, acked_at; /* the last event that is stored, and its number in the stream */
	uint64_t rescans, lost;
	bool owes_rescan;
	bool overtaken; /* the journal no longer had the next event */
	bool waits; /* nothing is sent until the last message is stored: a rescan, or the end of a
		     * tree */
	struct nats_tree tree;
};

struct nats_sink {
	const struct hw_host *host;
	void *ctx;
	/* options */
	const char *url, *prefix, *stream;
	const char *user, *password_file, *token_file, *nkey, *nkey_file, *credentials;
	const char *tls_ca, *tls_cert, *tls_key;
	uint32_t create_stream, publish_tree;
	uint64_t in_flight, check_tree;
	/* from open() to start() */
	struct nats_settings settings;
	/* from start() to stop() */
	struct nats_session *session;
	struct nats_feed *feeds; /* owned */
	uint32_t share_count;
	struct hw_io *io;
	struct hw_timer *begin;
	struct hw_timer *again; /* pumps the feeds: one rests, or waits for memory */
	uint64_t again_ns; /* the shortest delay that a feed has asked for; 0: none */
	pthread_t thread;
	bool running; /* the thread was started */
	struct hw_buf buf; /* scratch */
	struct hw_json_head head; /* of the last line that was encoded */
	uint64_t rescan_ids; /* makes the ids of rescans different */
	char told[NATS_WHY_MAX]; /* the failure that was logged; "": none */
};

int nats_options_parse(struct nats_sink *sink);

/*
 * Gives the session a message with these bytes; it is the last one of its lane then. `like` has
 * kind, seq, id, and what belongs to a tree. The session is locked. Returns 0, -ENOMEM.
 */
int nats_feed_put(struct nats_sink *sink, uint32_t index, const struct nats_item *like,
		  const void *bytes, size_t len);
bool nats_feed_is_stored(const struct nats_sink *sink, uint32_t index); /* nothing is on its way */

/* Gives the session what the journals have, up to the limits. */
void nats_feeds_pump(struct nats_sink *sink);
/* During a pump: pump again after this time at the latest. */
void nats_feeds_ask_again(struct nats_sink *sink, uint64_t delay_ns);
/* Handles what the thread has found and what the server has answered. */
void nats_feeds_answers(struct nats_sink *sink);
void nats_feed_refresh(struct nats_sink *sink, uint32_t index);

/* ---- tree.c; the session is locked ---- */

/* Returns how long the share rests before its next rescan; 0: it does not. Trees take a fifth of
 * the time at most, however often they are needed. */
uint64_t nats_tree_rest_ns(struct nats_sink *sink, uint32_t index);
/* Sends more of the tree that is owed. Returns 1: a message was made; 0: nothing can be sent now;
 * -errno: it has to begin again. */
int nats_tree_pull(struct nats_sink *sink, uint32_t index);
/* The end of the tree is stored. */
void nats_tree_finish(struct nats_sink *sink, uint32_t index);
/* Drops what was not sent. */
void nats_tree_drop(struct nats_sink *sink, uint32_t index);

#endif
