/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Subjects and headers of the messages, and where a stream stands. All functions that take a jsCtx
 * block until the server answers. */
#ifndef HW_NATS_STREAM_H
#define HW_NATS_STREAM_H

#include "settings.h"

#include <stdint.h>

#define NATS_HEADER_ID "Nats-Msg-Id" /* by which the server detects duplicates */
#define NATS_HEADER_EPOCH "Hostwatch-Epoch" /* 16 hexadecimal digits */
#define NATS_HEADER_SEQ "Hostwatch-Seq"
/* "SEQ STREAM-SEQ": every event of the share up to SEQ was in the stream when this message was
 * sent, the last one as the message STREAM-SEQ. */
#define NATS_HEADER_ACKED "Hostwatch-Acked"
/* Of a rescan: "0", the tree follows. Of the messages of that tree: their number, from "1"; the
 * last one has " end" after it. */
#define NATS_HEADER_TREE "Hostwatch-Tree"
#define NATS_KIND_TREE "tree" /* the last part of the subject of the messages of a tree */
#define NATS_SUBJECT_MAX 512u
/* The subjects that nats_subject() writes consist of these. */
#define NATS_SUBJECT_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-%."

/* Writes PREFIX.SHARE: a byte of the share's name that is not a letter, a digit, '_' or '-' becomes
 * %XX. Returns 0, or -ENAMETOOLONG. */
int nats_subject(const char *prefix, const char *share, char ret[NATS_SUBJECT_MAX]);

/* Returns NULL, or the reason why this is not a valid prefix of a subject or name of a stream. */
const char *nats_check_prefix(const char *prefix);
const char *nats_check_stream(const char *stream);

/* The headers of one message. */
struct nats_head {
	uint64_t epoch, seq;
	uint64_t acked, acked_at; /* the sequence number and the number in the stream */
	uint64_t at; /* number of this message in the stream */
	bool rescan; /* the subject says so */
	bool tree; /* the message belongs to a tree: its rescan, or a part of it */
	bool tree_end;
	uint64_t part; /* 0: the rescan */
};

/* Reads headers and subject. `at` is not set. Returns false if they are not those of hostwatch. */
bool nats_read_head(natsMsg *msg, struct nats_head *ret);

/* Where the stream stands for one share. */
struct nats_place {
	char subject[NATS_SUBJECT_MAX]; /* PREFIX.SHARE */
	struct nats_head last; /* epoch 0: there is no message */
	bool hole; /* an event before the last one is missing */
};

/* Finds the last message of place->subject, and whether all messages before it that may have been
 * in flight together with it are there. Returns 0, or -EIO with the reason. */
int nats_find_place(jsCtx *js, const char *stream, struct nats_place *place,
		    char why[NATS_WHY_MAX]);

/* Returns whether the stream has a rescan of the share, after which its tree follows. The oldest
 * messages are removed first, so it then has the tree. true: it does, or the server does not say.
 */
bool nats_has_tree(jsCtx *js, const char *stream, const struct nats_place *place);

/*
 * Checks that the stream exists, or creates it for the subjects below `prefix`: file storage, one
 * replica, at most 1 GiB, the oldest messages are removed first, duplicates are detected for 2
 * minutes. Sets *ret_max to the longest message that it accepts, 0: no limit. Returns 0, or -EIO
 * with cause and remedy.
 */
int nats_find_stream(jsCtx *js, const char *stream, const char *prefix, bool create,
		     int32_t *ret_max, char why[NATS_WHY_MAX]);

#endif
