/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of `hostwatch tail`: the command line and its life (tail.c), the connection
 * (tail_link.c), messages of a server (tail_read.c) and of other peers (tail_hello.c), and where to
 * resume (tail_share.c). */
#ifndef HW_TAIL_H
#define HW_TAIL_H

#include "select.h"

#include <hostwatch/address.h>
#include <hostwatch/plugin.h>
#include <hostwatch/wire.h>

#define TAIL_INPUT_MAX (4u << 20) /* bytes of one message or line */
_Static_assert(TAIL_INPUT_MAX > HW_JSON_EVENT_MAX, "the longest line fits");
#define TAIL_SHARES_MAX 4096u /* shares of a server whose positions are kept */
#define TAIL_NAME_MAX 255u

enum tail_format { TAIL_UNKNOWN, TAIL_JSON, TAIL_NETLINK };

/* Errors that are no errno of the connection; a line on stderr was printed. */
#define TAIL_CLOSED (-EREMOTEIO) /* the server closed the connection */
#define TAIL_REFUSED (-EREMOTE) /* the server sent an error */

/* The last event of a share. */
struct tail_share {
	char name[TAIL_NAME_MAX + 1];
	uint64_t epoch, seq;
	uint64_t next_epoch; /* of the server's history: valid from its next event on */
	bool in_snapshot; /* it was asked for and has not ended */
};

struct tail {
	/* the command line */
	const char *share, *below, *epoch; /* borrowed from argv; NULL: not given */
	uint64_t after; /* UINT64_MAX: not given */
	bool snapshot, json, retry;
	uint64_t timeout_ns; /* for hello; 0: no limit */
	struct hw_select select;
	struct hw_address address;
	struct hw_subscribe subscribe; /* made from them */
	/* the connection */
	int fd; /* owned; -1 */
	unsigned connections; /* that have said hello */
	enum tail_format format;
	bool greeted; /* hello came and was answered */
	struct hw_buf in; /* of a stream */
	struct hw_nl_writer *writer; /* owned */
	struct tail_share *shares; /* owned */
	size_t share_count;
	/* the output */
	struct hw_buf line; /* scratch */
	uint64_t shown; /* events */
	bool colour;
	bool several; /* shares: their names are shown */
};

/* ---- tail_link.c ---- */

/* Connects. -errno after a line on stderr, unless quiet. */
int hw_tail_open(struct tail *tail, bool quiet);
void hw_tail_close(struct tail *tail);
/* Reads until a signal or until enough events were shown (0), or until the connection fails:
 * -errno, TAIL_CLOSED or TAIL_REFUSED after a line on stderr; -EPIPE: output failed. */
int hw_tail_follow(struct tail *tail);

/* ---- tail_read.c, tail_hello.c ---- */

/* Handles every complete message in tail->in. 0, or -errno after a line on stderr. */
int hw_tail_read(struct tail *tail);
/* The same for a datagram of a netlink group. */
int hw_tail_read_datagram(struct tail *tail, const void *data, size_t len);
/* Finds out the format of tail->in, which stays unknown while there are too few bytes. -EPROTO
 * after a line on stderr: it is neither. */
int hw_tail_recognize(struct tail *tail);
/* Prints what a peer sent instead of hello, and what it probably is. -EPROTO. */
int hw_tail_complain_stranger(const struct tail *tail, const char *data, size_t len);
/* The same for a peer that sent no hello in time; asks it something to learn what it is. -EPROTO.
 */
int hw_tail_complain_silence(const struct tail *tail);
/* Shows an event as the command line asks for. -errno, without a line, for one that cannot be
 * encoded. */
int hw_tail_show(struct tail *tail, const char *share, const struct hw_event *event);
/* A rescan of the share's root, or of --below: events are missing. */
int hw_tail_show_rescan(struct tail *tail, const char *share, uint64_t seq);
/* Right after a write to stdout: 0, or -EPIPE when it failed. The reason was printed then, unless
 * the reader has left; output that could not be written is dropped. */
int hw_tail_check_output(void);
/* Enough events were shown. */
bool hw_tail_is_done(const struct tail *tail);

/* ---- tail_share.c ---- */

/* Hello came. Writes the request to send: on a later connection it continues where the last one
 * ended, or rescans are shown. -errno. */
int hw_tail_begin(struct tail *tail, const struct hw_share_info *shares, size_t count,
		  struct hw_subscribe *ret);
/* The shares in a JSON hello; at most `max` of them, names in `line`, which is changed. */
size_t hw_tail_parse_shares(char *line, size_t len, struct hw_share_info *shares, size_t max);
/* An event or the end of a snapshot came. share NULL: the one that was asked for. */
void hw_tail_note(struct tail *tail, const char *share, uint64_t seq, bool snapshot_end);

#endif
