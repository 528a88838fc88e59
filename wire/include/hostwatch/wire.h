/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Functions that write and read the JSON and netlink encodings of events. hostwatch-protocol(7)
 * describes the formats, and <hostwatch/protocol.h> defines their constants. <hostwatch/frame.h>
 * declares the functions for virtiofs frames.
 *
 * The functions keep no state except in objects that the caller owns. They may be called on any
 * thread, but a buffer or writer must be used by one thread at a time. Errors are negative errnos.
 * Outputs are written on success only.
 */
#ifndef HOSTWATCH_WIRE_H
#define HOSTWATCH_WIRE_H

#include <hostwatch/event.h>
#include <hostwatch/plugin.h>
#include <hostwatch/protocol.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- buffers --------------------------------------------------------------------------------- */

/*
 * A buffer that grows at its end up to a limit. Each function below that writes appends a complete
 * message or nothing: on failure, len is unchanged. A buffer over the caller's memory has
 * limit == size and is never grown or freed.
 */
struct hw_buf {
	char *data; /* owned; the caller's memory if limit == size from the start */
	size_t len; /* bytes in use */
	size_t size; /* bytes allocated */
	size_t limit; /* maximum of size */
};

#define HW_BUF_GROWING(bytes) ((struct hw_buf){ .limit = (bytes) })
#define HW_BUF_FIXED(memory, bytes)                                                                \
	((struct hw_buf){ .data = (memory), .size = (bytes), .limit = (bytes) })

/* Makes room for `more` bytes after len. -ENOBUFS if that exceeds the limit; -ENOMEM. */
int hw_buf_grow(struct hw_buf *buf, size_t more);
static inline int hw_buf_reserve(struct hw_buf *buf, size_t more)
{
	return buf->size - buf->len >= more ? 0 : hw_buf_grow(buf, more);
}
int hw_buf_append(struct hw_buf *buf, const void *bytes, size_t len);
/* Removes `len` bytes at the front and moves the remaining bytes there. */
void hw_buf_consume(struct hw_buf *buf, size_t len);
/* Frees the memory of a growing buffer. The buffer keeps its limit and can be used again. */
void hw_buf_free(struct hw_buf *buf);

/* ---- text ------------------------------------------------------------------------------------ */

/* Returns the length of the UTF-8 character at `bytes`: 1 to 4. Returns 0 if the bytes are not
 * well-formed (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF) or len is 0. */
unsigned hw_utf8_char(const char *bytes, size_t len);

/* Return the name of a number: "create" to "rescan", "file" to "other", "arming" to "offline".
 * Return NULL for an unknown number. */
const char *hw_kind_name(unsigned kind);
const char *hw_type_name(unsigned type);
const char *hw_state_name(unsigned state);

/* ---- requests -------------------------------------------------------------------------------- */

/* The request of a subscriber, in either format. Pointers are borrowed from the message from which
 * it was read. */
struct hw_subscribe {
	const char *share; /* NUL-terminated; NULL: all shares */
	const char *below; /* only events at or below this directory of the share; NULL: all */
	uint32_t below_len; /* at most HW_PATH_MAX */
	bool resume; /* epoch and after are given */
	bool snapshot; /* send the tree first, as create events */
	uint64_t epoch; /* not 0 */
	uint64_t after; /* the last event that the subscriber has seen */
	uint32_t events; /* send only these: bits 1 << enum hw_kind; 0: all. A rescan is always sent
			  */
	uint32_t exclude_count;
	/* Leave out entries that match: patterns as in <hostwatch/filter.h>, NUL-terminated. */
	const char *exclude[HW_SUBSCRIBE_EXCLUDES];
};

/* A request, in either format. Pointers are borrowed in the same way. */
struct hw_ask {
	enum { HW_ASK_SUBSCRIBE = 1, HW_ASK_SYNC, HW_ASK_WHERE } what;
	struct hw_subscribe subscribe;
	/* sync: text that the answer repeats, NUL-terminated, at most HW_SYNC_MAX bytes. where: a
	 * path of the host, not terminated in netlink messages, at most HW_WHERE_MAX bytes. */
	const char *text;
	uint32_t text_len;
};

/* Returns true if the bytes are a valid `below`: a relative path without empty, "." or ".."
 * components and without NUL, at most HW_PATH_MAX bytes. The empty path is the share's root. */
bool hw_below_valid(const char *below, size_t len);

/* Checks the rules of both formats: below is valid, resume and snapshot are not both set, epoch is
 * not 0. Returns -EINVAL and the line of the error message for the peer. */
int hw_subscribe_check(const struct hw_subscribe *subscribe, const char **ret_error);
/* Checks the path of where: absolute, without empty, "." or ".." components and without NUL.
 * Returns as hw_subscribe_check() does; 0 for other requests. */
int hw_ask_check(const struct hw_ask *ask, const char **ret_error);

/* ---- JSON lines ------------------------------------------------------------------------------ */

/* The longest event line: every byte of two paths as \u00XX, and the rest of the line. */
#define HW_JSON_EVENT_MAX (2u * 6u * HW_PATH_MAX + 2048u)

/*
 * Each of these functions appends one line, including the newline. The text is made well-formed:
 * bytes that are not UTF-8 become U+FFFD, and a path that contains such bytes is followed by its
 * exact bytes in *_b64. Control characters, including C1 and DEL, are escaped, so a line can be
 * shown on a terminal. Errors: -ENOBUFS, -ENOMEM; -EINVAL for an unknown kind or a path longer than
 * HW_PATH_MAX.
 */
int hw_json_put_event(struct hw_buf *buf, const char *share, const struct hw_event *event);
/* The text of the last line between seq and event. Must be zero before the first event. */
struct hw_json_head {
	int64_t time_ns;
	uint32_t len; /* of text; 0: nothing is kept */
	char share[36];
	char text[96];
};
/* The same line as hw_json_put_event(), for a program that writes many: costs less if time and
 * share are those of the event before. */
int hw_json_put_next_event(struct hw_json_head *head, struct hw_buf *buf, const char *share,
			   const struct hw_event *event);
int hw_json_put_hello(struct hw_buf *buf, const char *version, const struct hw_share_info *shares,
		      uint32_t count);
/* `share` is NULL if the request of the subscriber named the share. */
int hw_json_put_snapshot_end(struct hw_buf *buf, const char *share, uint64_t seq);
/* The end of the events that a resume sends again. share: as in hw_json_put_snapshot_end(). */
int hw_json_put_resumed_end(struct hw_buf *buf, const char *share, uint64_t seq);
/* The answers of sync (info: the share, its epoch, and the last event before the answer) and of
 * where (path: relative to the root of the share). */
int hw_json_put_synced(struct hw_buf *buf, const char *text, const struct hw_share_info *info);
int hw_json_put_place(struct hw_buf *buf, const char *share, const char *path, uint32_t len);
int hw_json_put_error(struct hw_buf *buf, const char *text);
int hw_json_put_subscribe(struct hw_buf *buf, const struct hw_subscribe *subscribe);
int hw_json_put_sync(struct hw_buf *buf, const char *text);
int hw_json_put_where(struct hw_buf *buf, const char *path); /* -EINVAL: not valid UTF-8 */

/*
 * Reads the line of a request (without its newline). Strings are decoded in place: the line is
 * modified even on failure, and ret points into it. Returns -EINVAL for unknown or repeated keys,
 * wrong types, malformed UTF-8 or escapes, and bytes after the object. Returns -EMSGSIZE if the
 * line is longer than HW_JSON_REQUEST_MAX. On failure *ret_error is a static line with the reason.
 */
int hw_json_parse_ask(char *line, size_t len, struct hw_ask *ret, const char **ret_error);
/* The same; any other request is invalid. */
int hw_json_parse_subscribe(char *line, size_t len, struct hw_subscribe *ret,
			    const char **ret_error);

/* The kinds of lines that a server sends. */
enum hw_json_line {
	HW_JSON_EVENT = 1,
	HW_JSON_HELLO,
	HW_JSON_SNAPSHOT_END,
	HW_JSON_ERROR,
	HW_JSON_RESUMED_END,
	HW_JSON_SYNCED,
	HW_JSON_PLACE,
};

/* One line from a server. Pointers point into the line. */
struct hw_json_message {
	enum hw_json_line what;
	/* event, the ends of a snapshot and a resume, synced, place: NUL-terminated; may be NULL in
	 * the ends */
	const char *share;
	uint64_t epoch; /* synced */
	uint64_t seq; /* synced, the ends */
	const char *text; /* error, synced: NUL-terminated */
	struct hw_event event; /* struct_size is set; place: only path and path_len */
};

/*
 * Reads one line from a server (without its newline), in place like hw_json_parse_subscribe().
 * Paths are exact: if a path has a base64 form, that form is decoded. The contents of a hello are
 * not parsed. Returns -EINVAL if this is not a line of the format.
 */
int hw_json_parse_line(char *line, size_t len, struct hw_json_message *ret);

/* ---- netlink format -------------------------------------------------------------------------- */

/* The longest event: two paths, the name of a share and fixed attributes. */
#define HW_NL_EVENT_MAX (2u * 65536u + 512u)

/* Builds messages in memory that is allocated once and reused for each message. */
struct hw_nl_writer;
int hw_nl_writer_create(struct hw_nl_writer **ret); /* -ENOMEM */
void hw_nl_writer_destroy(struct hw_nl_writer *writer); /* NULL is allowed */

/* Each of these functions builds one message with libnl and appends it to buf. Errors: -EMSGSIZE if
 * an attribute is longer than HW_NL_ATTR_MAX or the message longer than HW_NL_MESSAGE_MAX; -EINVAL
 * for an unknown kind; -ENOBUFS and -ENOMEM of the buffer. */
int hw_nl_put_event(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
		    uint64_t epoch, const struct hw_event *event);
int hw_nl_put_hello(struct hw_nl_writer *writer, struct hw_buf *buf, const char *version,
		    const struct hw_share_info *shares, uint32_t count);
int hw_nl_put_snapshot_end(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
			   uint64_t epoch, uint64_t seq);
int hw_nl_put_error(struct hw_nl_writer *writer, struct hw_buf *buf, int error, const char *text);
int hw_nl_put_subscribe(struct hw_nl_writer *writer, struct hw_buf *buf,
			const struct hw_subscribe *subscribe);
int hw_nl_put_resumed_end(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
			  uint64_t epoch, uint64_t seq);
int hw_nl_put_sync(struct hw_nl_writer *writer, struct hw_buf *buf, const char *text);
int hw_nl_put_synced(struct hw_nl_writer *writer, struct hw_buf *buf, const char *text,
		     const struct hw_share_info *info);
int hw_nl_put_where(struct hw_nl_writer *writer, struct hw_buf *buf, const char *path,
		    uint32_t len);
int hw_nl_put_place(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
		    const char *path, uint32_t len);
/* type is HW_NL_PING or HW_NL_PONG. text may be NULL; it is truncated to HW_NL_PING_MAX bytes. */
#define HW_NL_PING_MAX 64u
int hw_nl_put_ping(struct hw_nl_writer *writer, struct hw_buf *buf, enum hw_nl_type type,
		   const char *text);

/*
 * Returns the length of the message at the start of a byte stream, or 0 if it is not complete.
 * Returns -EMSGSIZE if it is longer than `max` (at most HW_NL_MESSAGE_MAX), -EBADMSG if its length
 * is less than that of a header or not a multiple of 4, and -EPROTO if the peer has the other byte
 * order. An invalid message is detected as soon as its header has arrived.
 */
int hw_nl_frame(const void *data, size_t len, size_t max);

/* A parsed message. The type determines which members are set; the others are 0. Pointers point
 * into the message. */
struct hw_nl_message {
	uint16_t type; /* enum hw_nl_type */
	const char *share; /* EVENT, SNAPSHOT_END, RESUMED_END, SYNCED, PLACE */
	uint64_t epoch, seq; /* the same without PLACE */
	const char *version; /* HELLO */
	uint32_t protocol; /* HELLO */
	uint32_t error; /* ERROR: positive errno */
	const char *text; /* ERROR, SYNC, SYNCED; PING and PONG: may be NULL */
	const char *path; /* WHERE, PLACE: not terminated */
	uint32_t path_len;
	struct hw_event event;
	struct hw_subscribe subscribe;
	const void *shares; /* HELLO: for hw_nl_next_share() */
	uint32_t shares_len;
};

/*
 * Parses one complete message, whose length hw_nl_frame() returned. data must be aligned to 4
 * bytes. Unknown attributes are skipped. Returns -EBADMSG if an attribute does not fit, is
 * repeated, has a wrong length or a value out of range, or if a required attribute is missing.
 * Returns -EOPNOTSUPP for an unknown type of message (the caller answers with ERROR), and -EPROTO
 * for a HELLO with the other byte order.
 */
int hw_nl_parse(const void *data, size_t len, struct hw_nl_message *ret);

/* Iterates over the shares of a HELLO. *pos starts at 0. Returns 1 and a share, or 0 at the end. */
int hw_nl_next_share(const struct hw_nl_message *hello, uint32_t *pos, struct hw_share_info *ret);

/* ---- below ----------------------------------------------------------------------------------- */

/*
 * Converts an event for a subscriber that receives only the events of one directory, `below`. The
 * directory need not exist. Paths stay relative to the root of the share. Writes 0, 1 or 2 events
 * to ret and returns their number. They have the sequence number and time of the event; their paths
 * are borrowed from event and below. In the following, a path is inside if it is `below` or a path
 * below it.
 *
 *   - An event with one path is kept if the path is inside, and dropped otherwise.
 *   - A rescan of a directory above `below` becomes a rescan of `below`.
 *   - A move with both paths inside is kept.
 *   - A move that leaves `below` becomes a move without `to` and without flags.
 *   - A move that enters `below` from elsewhere in the share becomes a move without `from`. If the
 *     entry is a directory, its contents have not been reported, so a rescan of it follows as the
 *     second event. A directory that comes from outside the share needs no rescan, because creates
 *     follow.
 *   - If a directory above `below` is moved away, the result is a move of `below` without `to`. If
 *     a directory is moved to a path above `below`, `below` may exist now: a rescan of `below`.
 *   - If one of two exchanged entries is inside and is the `to` of the exchange, the result is a
 *     move without `from`, with `replaced`. If it is the `from`, the type of its new entry is not
 *     known: the result is a rescan of it.
 */
#define HW_BELOW_MAX 2
int hw_event_below(const struct hw_event *event, const char *below, uint32_t below_len,
		   struct hw_event ret[HW_BELOW_MAX]);

/* Turns an event into a rescan of a directory, whose path is borrowed. Keeps sequence number and
 * time. For programs that omit events by other rules than `below`. */
void hw_event_make_rescan(struct hw_event *event, const char *path, uint32_t len);

#ifdef __cplusplus
}
#endif

#endif
