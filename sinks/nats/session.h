/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the loop and the thread of a sink share. The loop appends messages to the lane of a share;
 * the thread connects, finds where the stream stands, and publishes them; the server's
 * acknowledgements arrive on threads of libnats. After a failure the loop drops all messages, and
 * the thread begins anew: the stream says what it has.
 *
 * A session may outlive its sink: stop() does not wait for a server that does not answer. The last
 * of sink and thread frees it.
 */
#ifndef HW_NATS_SESSION_H
#define HW_NATS_SESSION_H

#include "stream.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/queue.h>

#define NATS_ID_MAX 112u

enum nats_state {
	NATS_DOWN, /* not connected; `why` is the reason of the last failure */
	NATS_UP, /* places are valid */
	NATS_FAILED, /* the loop has to drop the messages: nats_session_reset() */
};

/* One message. */
struct nats_item {
	TAILQ_ENTRY(nats_item) of_lane, of_queue;
	uint32_t lane;
	bool queued; /* not published yet */
	bool acked; /* at: number in the stream */
	uint64_t epoch, seq, at;
	uint64_t acked_seq, acked_at; /* for the header */
	const char *kind; /* static */
	bool tree, tree_end; /* for the header of a tree */
	uint64_t part;
	char id[NATS_ID_MAX]; /* Nats-Msg-Id */
	size_t len;
	char data[];
};
TAILQ_HEAD(nats_items, nats_item);

struct nats_lane {
	struct nats_place place; /* written by the thread while it is not NATS_UP */
	bool bare; /* the stream no longer has the tree */
	struct nats_items items; /* in their order; owned */
};

struct nats_session {
	LIST_ENTRY(nats_session) of_all;
	/* constant after nats_session_start() */
	struct nats_settings settings;
	char *prefix; /* owned */
	bool create;
	uint64_t check_ns; /* how often to look whether the stream has the trees; 0: never */
	struct nats_lane *lanes; /* owned */
	uint32_t lane_count;
	int wake_fd; /* eventfd: the loop has to look; owned */
	/* protected by the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the thread has to look */
	unsigned refs;
	bool quit, lost; /* lost: the connection is closed */
	enum nats_state state;
	uint64_t serial; /* of the connection, in this process */
	struct nats_items queue; /* to publish, in order */
	size_t unresolved, bytes; /* messages of all lanes */
	size_t in_flight; /* published, and not answered */
	bool proved; /* a message was acknowledged on this connection */
	bool refused; /* a message was not: nothing more is published on this connection */
	int64_t max_payload;
	char url[200]; /* of the connection */
	char why[NATS_WHY_MAX];
	/* the thread's */
	natsConnection *nc;
	jsCtx *js;
};

/* Takes over the settings. Returns 0, -errno. */
int nats_session_create(struct nats_settings *settings, uint32_t lanes, struct nats_session **ret);
void nats_session_unref(struct nats_session *session);

/* The loop: drops all messages after a failure. The lock is held. */
void nats_session_reset(struct nats_session *session);
/* The loop: appends a message, which belongs to the session then. The lock is held. */
void nats_session_put(struct nats_session *session, struct nats_item *item);
/* The loop: removes the first message of a lane and frees it. The lock is held. */
void nats_session_pop(struct nats_session *session, struct nats_lane *lane);
void nats_session_wake_loop(struct nats_session *session);

/* ---- connections by number: a callback of libnats may come after its session ---- */

/* Gives the next connection its number, and returns it. The lock is not held. */
uint64_t nats_session_renumber(struct nats_session *session);
/* Returns the session whose current connection has this number, locked and with a reference; NULL:
 * no session has it. nats_session_leave() ends the use. */
struct nats_session *nats_session_enter(uint64_t serial);
void nats_session_leave(struct nats_session *session);

/* ---- worker.c ---- */

/* Starts the thread, which has a reference of its own. Returns 0, -errno. */
int nats_worker_start(struct nats_session *session, pthread_t *ret);
/* Ends the thread; waits a moment for it at most. */
void nats_worker_stop(struct nats_session *session, pthread_t thread);

#endif
