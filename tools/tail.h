/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of `hostwatch tail`: command line and main program (tail.c), the connection
 * (tail_link.c, tail_nats.c), messages of a server (tail_read.c) and of other peers (tail_hello.c),
 * and where to resume (tail_share.c), also after this process (tail_state.c, tail_file.c). */
#ifndef HW_TAIL_H
#define HW_TAIL_H

#include "select.h"

#include <hostwatch/address.h>
#include <hostwatch/auth.h>
#include <hostwatch/plugin.h>
#include <hostwatch/wire.h>
#include <sys/types.h>

#define TAIL_INPUT_MAX (4u << 20) /* bytes of one message or line */
_Static_assert(TAIL_INPUT_MAX > HW_JSON_EVENT_MAX, "the longest line fits");
#define TAIL_SHARES_MAX 4096u /* maximum number of shares whose positions are stored */
#define TAIL_NAME_MAX 255u

enum tail_format { TAIL_UNKNOWN, TAIL_JSON, TAIL_NETLINK };

/* Results that are not errnos of the connection; a line on stderr was printed. */
#define TAIL_CLOSED (-EREMOTEIO) /* the server closed the connection */
#define TAIL_REFUSED (-EREMOTE) /* the server sent an error */

/* The last event of a share. */
struct tail_share {
	char name[TAIL_NAME_MAX + 1];
	uint64_t epoch, seq;
	uint64_t next_epoch; /* epoch of the server: valid from its next event */
	bool in_snapshot; /* a snapshot was requested, or has begun, and has not ended */
};

/* The contents of the state file. */
struct tail_position {
	char share[TAIL_NAME_MAX + 1];
	uint64_t epoch, seq;
};

struct tail {
	/* the command line */
	const char *share, *below, *epoch, *secret_path,
		*state_path; /* borrowed from argv; NULL: not given */
	uint64_t after; /* UINT64_MAX: not given */
	bool snapshot, json, retry;
	uint64_t timeout_ns; /* for hello; 0: no limit */
	struct hw_select select;
	const char *nats_options; /* borrowed from argv; NULL: not given */
	bool all;
	struct hw_address address;
	struct hw_subscribe subscribe; /* derived from these */
	struct hw_secret *secret; /* owned; NULL: none */
	struct {
		bool on;
		char url[256], subject[256];
		bool quiet;
		pid_t pid; /* the program that reads; 0: none */
	} nats;
	/* the connection */
	int fd; /* owned; -1 */
	int listener_fd; /* owned: readable when the process has ended; -1: unknown */
	unsigned connections; /* number of connections with a hello */
	enum tail_format format;
	bool greeted; /* hello was received and answered */
	struct hw_auth auth;
	struct hw_buf in; /* of a stream */
	struct hw_nl_writer *writer; /* owned */
	struct tail_share *shares; /* owned */
	size_t share_count;
	/* the state */
	struct tail_position state; /* as in the file, valid if loaded */
	bool loaded;
	bool resuming; /* events that follow it are expected */
	bool state_failed; /* the file cannot be written */
	unsigned unsaved; /* number of events since it was written, without: */
	unsigned own; /* events that it causes itself */
	bool said_own; /* a line on stderr says that there are some */
	char *state_real, *lock_path; /* owned; NULL: none */
	int lock; /* owned; -1: not locked */
	/* the output */
	struct hw_buf line; /* scratch */
	uint64_t shown; /* number of events shown */
	bool colour;
	bool several; /* more than one share: their names are shown */
};

/* ---- tail_link.c ---- */

/* Connects, and waits until something can be read. Returns 0, or -errno after a line on stderr,
 * unless quiet. */
int hw_tail_open(struct tail *tail, bool quiet);
void hw_tail_close(struct tail *tail);
/* Reads until a signal arrives or enough events were shown (0), or until the connection fails:
 * -errno, TAIL_CLOSED or TAIL_REFUSED after a line on stderr; -EPIPE: output failed. */
int hw_tail_follow(struct tail *tail);

/* ---- tail_nats.c ---- */

bool hw_tail_is_nats(const char *text);
/* Takes an address "nats:". Returns 0, or -EINVAL with a static message. */
int hw_tail_parse_nats(struct tail *tail, const char *text, const char **ret_error);
/* Starts the program that reads the stream. Returns a descriptor that is like a connection to a
 * socket sink, or -errno. */
int hw_tail_start_nats(struct tail *tail, bool quiet);
/* Ends it, or waits for it if it has ended. Returns TAIL_CLOSED or TAIL_REFUSED if it said why it
 * failed, otherwise 0. */
int hw_tail_end_nats(struct tail *tail, bool ended);

/* ---- tail_read.c, tail_hello.c ---- */

/* Handles every complete message in tail->in. Returns 0, or -errno after a line on stderr. */
int hw_tail_read(struct tail *tail);
/* Handles a datagram of a netlink group in the same way. */
int hw_tail_read_datagram(struct tail *tail, const void *data, size_t len);
/* Answers the lines of <hostwatch/auth.h> at the start of tail->in. Returns 1: hello follows; 0:
 * more bytes are needed; -EPROTO after a line on stderr. */
int hw_tail_authenticate(struct tail *tail);
/* Detects the format of tail->in, which stays unknown until there are enough bytes. Returns -EPROTO
 * after a line on stderr if it is none of the formats. */
int hw_tail_recognize(struct tail *tail);
/* Prints the data that a peer sent instead of hello, and its probable kind. Returns -EPROTO. */
int hw_tail_complain_stranger(const struct tail *tail, const char *data, size_t len);
/* Prints an error for a peer that sent no hello in time; sends it a request to find out its kind.
 * Returns -EPROTO. */
int hw_tail_complain_silence(const struct tail *tail);
/* Shows an event as selected by the command line. Returns -errno, without a line, if it cannot be
 * encoded. */
int hw_tail_show(struct tail *tail, const char *share, const struct hw_event *event);
/* Shows a rescan of the share's root, or of --below, because events are missing. */
int hw_tail_show_rescan(struct tail *tail, const char *share, uint64_t seq);
/* Call this directly after a write to stdout. Returns 0, or -EPIPE if it failed. The reason was
 * printed, unless the reader has left; output that could not be written is discarded. */
int hw_tail_check_output(void);
/* Returns whether enough events were shown. */
bool hw_tail_is_done(const struct tail *tail);

/* ---- tail_file.c ---- */

#define TAIL_NEW ".new" /* after the name of the file of --state: its next contents */
#define TAIL_LOCK ".lock" /* locked (flock(2)) while a process uses it */

/* Takes the lock of the file. 0; -EAGAIN: another process has it; or another -errno. */
int hw_tail_lock_state(struct tail *tail);
void hw_tail_unlock_state(struct tail *tail);
/* Finds the absolute path of the file, which need not exist. 0 or -errno. */
int hw_tail_find_state(struct tail *tail);
/* Returns whether the event is, or may be, one about the file of --state and its next contents. In
 * which directory the share is, is unknown: the path of the event is the end of the path of the
 * file. */
bool hw_tail_is_own(const struct tail *tail, const struct hw_event *event);

/* ---- tail_state.c ---- */

/* Reads the file of --state, if there is one, and makes the request resume there. Returns -1, or an
 * exit status after a line on stderr. */
int hw_tail_load_state(struct tail *tail);
/* Call this after hello. Returns TAIL_REFUSED after a line on stderr if no share was chosen, or if
 * the server does not have that of the file. Prints a line if the server cannot resume. */
int hw_tail_check_state(struct tail *tail, const struct hw_share_info *shares, size_t count);
/* Prints a line if this event replaces those that follow the state. */
void hw_tail_check_rescan(struct tail *tail, const struct hw_event *event);
/* Prints a line, once: the file is in the share. */
void hw_tail_say_own(struct tail *tail, const struct hw_event *event);
/* Whether a state would be that of an incomplete snapshot. */
bool hw_tail_needs_snapshot(const struct tail *tail);
/* Call this after the output was flushed. Returns -errno after a line on stderr. */
int hw_tail_save_state(struct tail *tail);
/* The same under steady load; flushes the output. Returns also -EPIPE. */
int hw_tail_save_often(struct tail *tail);

/* ---- tail_share.c ---- */

/* Call this after hello. Writes the request to send: a later connection continues where the last
 * one ended, or rescans are shown. Returns 0 or -errno. */
int hw_tail_begin(struct tail *tail, const struct hw_share_info *shares, size_t count,
		  struct hw_subscribe *ret);
/* Parses the shares in a JSON hello: at most `max`, with names in `line`, which is modified. */
size_t hw_tail_parse_shares(char *line, size_t len, struct hw_share_info *shares, size_t max);
/* Call this after a later hello: the epochs of the events that follow. */
void hw_tail_note_epochs(struct tail *tail, const struct hw_share_info *shares, size_t count);
/* Call this after an event, an entry of a snapshot (seq 0), or the end of a snapshot. share NULL:
 * the requested one. */
void hw_tail_note_entry(struct tail *tail, const char *share);
void hw_tail_note(struct tail *tail, const char *share, uint64_t seq, bool snapshot_end);
/* Call this after an event that the file of --state causes: if only such ones follow, they are not
 * stored, since that would cause others. Prints a line once. */
void hw_tail_note_own(struct tail *tail, const char *share, const struct hw_event *event);

#endif
