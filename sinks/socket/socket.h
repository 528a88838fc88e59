/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket sink: any number of subscribers, each with its own cursors. Parts:
 *
 *	options.c     the options of the configuration
 *	peer.c        the name of a peer, and whether it is admitted
 *	listener.c    accepts connections
 *	connector.c   opens connections
 *	feed.c        the events of one share for one receiver
 *	batch.c       events that are encoded once for several subscribers
 *	stream.c      the two formats, with a common interface
 *	secret.c      the proof of a peer that it has the secret
 *	subscriber.c  one connection: its phases and output; request.c: its requests
 *	sync.c        barriers that subscribers ask for
 *	where.c       finds a path of the host in the shares
 *	multicast.c   netlink groups, which have no connections
 *
 * Everything runs on the host's loop thread.
 */
#ifndef SOCKET_H
#define SOCKET_H

#include <hostwatch/address.h>
#include <hostwatch/auth.h>
#include <hostwatch/filter.h>
#include <hostwatch/listen.h>
#include <hostwatch/plugin.h>
#include <hostwatch/wire.h>
#include <sys/queue.h>
#include <sys/types.h>

#define ADDRESSES_MAX 64u /* addresses of listen, and of connect */
#define UIDS_MAX 256u
#define SUBSCRIBERS_MAX 16384u
#define SNAPSHOTS_MAX 8u /* open at a time; further subscribers wait */
#define SNAPSHOTS_PEER_MAX (SNAPSHOTS_MAX / 2) /* of them, by one peer */
#define SNAPSHOT_WINDOW_NS (10 * HW_SEC) /* in which a reader must accept ... */
#define SNAPSHOT_WINDOW_BYTES (320u << 10) /* ... this much of its snapshot */
#define CLOSING_NS (5 * HW_SEC) /* time for a peer to read the error that ends its connection */
#define INPUT_TOTAL_MAX (8u << 20) /* total bytes of unfinished requests of all subscribers */
#define INPUT_PEER_MAX (INPUT_TOTAL_MAX / 2) /* the same, of one peer */
#define TURN_BYTES (256u << 10) /* bytes for one subscriber before others are served */
#define BATCHES 4u /* that are kept for other subscribers: those of a turn */

struct listener;
struct connector;
struct multicast;
struct subscriber;

/* The barriers of a share. Requests that arrive while one runs share the next one. */
struct barriers {
	uint64_t begun, ended; /* numbers of them; equal: none is running */
	uint64_t seq; /* the result of the last one */
};

/* The events of a share after event `after` up to event `last`, encoded. */
struct batch {
	uint32_t references; /* of the sink, and of subscribers whose sockets were full */
	uint32_t share;
	uint64_t epoch, after, last;
	struct hw_buf bytes; /* empty: no batch */
};

enum format { FORMAT_JSON, FORMAT_NETLINK }; /* in the order of the option's choices */

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
	const char *listen, *connect, *mode, *group, *allow_uid, *allow_cid, *secret_path;

	/* set by open() */
	struct hw_address *listen_on, *connect_to; /* owned */
	uint32_t listen_count, connect_count;
	bool in_runtime_dir; /* some of the paths were relative */
	uid_t *uids; /* owned */
	uint32_t uid_count; /* 0: any uid */
	uint32_t *cids; /* owned */
	uint32_t cid_count; /* 0: any CID */
	mode_t socket_mode;
	gid_t socket_group; /* (gid_t)-1: unchanged */
	struct hw_secret *secret; /* owned; NULL: peers need no proof */

	/* set by start() */
	const struct stream *stream; /* static */
	struct hw_nl_writer *writer; /* owned */
	struct hw_buf scratch; /* a batch, between encoding and sending */
	struct batch *batches[BATCHES]; /* shared; NULL: none yet */
	uint32_t next_batch; /* the oldest one */
	size_t batch_bytes; /* of each, at most about as many */
	struct hw_json_head head; /* of the last line that was encoded */
	struct hw_share_info *shares; /* owned: as last refreshed */
	uint32_t share_count;
	struct barriers *barriers; /* owned: one for each share */
	struct listener *listeners; /* owned: listen_count of them */
	struct connector *connectors; /* owned: connect_count of them */
	struct multicast *multicasts; /* owned: listen_count of them; unused ones are zero */
	TAILQ_HEAD(subscriber_list, subscriber) subscribers; /* owned; the oldest first */
	LIST_HEAD(peer_list, peer) peers; /* owned: those of the subscribers */
	uint32_t accepted; /* subscribers that connected to a listener */
	uint32_t snapshots; /* number of open snapshots */
	size_t input_bytes; /* total bytes of unfinished requests */
	uint64_t unproved; /* number of peers refused for a wrong or missing proof */
	char secret_state[64]; /* for status */
	struct hw_timer *kick; /* owned: pumps feeds that wait for a snapshot, or were interrupted
				* for others */
};

/* Updates the information about the share: its epoch, state and newest event. */
void hw_sink_refresh(struct socket_sink *sink, uint32_t share);
/* Updates the information about all shares. */
void hw_sink_refresh_all(struct socket_sink *sink);
/* Schedules a pump of every receiver that waits for something other than its socket. */
void hw_sink_kick(struct socket_sink *sink);

static inline void hw_sink_drop_timer(struct socket_sink *sink, struct hw_timer *timer)
{
	if (timer)
		sink->host->timer_del(sink->ctx, timer);
}

/* ---- peer.c ---- */

#define PEER_NAME_MAX 96

/* Returns the user of the process that connected; false unless it is a unix socket. */
bool hw_peer_credentials(int fd, struct ucred *ret);
/* Writes a name such as "unix pid 12 uid 1000", "tcp 127.0.0.1:4242", "vsock 3:1024". */
void hw_peer_name(int fd, char name[PEER_NAME_MAX]);
/*
 * A user (unix), an internet address, or a CID (vsock), with what it holds of the resources that
 * subscribers share. One peer cannot keep the others from being served.
 */
struct peer {
	LIST_ENTRY(peer) link;
	char key[PEER_NAME_MAX];
	uint32_t references; /* subscribers */
	uint32_t accepted; /* of them, those that connected to a listener */
	uint32_t snapshots; /* open */
	size_t input_bytes; /* of unfinished requests */
};

/* Returns the peer of this connection with another reference, NULL without memory. */
struct peer *hw_peer_get(struct socket_sink *sink, int fd);
void hw_peer_put(struct peer *peer); /* NULL is allowed */
/* Returns the peer with the most accepted connections; NULL if there is none. */
struct peer *hw_peer_largest(struct socket_sink *sink);

/* Returns NULL, or why allow_uid or allow_cid does not admit the peer. An empty list admits every
 * peer; otherwise a peer without a uid is rejected. allow_cid concerns vsock only. */
const char *hw_peer_fault(const struct socket_sink *sink, int fd);

/* ---- stream.c ---- */

struct request {
	enum { REQUEST_ASK = 1, REQUEST_PING, REQUEST_PONG, REQUEST_UNKNOWN } what;
	struct hw_ask ask;
	const char *text; /* of a ping; may be NULL */
};

/* One of the formats. Writers append to the buffer as the functions of <hostwatch/wire.h> do. */
struct stream {
	int (*put_hello)(struct socket_sink *sink, struct hw_buf *buf);
	int (*put_event)(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
			 const struct hw_event *event);
	/* `several`: the subscriber did not name a share. */
	int (*put_snapshot_end)(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
				bool several, uint64_t seq);
	int (*put_resumed_end)(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
			       bool several, uint64_t seq);
	int (*put_synced)(struct socket_sink *sink, struct hw_buf *buf, const char *text,
			  const struct hw_share_info *info);
	int (*put_place)(struct socket_sink *sink, struct hw_buf *buf, uint32_t share,
			 const char *path, uint32_t len);
	int (*put_error)(struct socket_sink *sink, struct hw_buf *buf, int error, const char *text);
	int (*put_pong)(struct socket_sink *sink, struct hw_buf *buf, const char *text);
	/* Parses the first request in these bytes, which it may modify. Returns its length, 0 if it
	 * is incomplete, or -errno and a static text if it is invalid. Pointers in ret point into
	 * the bytes. */
	int (*read)(char *bytes, size_t len, struct request *ret, const char **ret_error);
};
extern const struct stream hw_stream_json, hw_stream_netlink;

/* ---- listener.c ---- */

struct listener {
	struct socket_sink *sink; /* borrowed */
	const struct hw_address *address; /* borrowed from sink->listen_on */
	struct hw_listening on; /* owned */
	struct hw_io *io; /* owned */
	struct hw_timer *pause; /* owned: after a failed accept */
	uint64_t pause_ns; /* the last pause; 0 after a connection was accepted */
};

/* Listens. On failure, the reason is in the host's fail(). */
int hw_listener_start(struct listener *listener, struct socket_sink *sink,
		      const struct hw_address *address);
void hw_listener_stop(struct listener *listener); /* accepts a zeroed one */
/* Whether connections wait because subscribers have all descriptors that they may have. */
bool hw_listener_is_short(const struct listener *listener);

/* ---- options.c ---- */

/* Parses the option strings into the fields that the sink uses, and checks them against each other.
 * On failure, the reason is in the host's fail(). Creates no kernel object. */
int hw_options_parse(struct socket_sink *sink);
void hw_options_free(struct socket_sink *sink);

/* ---- connector.c ---- */

struct connector {
	struct socket_sink *sink; /* borrowed; NULL if unused */
	const struct hw_address *address; /* borrowed from sink->connect_to */
	int fd; /* owned while connecting, else -1 */
	struct hw_io *io; /* owned while connecting */
	struct hw_timer *timer; /* owned: expires at the next attempt */
	struct subscriber *subscriber; /* borrowed from the list, while connected */
	uint64_t wait_ns; /* before the next attempt */
	uint64_t since_ns; /* time of the connection */
	bool told; /* the failure was logged */
	int error; /* errno of the last attempt, 0: no failure since the last connection */
};

int hw_connector_start(struct connector *connector, struct socket_sink *sink,
		       const struct hw_address *address);
void hw_connector_stop(struct connector *connector); /* accepts a zeroed one */
/* Returns a few words for status. */
const char *hw_connector_state(const struct connector *connector);
/* Called when the connector's subscriber is destroyed: schedules another attempt. */
void hw_connector_lost(struct connector *connector);

/* ---- feed.c ---- */

/* The feed of one share to one receiver. */
struct feed {
	uint32_t share;
	struct peer *peer; /* borrowed from the subscriber; NULL: a group, which has no snapshots */
	bool wants_snapshot; /* requested, but not open yet */
	bool owes_rescan; /* a rescan must be sent first */
	bool several; /* the receiver did not name a share */
	struct hw_cursor *cursor; /* owned */
	struct hw_snapshot *snapshot; /* owned: while it is being sent */
	uint64_t snapshot_seq;
	int64_t snapshot_ns; /* CLOCK_REALTIME when it was opened */
	uint64_t seq; /* of the last event encoded */
	uint64_t done_seq; /* of the last event that the socket accepted */
	uint64_t told; /* resume: the receiver already has the first half of this event; 0: no such
			* event */
	bool resuming; /* the end of the resume was not sent yet: it follows event resume_to */
	uint64_t resume_to;
	uint64_t sync; /* number of the barrier that the receiver waits for; 0: none */
	bool synced; /* that barrier has ended: its answer follows event sync_to */
	uint64_t sync_to;
	char *sync_text; /* owned by the receiver */
	uint64_t dropped; /* number of rescans sent because events were lost */
	uint64_t lost; /* number of these events, if known */
};

/* The part of the share to send. Pointers are borrowed from the receiver. */
struct feed_filter {
	const char *below; /* NULL: everything */
	uint32_t below_len;
	uint32_t events; /* bits 1 << enum hw_kind; 0: all */
	const struct hw_filter *exclude; /* NULL: nothing */
};

/* Starts after the newest event. Returns 0 or -ENOMEM. */
int hw_feed_init(struct socket_sink *sink, struct feed *feed, uint32_t share);
/* Starts after event `after` of `epoch`. If the journal no longer has the following events, starts
 * after the newest event, with a rescan. */
int hw_feed_resume(struct socket_sink *sink, struct feed *feed, uint64_t epoch, uint64_t after,
		   bool filtered);
void hw_feed_fini(struct socket_sink *sink, struct feed *feed);
/* Appends messages to buf until it contains `limit` bytes or there are no more. Returns 1: there
 * may be more; 0: nothing until ready() or, for a feed that waits for a snapshot, the timer;
 * -errno. */
int hw_feed_pull(struct socket_sink *sink, struct feed *feed, const struct feed_filter *filter,
		 struct hw_buf *buf, size_t limit);
/* Returns whether only events are due. */
bool hw_feed_is_plain(const struct feed *feed);
/* Appends all events as they are until buf contains `limit` bytes, there are no more, or a rescan
 * is due. Returns 1: there may be more; 0; -errno. */
int hw_feed_pull_events(struct socket_sink *sink, struct feed *feed, struct hw_buf *buf,
			size_t limit);
/* Continues after event `to`: the events up to it are pulled. The information about the share must
 * be up to date. On failure, the feed stays. Returns 0; -ESTALE if the journal does not hold the
 * events that follow; -ENOMEM. */
int hw_feed_skip(struct socket_sink *sink, struct feed *feed, uint64_t epoch, uint64_t to);
/* Call this after the pulled messages were sent. */
void hw_feed_done(struct socket_sink *sink, struct feed *feed);
/* Reports a receiver for status. */
void hw_feed_status(struct socket_sink *sink, const struct feed *feed, const char *name);

/* ---- batch.c ---- */

/* Encodes the next batch of a live subscriber, or finds what was encoded for another one. Returns
 * 1; 0 if the subscriber cannot share one now, or has all events; -errno. The batch is borrowed
 * until the next call. */
int hw_batch_next(struct subscriber *s, struct batch **ret);
void hw_batch_put(struct batch *batch); /* drops a reference; NULL is allowed */
void hw_batches_init(struct socket_sink *sink);
void hw_batches_free(struct socket_sink *sink);

/* ---- subscriber.c ---- */

enum phase {
	PHASE_AUTH, /* the peer must prove that it has the secret */
	PHASE_HELLO, /* hello was sent; a request may follow */
	PHASE_LIVE, /* events are being sent */
	PHASE_CLOSING, /* only queued bytes are sent */
};

struct subscriber {
	TAILQ_ENTRY(subscriber) link;
	struct peer *peer; /* shared with the other connections of the same user or machine */
	struct socket_sink *sink; /* borrowed */
	struct connector *connector; /* borrowed; NULL: the peer connected to a listener */
	enum phase phase;
	int fd; /* owned */
	struct hw_io *io; /* owned */
	struct hw_timer *timer; /* owned: ends the phase, or a window of a snapshot */
	bool in_window; /* a window has begun */
	size_t window_bytes; /* accepted by the socket in this window */
	bool waited; /* hello_wait has expired */
	bool asked; /* a request has selected the events */
	struct hw_auth auth;
	uint64_t wait_ns; /* the last wait for the peer to read hello */
	struct hw_buf in; /* an unfinished request */
	struct batch *rest; /* shared: the socket did not accept all of it; NULL: it did */
	size_t rest_at; /* the first byte that it did not accept */
	struct hw_buf out; /* bytes that the socket did not accept, after those of the rest */
	struct feed *feeds; /* owned: all shares, later only the subscribed ones */
	uint32_t feed_count;
	uint32_t next_feed; /* the feed with which pulling continues */
	char *below; /* owned; NULL: everything */
	uint32_t below_len;
	uint32_t events; /* bits 1 << enum hw_kind; 0: all */
	struct hw_filter exclude; /* owned */
	uint32_t syncing; /* feeds that wait for a barrier; no request is read meanwhile */
	bool held; /* requests were received that are not handled for this reason */
	char sync_text[HW_SYNC_MAX + 1];
	char name[PEER_NAME_MAX];
};

/* Takes over the connected, non-blocking fd (closed also on failure). Sends hello, or asks for the
 * proof first. connector may be NULL. */
int hw_subscriber_create(struct socket_sink *sink, int fd, struct connector *connector,
			 struct subscriber **ret);
/* Makes room for a connection of this peer, if another peer has at least two connections more.
 * Disconnects the newest one of those. Returns false if there is no such peer. */
bool hw_subscriber_displace(struct socket_sink *sink, const struct peer *newcomer);
void hw_subscriber_destroy(struct subscriber *s);
/* Sends available data, at most about `bytes`, as far as the socket accepts it. Returns 1 while
 * bytes are queued; -ECONNRESET if it destroyed the subscriber. */
int hw_subscriber_pump(struct subscriber *s, size_t bytes);
/* Returns whether bytes are queued. */
static inline bool hw_subscriber_has_output(const struct subscriber *s)
{
	return s->rest || s->out.len;
}
/* Has hw_subscriber_pump() called as soon as the socket accepts bytes. */
void hw_subscriber_wake(struct subscriber *s);
/* Opens the feeds and sends hello. Returns -errno if the connection failed. */
int hw_subscriber_greet(struct subscriber *s);
/* Sends the bytes after those that are queued. Returns 0; 1: some are queued; -errno. */
int hw_subscriber_send(struct subscriber *s, const struct hw_buf *buf);
/* Sends the error as the last message. May destroy the subscriber. */
void hw_subscriber_refuse(struct subscriber *s, int error, const char *text);
/* Returns the feed of this share, NULL if the subscriber is not live or subscribed to another
 * share. */
struct feed *hw_subscriber_feed(struct subscriber *s, uint32_t share);

/* ---- request.c ---- */

/* Reads and handles requests of the peer. Returns -ECONNRESET if it destroyed the subscriber. */
int hw_subscriber_input(struct subscriber *s);
/* Removes bytes at the start of the input. */
void hw_subscriber_drop_input(struct subscriber *s, size_t len);
/* Starts to send the events that follow the hello. May destroy the subscriber. */
void hw_subscriber_go_live(struct subscriber *s);

/* Refuses a request: sends the reason and ends the connection. Always returns -ECONNRESET. */
int hw_subscriber_reject(struct subscriber *s, int error, const char *text);

/* ---- sync.c ---- */

/* Begins a barrier for every feed of the subscriber, or joins the next one. Returns -errno. */
int hw_sync_begin(struct subscriber *s, const char *text);
/* A barrier of this share has ended. */
void hw_sync_ended(struct socket_sink *sink, uint32_t share, uint64_t seq);
/* Appends the answer if it is due: `drained`, no event is left in the journal. Returns 1 if it did,
 * 0, -errno. */
int hw_sync_answer(struct socket_sink *sink, struct feed *feed, struct hw_buf *buf, bool drained);
/* Counts the feeds that still wait. */
void hw_sync_count(struct subscriber *s);

/* ---- where.c ---- */

/* Answers a where request. Returns 0, or -errno with the text for the peer. */
int hw_where_answer(struct subscriber *s, const struct hw_ask *ask, const char **ret_error);

/* ---- secret.c ---- */

/* Asks the peer for its proof. Returns -errno if the connection failed. */
int hw_subscriber_ask_proof(struct subscriber *s);
/* Handles the input in PHASE_AUTH. Returns -ECONNRESET if it destroyed the subscriber. */
int hw_subscriber_take_proof(struct subscriber *s);
/* Returns a few words for status, "" without a secret. */
const char *hw_secret_state(struct socket_sink *sink);

/* ---- multicast.c ---- */

struct multicast {
	struct socket_sink *sink; /* borrowed; NULL if unused */
	const struct hw_address *address; /* borrowed */
	int fd; /* owned */
	struct feed *feeds; /* owned: one for each share */
};

int hw_multicast_start(struct multicast *multicast, struct socket_sink *sink,
		       const struct hw_address *address);
void hw_multicast_stop(struct multicast *multicast); /* accepts a zeroed one */
void hw_multicast_pump(struct multicast *multicast);

#endif
