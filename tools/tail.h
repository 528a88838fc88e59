/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `hostwatch tail` is made of: the command line and the connection (tail.c), what a server
 * says (tail_read.c), and what other peers say (tail_hello.c). */
#ifndef HW_TAIL_H
#define HW_TAIL_H

#include <hostwatch/address.h>
#include <hostwatch/plugin.h>
#include <hostwatch/wire.h>

#define TAIL_INPUT_MAX (4u << 20) /* bytes of one message or line */
_Static_assert(TAIL_INPUT_MAX > HW_JSON_EVENT_MAX, "the longest line fits");

enum tail_format { TAIL_UNKNOWN, TAIL_JSON, TAIL_NETLINK };

struct tail {
	/* the command line */
	struct hw_address address;
	struct hw_subscribe subscribe;
	bool json;
	uint64_t timeout_ns; /* for hello; 0: no limit */
	/* the connection */
	int fd; /* owned */
	enum tail_format format;
	bool greeted; /* hello came and was answered */
	struct hw_buf in; /* of a stream */
	struct hw_nl_writer *writer; /* owned */
	/* the output */
	struct hw_buf line; /* scratch */
	bool colour;
	bool several; /* shares: their names are shown */
};

/* Handles every whole message in tail->in. 0, or -errno after a line on stderr. */
int hw_tail_read(struct tail *tail);
/* The same for a datagram of a netlink group. */
int hw_tail_read_datagram(struct tail *tail, const void *data, size_t len);
/* Finds out the format of tail->in, which stays unknown while there are too few bytes. -EPROTO
 * after a line on stderr: it is neither. */
int hw_tail_recognize(struct tail *tail);
/* Says what a peer sent instead of hello, and what it probably is. -EPROTO. */
int hw_tail_complain_stranger(const struct tail *tail, const char *data, size_t len);
/* The same for a peer that sent no hello in time; asks it something to learn what it is. -EPROTO.
 */
int hw_tail_complain_silence(const struct tail *tail);
/* Shows an event as the command line asks for. -errno, without a line, for one that cannot be
 * encoded. */
int hw_tail_show(struct tail *tail, const char *share, const struct hw_event *event);
/* Right behind a write to stdout: 0, or -EPIPE when it failed. The reason was told then, unless the
 * reader has left; what could not be written is dropped. */
int hw_tail_check_output(void);

#endif
