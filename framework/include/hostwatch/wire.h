/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing and reading the JSON and netlink encodings of events. hostwatch-protocol(7) describes the
 * formats, <hostwatch/protocol.h> has their constants, <hostwatch/frame.h> the virtiofs frames.
 *
 * Nothing here keeps state between calls but what the caller owns, so all of it may be used on any
 * thread as long as a buffer or writer is used by one thread at a time. Errors are negative errnos;
 * outputs are written on success only.
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
 * Bytes that grow at their end up to a limit. Every writer below appends a whole message or
 * nothing: when it fails, len is what it was. A buffer over the caller's memory has limit == size
 * and is never grown nor freed.
 */
struct hw_buf {
	char *data; /* owned, or the caller's when limit == size from the start */
	size_t len; /* bytes in use */
	size_t size; /* bytes there are */
	size_t limit; /* size never exceeds it */
};

#define HW_BUF_GROWING(bytes) ((struct hw_buf){ .limit = (bytes) })
#define HW_BUF_FIXED(memory, bytes)                                                                \
	((struct hw_buf){ .data = (memory), .size = (bytes), .limit = (bytes) })

/* Makes room for `more` bytes behind len. -ENOBUFS: beyond the limit; -ENOMEM. */
int hw_buf_grow(struct hw_buf *buf, size_t more);
static inline int hw_buf_reserve(struct hw_buf *buf, size_t more)
{
	return buf->size - buf->len >= more ? 0 : hw_buf_grow(buf, more);
}
int hw_buf_append(struct hw_buf *buf, const void *bytes, size_t len);
/* Drops `len` bytes at the front; the rest moves there. */
void hw_buf_consume(struct hw_buf *buf, size_t len);
/* Frees the memory of a growing buffer and keeps its limit, so that it can be used again. */
void hw_buf_free(struct hw_buf *buf);

/* ---- text ------------------------------------------------------------------------------------ */

/* How many bytes of the well-formed UTF-8 character at `bytes`: 1 to 4; 0 when its first byte
 * belongs to none (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF) or len is 0.
 */
unsigned hw_utf8_char(const char *bytes, size_t len);

/* The words of the formats: "create" .. "rescan", "file" .. "other", "arming" .. "offline"; NULL
 * for a number that has none. */
const char *hw_kind_name(unsigned kind);
const char *hw_type_name(unsigned type);
const char *hw_state_name(unsigned state);

/* ---- requests -------------------------------------------------------------------------------- */

/* What a subscriber asks for, in either format. Pointers are borrowed from the message it was read
 * from. */
struct hw_subscribe {
	const char *share; /* NUL-terminated; NULL: all shares */
	const char *below; /* only events at or below this directory of the share; NULL: all */
	uint32_t below_len; /* at most HW_PATH_MAX */
	bool resume; /* epoch and after are given */
	bool snapshot; /* the tree first, as create events */
	uint64_t epoch; /* not 0 */
	uint64_t after; /* the last event seen */
};

/* Whether the bytes may stand in `below`: relative, no empty, "." or ".." component, no NUL, at
 * most HW_PATH_MAX bytes. The empty path is the share's root. */
bool hw_below_valid(const char *below, size_t len);

/* Checks what holds in both formats: a valid below, resume and snapshot not both, epoch not 0.
 * -EINVAL and one line for the error message that the peer gets. */
int hw_subscribe_check(const struct hw_subscribe *subscribe, const char **ret_error);

/* ---- JSON lines ------------------------------------------------------------------------------ */

/* The longest event line: every byte of two paths as \u00XX, and what stands around them. */
#define HW_JSON_EVENT_MAX (2u * 6u * HW_PATH_MAX + 2048u)

/*
 * Each appends one line with its newline. Text is made well-formed: bytes that are not UTF-8 become
 * U+FFFD, with the exact bytes in *_b64 beside a path; control characters are escaped, C1 and DEL
 * as well, so that a line may be shown on a terminal. -ENOBUFS, -ENOMEM; -EINVAL for an unknown
 * kind or a path above HW_PATH_MAX.
 */
int hw_json_put_event(struct hw_buf *buf, const char *share, const struct hw_event *event);
int hw_json_put_hello(struct hw_buf *buf, const char *version, const struct hw_share_info *shares,
		      uint32_t count);
/* `share` is NULL when the subscriber named one, so that there is only one it can mean. */
int hw_json_put_snapshot_end(struct hw_buf *buf, const char *share, uint64_t seq);
int hw_json_put_error(struct hw_buf *buf, const char *text);
int hw_json_put_subscribe(struct hw_buf *buf, const struct hw_subscribe *subscribe);

/*
 * Reads a subscribe line (without its newline). Strings are decoded in place: the line is scratch
 * afterwards, whatever is returned, and ret points into it. Exactly the object of the format is
 * accepted: unknown or repeated keys, wrong types, malformed UTF-8 or escapes, anything behind the
 * object are -EINVAL; above HW_JSON_REQUEST_MAX -EMSGSIZE. On failure *ret_error is one static line
 * that names the reason.
 */
int hw_json_parse_subscribe(char *line, size_t len, struct hw_subscribe *ret,
			    const char **ret_error);

/* What a line from a server is. */
enum hw_json_line {
	HW_JSON_EVENT = 1,
	HW_JSON_HELLO,
	HW_JSON_SNAPSHOT_END,
	HW_JSON_ERROR,
};

/* A line from a server. Pointers are into the line. */
struct hw_json_message {
	enum hw_json_line what;
	const char *share; /* of an event, NUL-terminated; of a snapshot's end NULL when not told */
	uint64_t seq; /* of a snapshot's end */
	const char *text; /* of an error; NUL-terminated */
	struct hw_event event; /* struct_size is set */
};

/*
 * Reads one line of a server (without its newline), in place like hw_json_parse_subscribe(). Paths
 * are exact: those given in base64 are decoded. The inside of a hello is not looked at. -EINVAL:
 * not a line of this format.
 */
int hw_json_parse_line(char *line, size_t len, struct hw_json_message *ret);

/* ---- netlink format -------------------------------------------------------------------------- */

/* The longest event: two paths, a share's name and fixed attributes. */
#define HW_NL_EVENT_MAX (2u * 65536u + 512u)

/* The message that is being built, used again for each: one allocation for any number of messages.
 */
struct hw_nl_writer;
int hw_nl_writer_create(struct hw_nl_writer **ret); /* -ENOMEM */
void hw_nl_writer_destroy(struct hw_nl_writer *writer); /* NULL is fine */

/* Each builds one message with libnl and appends it to buf. -EMSGSIZE: an attribute above
 * HW_NL_ATTR_MAX or a frame above HW_NL_MESSAGE_MAX; -EINVAL for an unknown kind; -ENOBUFS, -ENOMEM
 * of the buffer. */
int hw_nl_put_event(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
		    uint64_t epoch, const struct hw_event *event);
int hw_nl_put_hello(struct hw_nl_writer *writer, struct hw_buf *buf, const char *version,
		    const struct hw_share_info *shares, uint32_t count);
int hw_nl_put_snapshot_end(struct hw_nl_writer *writer, struct hw_buf *buf, const char *share,
			   uint64_t epoch, uint64_t seq);
int hw_nl_put_error(struct hw_nl_writer *writer, struct hw_buf *buf, int error, const char *text);
int hw_nl_put_subscribe(struct hw_nl_writer *writer, struct hw_buf *buf,
			const struct hw_subscribe *subscribe);
/* type is HW_NL_PING or HW_NL_PONG; text may be NULL, and is cut at HW_NL_PING_MAX bytes. */
#define HW_NL_PING_MAX 64u
int hw_nl_put_ping(struct hw_nl_writer *writer, struct hw_buf *buf, enum hw_nl_type type,
		   const char *text);

/*
 * Looks at the start of a byte stream: the length of the frame there once all of it is in, 0 while
 * more is needed. -EMSGSIZE: longer than `max` (at most HW_NL_MESSAGE_MAX); -EBADMSG: not a frame
 * (shorter than its header, or not a multiple of 4); -EPROTO: a frame of a peer with the other byte
 * order. Never waits for bytes of a bad frame.
 */
int hw_nl_frame(const void *data, size_t len, size_t max);

/* A message that was read. Which members are set follows from the type; the others are 0. Pointers
 * are into the frame. */
struct hw_nl_message {
	uint16_t type; /* enum hw_nl_type */
	const char *share; /* EVENT, SNAPSHOT_END */
	uint64_t epoch, seq; /* EVENT, SNAPSHOT_END */
	const char *version; /* HELLO */
	uint32_t protocol; /* HELLO */
	uint32_t error; /* ERROR: positive errno */
	const char *text; /* ERROR; PING and PONG: may be NULL */
	struct hw_event event;
	struct hw_subscribe subscribe;
	const void *shares; /* HELLO: for hw_nl_next_share() */
	uint32_t shares_len;
};

/*
 * Reads one whole frame, as hw_nl_frame() measured it; data is aligned to 4 bytes. -EBADMSG:
 * attributes that do not fit, repeated ones, wrong lengths, required ones missing or values out of
 * range; -EOPNOTSUPP: an unknown type of message (answered with ERROR); -EPROTO: a HELLO of another
 * byte order. Unknown attributes are skipped.
 */
int hw_nl_parse(const void *data, size_t len, struct hw_nl_message *ret);

/* The shares of a HELLO one after the other; *pos starts at 0. 1 and a share, 0 at the end. */
int hw_nl_next_share(const struct hw_nl_message *hello, uint32_t *pos, struct hw_share_info *ret);

/* ---- below ----------------------------------------------------------------------------------- */

/*
 * An event as a subscriber sees it who is interested in one directory of the share only, which need
 * not exist. Paths stay relative to the share's root. Writes 0, 1 or 2 events to ret (same sequence
 * number and time; paths borrowed from event and below) and returns how many. "Inside" is the
 * directory itself and all below it:
 *
 *   - an event of one name inside is kept, any other is not told;
 *   - a rescan of a directory above becomes a rescan of `below`;
 *   - a move with both names inside is kept. One that leaves is told without `to` (and its flags),
 * one that enters without `from`. Nobody told what is in a directory that enters, so a rescan of it
 * follows: the second event. (A directory from outside the share is followed by creates, so no
 * rescan is needed);
 *   - a move of a directory above `below`: `below` left (a move of `below` without `to`), or, at
 * its new name, may have come: a rescan of `below`;
 *   - an exchange across the border: the entry that came to the `to` name is told as a move without
 * `from` that replaced; what came to the `from` name is not known by its type: a rescan of that
 * name.
 */
#define HW_BELOW_MAX 2
int hw_event_below(const struct hw_event *event, const char *below, uint32_t below_len,
		   struct hw_event ret[HW_BELOW_MAX]);

#ifdef __cplusplus
}
#endif

#endif
