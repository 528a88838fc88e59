/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hostwatch-nats-tail reads a stream for `hostwatch tail`, to which it is a server of JSON lines:
 * hello, then a request, then events. When the epoch of a share changes, another hello says so.
 */
#ifndef HW_NATS_READER_H
#define HW_NATS_READER_H

#include "../../sinks/nats/stream.h"

#include <hostwatch/wire.h>

/* The last event of a share. */
struct reader_share {
	char *name; /* owned */
	uint64_t epoch, seq;
	uint64_t said_epoch; /* in the last hello */
	bool in_tree; /* the rescan and all parts so far were passed on */
	uint64_t part; /* the last one */
	bool has_tree; /* the receiver resumes after the tree that follows */
};

struct reader {
	struct nats_settings settings;
	const char *subject; /* PREFIX or PREFIX.SHARE */
	bool is_share; /* subject is known to be the second */
	bool all;
	natsConnection *nc;
	jsCtx *js;
	uint64_t end; /* number of the last message of the stream when hello was sent */
	struct reader_share *shares; /* owned */
	uint32_t share_count;
	struct hw_subscribe request;
	bool seeking; /* the event after which to resume has not been passed */
	struct hw_buf buf; /* scratch */
};

#define READER_REFUSED (-2) /* the same request would fail again */

/* hello.c: finds the shares, writes hello, reads the request. Return 0, or -1 after a line on
 * stderr. */
int reader_greet(struct reader *reader);
int reader_take_request(struct reader *reader);
int reader_say_hello(struct reader *reader);
struct reader_share *reader_find(struct reader *reader, const char *name);
/* Returns whether the request, if there is one, is for this share. */
bool reader_wants(const struct reader *reader, const char *share);
int reader_write(struct reader *reader); /* writes and empties buf */
int reader_fail_to_read(natsStatus status);
int reader_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* absent.c: prints a line if the stream has no event that the request is for. Returns 0 to wait for
 * one, or -1 or READER_REFUSED after a line on stderr. */
int reader_check_request(const struct reader *reader);

/* follow.c: writes events until the connection ends or the receiver is gone. */
int reader_follow(struct reader *reader);

/* options.c: reads "key = value" lines. */
int reader_read_options(struct reader *reader, const char *path);

#endif
