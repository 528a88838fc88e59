/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The virtiofs sink: one share, one channel, one guest. Three layers share the instance:
 *
 *	channel.c  addresses and sockets
 *	link.c     keeps one connection: retries, accepts, the VMM's handshake, deadlines
 *	session.c  what is said on it: hello, resume, events from the journal
 *
 * Everything runs on the host's loop thread.
 */
#ifndef VIRTIOFS_H
#define VIRTIOFS_H

#include "channel.h"
#include "output.h"
#include <hostwatch/frame.h>
#include <hostwatch/plugin.h>

#define INPUT_BYTES 1024u /* a guest sends nothing longer than a hello */
_Static_assert(INPUT_BYTES > HW_FRAME_HELLO_MAX, "a hello fits");

enum link_state {
	LINK_DOWN, /* no connection; the timer or the listening socket brings one */
	LINK_CONNECTING, /* connect() is under way */
	LINK_HANDSHAKE, /* hybrid-vsock: CONNECT is sent, OK is awaited */
	LINK_UP, /* the session talks */
};

struct link {
	enum link_state state;
	int fd; /* owned; -1 while DOWN */
	int listen_fd; /* owned; -1 where we connect */
	int file_fd; /* owned: of the socket file, -1 while there is none */
	bool is_socket; /* else something that the service manager handed over */
	bool spent; /* the descriptor of fd:NAME broke, and cannot be opened again */
	struct hw_io *io; /* owned */
	struct hw_io *listen_io; /* owned */
	struct hw_timer *timer; /* owned: retry while DOWN, deadline otherwise */
	uint64_t retry_ns; /* the last wait, 0 before the first */
	uint64_t live_ns; /* when the guest said hello on this connection */
	char said[200]; /* the reason that was logged last: not repeated */
	unsigned char input[INPUT_BYTES];
	size_t input_len;
};

struct session {
	bool live; /* the guest said hello on this connection */
	bool owe_hello; /* to be sent before anything else */
	bool owe_start; /* the cursor is to be opened at resume_* */
	bool owe_rescan; /* to be sent before the next event */
	uint64_t epoch; /* of the hello sent last */
	uint64_t hello_seq; /* the same */
	uint64_t resume_epoch; /* what the guest has seen last */
	uint64_t resume_seq;
	struct hw_cursor *cursor; /* owned; NULL until started */
	uint64_t queued_seq; /* of the last event in the output buffer or sent */
	uint64_t dropped; /* rescans that were told because events were gone */
	uint64_t lost; /* those events, as far as they can be counted */
};

struct virtiofs {
	const struct hw_host *host; /* borrowed from open() to close() */
	void *ctx;

	const char *share_option;
	const char *channel_option;
	const char *mode_option;
	uint32_t listen_option;
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
	struct link link;
	struct session session;
	struct output output;
};

/* Listens or begins to connect. Only what cannot pass by itself is an error, with its reason in
 * fail(). */
int hw_link_start(struct virtiofs *v);
void hw_link_stop(struct virtiofs *v);

/*
 * Closes the connection, ends the session, and lets the next one come: at once when the peer just
 * went (`calm`), after a wait that doubles each time when it did something wrong. The reason is
 * logged unless it is the last one again.
 */
void hw_link_drop(struct virtiofs *v, bool calm, const char *format, ...) HW_PRINTF(3, 4);

/* The guest said hello: no deadline any more. */
void hw_link_live(struct virtiofs *v);

/* What the socket is to be watched for besides input. */
void hw_link_want_write(struct virtiofs *v, bool on);

/* A connection is there. */
void hw_session_begin(struct virtiofs *v);
void hw_session_end(struct virtiofs *v);

/* Reads frames from link.input. Returns how many; the link may be down afterwards. */
int hw_session_input(struct virtiofs *v);

/* Fills the output from the journal and sends what the guest takes. Returns whether something is
 * left to send. The link may be down afterwards. */
bool hw_session_pump(struct virtiofs *v);

#endif
