/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The virtiofs sink: one share, one channel, one guest. These layers share the instance:
 *
 *	channel.c  addresses and sockets
 *	link.c     keeps one connection: retries, accepts, the VMM's handshake, deadlines
 *	peers.c    accepted connections that have not yet shown to be the guest
 *	secret.c   the proof of the guest that it has the secret
 *	session.c  its messages: hello, resume, events from the journal
 *
 * Everything runs on the host's loop thread.
 */
#ifndef VIRTIOFS_H
#define VIRTIOFS_H

#include "channel.h"
#include "output.h"
#include <hostwatch/auth.h>
#include <hostwatch/frame.h>
#include <hostwatch/plugin.h>

#define INPUT_BYTES 1024u /* a guest sends nothing longer than a hello */
_Static_assert(INPUT_BYTES > HW_FRAME_HELLO_MAX, "a hello fits");

enum link_state {
	LINK_DOWN, /* no connection; the timer or the listening socket opens one */
	LINK_CONNECTING, /* connect() is pending */
	LINK_HANDSHAKE, /* hybrid-vsock: CONNECT was sent, OK is expected */
	LINK_UP, /* the session is active */
};

struct link {
	enum link_state state;
	int fd; /* owned; -1 while DOWN */
	struct hw_listening on; /* owned; closed if the host connects */
	bool is_socket; /* otherwise another kind of descriptor, passed by the service manager */
	bool spent; /* the descriptor of fd:NAME failed, and cannot be opened again */
	struct hw_io *io; /* owned */
	struct hw_io *listen_io; /* owned */
	struct hw_timer *timer; /* owned: retry while DOWN, deadline otherwise */
	uint64_t retry_ns; /* the last wait, 0 before the first */
	uint64_t live_ns; /* time of the guest's hello on this connection */
	char said[200]; /* the reason that was logged last, which is not repeated */
	unsigned char input[INPUT_BYTES];
	size_t input_len;
};

/* A connection to a channel that listens, until its peer has proved that it has the secret, or has
 * sent hello where no secret is set. Each has its own time. */
#define PEERS_MAX 8u
struct peer {
	struct virtiofs *sink; /* borrowed; NULL: this place is free */
	int fd; /* owned */
	struct hw_io *io; /* owned */
	struct hw_timer *timer; /* owned: its deadline */
	uint64_t who; /* the user or CID or internet address, as far as it is known */
	uint64_t number; /* of the connection */
	struct hw_auth auth;
	bool greeted; /* hello was sent to it, with the next two */
	uint64_t epoch, hello_seq;
	unsigned char input[INPUT_BYTES];
	size_t input_len;
};

struct session {
	bool live; /* the guest has sent hello on this connection */
	bool owe_hello; /* hello must be sent first */
	bool owe_start; /* the cursor must be opened at resume_* */
	bool owe_rescan; /* a rescan must precede the next event */
	uint64_t epoch; /* of the last hello that was sent */
	uint64_t hello_seq; /* sequence number in that hello */
	uint64_t resume_epoch; /* position of the guest */
	uint64_t resume_seq;
	struct hw_cursor *cursor; /* owned; NULL until started */
	uint64_t queued_seq; /* of the last event in the output buffer or sent */
	uint64_t dropped; /* number of rescans sent because events were lost */
	uint64_t lost; /* number of these events, if known */
};

struct virtiofs {
	const struct hw_host *host; /* borrowed from open() to close() */
	void *ctx;

	const char *share_option;
	const char *channel_option;
	const char *mode_option;
	const char *secret_option;
	uint32_t listen_option;
	uint32_t allow_remote;
	uint64_t notify_code;
	uint64_t send_buffer_bytes;
	uint64_t hello_timeout_ns;

	bool opened;
	bool in_runtime_dir; /* the channel's path was relative */
	mode_t mode;
	uint32_t share; /* its index */
	const char *share_name; /* borrowed from the host until close() */
	char label[128]; /* the channel, printable */
	struct channel channel;
	struct hw_secret *secret; /* owned; NULL: the guest needs no proof */
	struct hw_auth auth;
	uint64_t unproved; /* number of connections refused for a wrong or missing proof */
	struct link link;
	struct peer peers[PEERS_MAX];
	uint64_t peer_count; /* connections accepted so far */
	struct session session;
	struct output output;
};

/* Listens or begins to connect. Returns only permanent errors, with the reason in fail(). */
int hw_link_start(struct virtiofs *v);
void hw_link_stop(struct virtiofs *v);

/*
 * Closes the connection, ends the session, and prepares for the next connection: at once if the
 * peer only disconnected (`calm`), after a wait that doubles each time if the peer made an error.
 * Logs the reason unless it is the same as before.
 */
void hw_link_drop(struct virtiofs *v, bool calm, const char *format, ...) HW_PRINTF(3, 4);

/* The guest has sent hello: removes the deadline. */
void hw_link_live(struct virtiofs *v);

/* Another guest may be at the other end of the same connection: sets the deadline for its hello. */
void hw_link_restart(struct virtiofs *v);

/* Watches the socket for output in addition to input. */
void hw_link_want_write(struct virtiofs *v, bool on);

/* Serves this peer, which is the guest; another one that has not sent hello gives way. Takes over
 * its descriptor. */
void hw_link_take(struct virtiofs *v, const struct peer *peer);

/* Logs the reason why a connection ended, unless it is the same as before. */
void hw_link_say(struct virtiofs *v, bool calm, const char *text);

/* ---- peers.c ---- */

/* Takes over a connection. If there are too many, the oldest one of the user or guest who has the
 * most is closed. */
void hw_peers_add(struct virtiofs *v, int fd);
/* The share has begun, or has another epoch. */
void hw_peers_ready(struct virtiofs *v);
void hw_peers_close(struct virtiofs *v);

/* ---- secret.c ---- */

/* Returns the reason for an error of hw_auth_take(), whose own one is `why`. */
const char *hw_secret_explain(const struct virtiofs *v, int error, const unsigned char *input,
			      size_t len, const char *why);

/* Reads the file of the option. On failure, the reason is in the host's fail_option(). */
int hw_secret_open(struct virtiofs *v);
/* Asks the guest for its proof on a new connection. */
void hw_secret_ask(struct virtiofs *v);
/* Handles the input in link.input until the guest has proved that it has the secret. Returns
 * whether it has; otherwise more input is needed, or the link is down. */
bool hw_secret_input(struct virtiofs *v);
static inline bool hw_secret_is_proved(const struct virtiofs *v)
{
	return !v->secret || v->auth.state == HW_AUTH_DONE;
}

/* ---- session.c ---- */

/* Called when a connection is open. */
void hw_session_begin(struct virtiofs *v);
/* Starts over on the same connection, with a guest that has not sent hello. */
void hw_session_restart(struct virtiofs *v);
void hw_session_end(struct virtiofs *v);
/* Begins with a peer that was perhaps sent hello. */
void hw_session_take(struct virtiofs *v, const struct peer *peer);

/* Encodes the hello of the host. Returns its length, and its epoch and sequence number; 0: the
 * share has not started; ready() follows. */
int hw_session_encode_hello(struct virtiofs *v, unsigned char buf[HW_FRAME_HELLO_MAX],
			    uint64_t *ret_epoch, uint64_t *ret_seq);
/* Returns the length of the hello that the input of a guest begins with, 0 if it is incomplete, or
 * -EBADMSG and a reason. */
int hw_session_look(const struct virtiofs *v, const unsigned char *input, size_t len,
		    struct hw_frame *ret, const char **ret_why);

/* Reads frames from link.input. Returns their number; the link may be down afterwards. */
int hw_session_input(struct virtiofs *v);

/* Fills the output from the journal and sends as much as the guest accepts. Returns whether
 * something is left to send. The link may be down afterwards. */
bool hw_session_pump(struct virtiofs *v);

#endif
