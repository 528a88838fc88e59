/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket sink: any number of subscribers, each behind its own cursors. Parts:
 *
 *	options.c     all that the configuration says
 *	peer.c        who a peer is, and whether it may
 *	listener.c    who connects to us; unix.c: the files of unix sockets
 *	connector.c   whom we connect to
 *	feed.c        one share on its way to one receiver
 *	stream.c      the two formats behind one table
 *	subscriber.c  one connection: its phases and output; request.c: what it asks for
 *	multicast.c   netlink groups, which have no connections
 *
 * Everything runs on the host's loop thread.
 */
#ifndef SOCKET_H
#define SOCKET_H

#include <hostwatch/address.h>
#include <hostwatch/plugin.h>
#include <hostwatch/wire.h>
#include <sys/queue.h>
#include <sys/types.h>

#define ADDRESSES_MAX 64u /* of listen, and of connect */
#define UIDS_MAX 256u
#define SUBSCRIBERS_MAX 16384u
#define SNAPSHOTS_MAX 8u /* open at a time; more subscribers wait for their turn */
#define SNAPSHOT_STALL_NS (10 * HW_SEC) /* a snapshot that its reader does not take for so long */
#define CLOSING_NS (5 * HW_SEC) /* for a peer to take the error that ends its connection */
#define INPUT_TOTAL_MAX (8u << 20) /* bytes of unfinished requests of all subscribers */
#define TURN_BYTES (256u << 10) /* for one subscriber, before others have their turn */

struct listener;
struct connector;
struct multicast;
struct subscriber;

enum format { FORMAT_JSON, FORMAT_NETLINK }; /* in the order of the option's choices */

/* Log lines that a peer can cause: one a second, and how many were left out. */
struct log_limit {
	uint64_t last_ns;
	uint64_t left_out;
};

struct socket_sink {
	const struct hw_host *host; /* borrowed from open() to close(), as is ctx */
	void *ctx;

	/* options, written by the host */
	uint32_t format;
	uint32_t allow_remote;
	uint64_t max_subscribers;
	uint64_t send_buffer;
	uint64_t hello_wait_ns;
	uint64_t handshake_timeout_ns;
	const char *listen, *connect, *mode, *group, *allow_uid;

	/* what open() made of them */
	struct hw_address *listen_on, *connect_to; /* owned */
	uint32_t listen_count, connect_count;
	bool in_runtime_dir; /* some paths were relative */
	uid_t *uids; /* owned */
	uint32_t uid_count; /* 0: any */
	mode_t socket_mode;
	gid_t socket_group; /* (gid_t)-1: unchanged */

	/* what start() made */
	const struct stream *stream; /* static */
	struct hw_nl_writer *writer; /* owned */
	struct hw_buf scratch; /* a batch, between encoding and send() */
	struct hw_share_info *shares; /* owned: as of the last look */
	uint32_t share_count;
	struct listener *listeners; /* owned: listen_count of them */
	struct connector *connectors; /* owned: connect_count of them */
	struct multicast *multicasts; /* owned: listen_count of them, unused ones zero */
	LIST_HEAD(subscriber_list, subscriber) subscribers; /* owned */
	uint32_t accepted; /* subscribers that connected to us */
	uint32_t snapshots; /* open */
	size_t input_bytes; /* of unfinished requests */
	struct hw_timer *kick; /* owned: pumps those who wait for a snapshot or a turn */
	struct log_limit refusals, failures;
};

/* Formatted by the caller's format; dropped and counted when one was logged within the last second.
 */
void hw_sink_log_limited(struct socket_sink *sink, struct log_limit *limit, const char *format, ...)
	HW_PRINTF(3, 4);
/* Looks at the share again: its epoch, state and newest event. */
void hw_sink_refresh(struct socket_sink *sink, uint32_t share);
/* The same for all of them. */
void hw_sink_refresh_all(struct socket_sink *sink);
/* Soon pumps every receiver that waits for something but its socket. */
void hw_sink_kick(struct socket_sink *sink);

static inline void hw_sink_drop_timer(struct socket_sink *sink, struct hw_timer *timer)
{
	if (timer)
		sink->host->timer_del(sink->ctx, timer);
}

/* ---- peer.c ---- */

#define PEER_NAME_MAX 96

/* "unix pid 12 uid 1000", "tcp 127.0.0.1:4242", "vsock 3:1024". */
void hw_peer_name(int fd, char name[PEER_NAME_MAX]);
/* Whether allow_uid admits the other end. Any is admitted when the list is empty; nobody who has no
 * uid otherwise. */
bool hw_peer_allowed(const struct socket_sink *sink, int fd);

/* ---- stream.c ---- */

struct request {
	enum { REQUEST_SUBSCRIBE = 1, REQUEST_PING, REQUEST_PONG, REQUEST_UNKNOWN } what;
	struct hw_subscribe subscribe;
	const char *text; /* of a ping; may be NULL */
};

/* A format. Writers append to the buffer as those of <hostwatch/wire.h> do. */
struct stream {
	int (*put_hello)(struct socket_sink *sink, struct hw_buf *buf);
	int (*put_event)(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
			 const struct hw_event *event);
	/* `several`: the subscriber did not name a share. */
	int (*put_snapshot_end)(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
				bool several, uint64_t seq);
	int (*put_error)(struct socket_sink *sink, struct hw_buf *buf, int error, const char *text);
	int (*put_pong)(struct socket_sink *sink, struct hw_buf *buf, const char *text);
	/* The first request in these bytes, which it may change: its length, 0 while it is
	 * unfinished, -errno and static text when it is bad. Pointers in ret are into the bytes. */
	int (*read)(char *bytes, size_t len, struct request *ret, const char **ret_error);
};
extern const struct stream hw_stream_json, hw_stream_netlink;

/* ---- listener.c ---- */

struct listener {
	struct socket_sink *sink; /* borrowed */
	const struct hw_address *address; /* borrowed from sink->listen_on */
	int fd; /* owned; -1 when closed */
	struct hw_io *io; /* owned */
	struct hw_timer *pause; /* owned: after a failed accept */
	uint64_t pause_ns; /* the last one */
	dev_t dev; /* of the unix socket's file, to remove no other */
	ino_t ino;
};

/* Listens. Errors as the host's fail() keeps them. */
int hw_listener_start(struct listener *listener, struct socket_sink *sink,
		      const struct hw_address *address);
void hw_listener_stop(struct listener *listener); /* one that is zero is fine */

/* ---- options.c ---- */

/* Makes of the option strings what the sink works with, and checks them against each other. Errors
 * as the host's fail() keeps them. Touches no kernel object. */
int hw_options_parse(struct socket_sink *sink);
void hw_options_free(struct socket_sink *sink);

/* ---- unix.c ---- */

/* A listening unix socket with the configured mode and group; a stale file is removed. */
int hw_unix_listen(struct socket_sink *sink, const struct hw_address *address, int *ret_fd,
		   dev_t *ret_dev, ino_t *ret_ino);
void hw_unix_unlink(const struct hw_address *address, dev_t dev, ino_t ino);

/* ---- connector.c ---- */

struct connector {
	struct socket_sink *sink; /* borrowed; NULL when unused */
	const struct hw_address *address; /* borrowed from sink->connect_to */
	int fd; /* owned while connecting, else -1 */
	struct hw_io *io; /* owned while connecting */
	struct hw_timer *timer; /* owned: the next try */
	struct subscriber *subscriber; /* borrowed from the list, while connected */
	uint64_t wait_ns; /* before the next try */
	uint64_t since_ns; /* when it was connected */
	bool told; /* that it cannot connect */
	int error; /* errno of the last attempt, 0: none has failed since it was connected */
};

int hw_connector_start(struct connector *connector, struct socket_sink *sink,
		       const struct hw_address *address);
void hw_connector_stop(struct connector *connector); /* one that is zero is fine */
/* A few words for status. */
const char *hw_connector_state(const struct connector *connector);
/* The subscriber of this connector is gone: tries again after a while. */
void hw_connector_lost(struct connector *connector);

/* ---- feed.c ---- */

/* One share on its way to one receiver. */
struct feed {
	uint32_t share;
	bool wants_snapshot; /* asked for, not opened yet */
	bool owes_rescan; /* before anything else */
	bool several; /* the receiver did not name a share */
	struct hw_cursor *cursor; /* owned */
	struct hw_snapshot *snapshot; /* owned: while it is being told */
	uint64_t snapshot_seq;
	int64_t snapshot_ns; /* CLOCK_REALTIME when it was opened */
	uint64_t seq; /* of the last event encoded */
	uint64_t done_seq; /* of the last event the socket took */
	uint64_t told; /* resume: of this event the first half was seen already; 0: none */
	uint64_t dropped; /* times it was told rescan */
	uint64_t lost; /* events that were gone then */
};

/* Where and what. below is borrowed from the receiver. */
struct feed_filter {
	const char *below; /* NULL: everything */
	uint32_t below_len;
};

/* Behind the newest event. -ENOMEM. */
int hw_feed_init(struct socket_sink *sink, struct feed *feed, uint32_t share);
/* Behind event `after` of `epoch`; when the journal does not hold what follows it: behind the
 * newest, and owing a rescan. */
int hw_feed_resume(struct socket_sink *sink, struct feed *feed, uint64_t epoch, uint64_t after,
		   bool filtered);
void hw_feed_fini(struct socket_sink *sink, struct feed *feed);
/* Appends messages to buf until it holds `limit` bytes or there are no more. 1: there may be more;
 * 0: none until ready() or, for those that wait for a snapshot, a kick; -errno. */
int hw_feed_pull(struct socket_sink *sink, struct feed *feed, const struct feed_filter *filter,
		 struct hw_buf *buf, size_t limit);
/* What was pulled has been sent. */
void hw_feed_done(struct socket_sink *sink, struct feed *feed);
/* A row of status. */
void hw_feed_status(struct socket_sink *sink, const struct feed *feed, const char *name);

/* ---- subscriber.c ---- */

enum phase {
	PHASE_HELLO, /* hello is sent; a request may come */
	PHASE_LIVE, /* events flow */
	PHASE_CLOSING, /* only what is queued is sent */
};

struct subscriber {
	LIST_ENTRY(subscriber) link;
	struct socket_sink *sink; /* borrowed */
	struct connector *connector; /* borrowed; NULL: it connected to us */
	enum phase phase;
	int fd; /* owned */
	struct hw_io *io; /* owned */
	struct hw_timer *timer; /* owned: what ends the phase, or a stalled snapshot */
	bool waited; /* hello_wait is over */
	bool asked; /* a request decided what it is told */
	uint64_t wait_ns; /* the last wait for it to read hello */
	struct hw_buf in; /* an unfinished request */
	struct hw_buf out; /* what the socket did not take */
	struct feed *feeds; /* owned: all shares, then those subscribed */
	uint32_t feed_count;
	uint32_t next_feed; /* where pulling goes on */
	char *below; /* owned; NULL: everything */
	uint32_t below_len;
	char name[PEER_NAME_MAX];
};

/* Takes the connected, non-blocking fd (closed on failure as well) and says hello. connector may be
 * NULL. */
int hw_subscriber_create(struct socket_sink *sink, int fd, struct connector *connector,
			 struct subscriber **ret);
void hw_subscriber_destroy(struct subscriber *s);
/* Sends what there is and the socket takes, about `bytes` at most. May destroy the subscriber:
 * -ECONNRESET then; 1 while bytes are queued. */
int hw_subscriber_pump(struct subscriber *s, size_t bytes);
/* Sends the error as the last message. May destroy the subscriber. */
void hw_subscriber_refuse(struct subscriber *s, int error, const char *text);
/* The feed of this share, NULL when it is not live or takes another share. */
struct feed *hw_subscriber_feed(struct subscriber *s, uint32_t share);

/* ---- request.c ---- */

/* Reads what the peer sent and does what it asks for. May destroy the subscriber: -ECONNRESET then.
 */
int hw_subscriber_input(struct subscriber *s);
/* Events flow from where hello said. May destroy the subscriber. */
void hw_subscriber_go_live(struct subscriber *s);

/* ---- multicast.c ---- */

struct multicast {
	struct socket_sink *sink; /* borrowed; NULL when unused */
	const struct hw_address *address; /* borrowed */
	int fd; /* owned */
	struct feed *feeds; /* owned: one for each share */
};

int hw_multicast_start(struct multicast *multicast, struct socket_sink *sink,
		       const struct hw_address *address);
void hw_multicast_stop(struct multicast *multicast); /* one that is zero is fine */
void hw_multicast_pump(struct multicast *multicast);

#endif
