/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The constants of the three encodings, which hostwatch-protocol(7) describes. <hostwatch/wire.h>
 * and <hostwatch/frame.h> declare functions that write and read them.
 */
#ifndef HOSTWATCH_PROTOCOL_H
#define HOSTWATCH_PROTOCOL_H

#ifdef __KERNEL__ /* the guest's module also reads frames */
#include <linux/types.h>
#define UINT64_C(c) c##ULL
#else
#include <stdint.h>
#endif

#define HW_PROTOCOL_VERSION 1

/* ---- requests -------------------------------------------------------------------------------- */

#define HW_SUBSCRIBE_EXCLUDES 32u /* maximum number of exclude patterns of a subscriber */
#define HW_SUBSCRIBE_EXCLUDE_BYTES 255u /* bytes of one of them */
#define HW_SYNC_MAX 64u /* bytes of the text of a sync request */
#define HW_WHERE_MAX 4095u /* bytes of the path of a where request */

/* ---- JSON lines ------------------------------------------------------------------------------ */

#define HW_JSON_REQUEST_MAX 70000u /* bytes of a line from a subscriber, including the newline */

/* ---- netlink messages ------------------------------------------------------------------------ */

/*
 * A message is a struct nlmsghdr in host byte order, followed by attributes that are aligned to 4
 * bytes. nlmsg_flags, nlmsg_seq and nlmsg_pid are 0. A question mark means that the attribute may
 * be absent.
 *
 *	HELLO		PROTOCOL, BYTE_ORDER, VERSION, and for each share one nested
 *			SHARE_INFO {SHARE, EPOCH, SEQ, STATE}
 *	SUBSCRIBE	SHARE?, EPOCH?, SEQ?, BELOW?, FLAGS?, EVENTS?, any number of EXCLUDE
 *	EVENT		SHARE, EPOCH, SEQ, TIME, KIND, TYPE?, FLAGS?, PATH?, FROM?, TO?
 *	SNAPSHOT_END	SHARE, EPOCH, SEQ
 *	ERROR		ERRNO, TEXT
 *	PING, PONG	TEXT? (at most 64 bytes; PONG repeats the text of PING)
 *	RESUMED_END	SHARE, EPOCH, SEQ
 *	SYNC		TEXT (at most 64 bytes, like that of SYNCED)
 *	SYNCED		TEXT, SHARE, EPOCH, SEQ
 *	WHERE		PATH (absolute, on the host)
 *	PLACE		SHARE, PATH (relative to the root of the share)
 *
 * A move has FROM, TO or both. All other events have PATH, which is empty for the root.
 */
enum hw_nl_type {
	HW_NL_HELLO = 0x10, /* smaller numbers are reserved for NLMSG_NOOP and others */
	HW_NL_SUBSCRIBE = 0x11,
	HW_NL_EVENT = 0x12,
	HW_NL_SNAPSHOT_END = 0x13,
	HW_NL_ERROR = 0x14,
	HW_NL_PING = 0x15,
	HW_NL_PONG = 0x16,
	HW_NL_RESUMED_END = 0x17,
	HW_NL_SYNC = 0x18,
	HW_NL_SYNCED = 0x19,
	HW_NL_WHERE = 0x1a,
	HW_NL_PLACE = 0x1b,
};

enum hw_nl_attr {
	HW_NLA_PROTOCOL = 1, /* u32: HW_PROTOCOL_VERSION */
	HW_NLA_VERSION = 2, /* string, NUL-terminated: version of the program */
	HW_NLA_SHARE = 3, /* string, NUL-terminated */
	HW_NLA_EPOCH = 4, /* u64 */
	HW_NLA_SEQ = 5, /* u64; in SUBSCRIBE: the event after which to resume */
	HW_NLA_TIME = 6, /* u64: CLOCK_REALTIME in ns */
	HW_NLA_KIND = 7, /* u8: enum hw_kind */
	HW_NLA_TYPE = 8, /* u8: enum hw_type */
	HW_NLA_FLAGS = 9, /* u32: HW_FLAG_* in EVENT, HW_NL_SUBSCRIBE_* in SUBSCRIBE */
	HW_NLA_PATH = 10, /* bytes */
	HW_NLA_FROM = 11, /* bytes */
	HW_NLA_TO = 12, /* bytes */
	HW_NLA_BELOW = 13, /* bytes: send only events at or below this directory */
	HW_NLA_ERRNO = 14, /* u32: positive errno */
	HW_NLA_TEXT = 15, /* string, NUL-terminated */
	HW_NLA_BYTE_ORDER = 16, /* u32: HW_NL_BYTE_ORDER */
	HW_NLA_STATE = 17, /* u8: enum hw_share_state */
	HW_NLA_SHARE_INFO = 18, /* nested */
	HW_NLA_EVENTS = 19, /* u32: send only these, bits 1 << enum hw_kind */
	HW_NLA_EXCLUDE = 20, /* string, NUL-terminated: leave out entries that match */
	HW_NLA_END,
};

#define HW_NL_BYTE_ORDER 0x01020304u
#define HW_NL_SUBSCRIBE_SNAPSHOT 0x1u
#define HW_NL_MESSAGE_MAX (1u << 20) /* bytes of a message, including the header */
#define HW_NL_ATTR_MAX 65531u /* bytes of an attribute's value; nla_len has 16 bits */

/* ---- virtiofs frames ------------------------------------------------------------------------- */

/*
 * All numbers are little-endian. Like a FUSE notification, each frame begins with a struct
 * fuse_out_header with unique = 0 and the notify code in `error`. In an event frame, struct
 * hw_fuse_fsnotify_out follows, then from_len bytes of from, then to_len bytes of to or path. In a
 * hello frame, struct hw_fuse_hello follows, then share_len bytes of the share's name.
 */
struct hw_fuse_out_header {
	uint32_t len; /* length of the frame, including this header */
	int32_t error; /* notify code of event frames; this code + 1 for hello frames */
	uint64_t unique; /* 0 */
};

/* The default notify code. Mainline FUSE uses 1 to 9 (Linux 7.x). The option `notify_code` changes
 * it. */
#define HW_FUSE_NOTIFY_FSNOTIFY 0x6877 /* "hw" */
#define HW_FUSE_VERSION 1

struct hw_fuse_fsnotify_out {
	uint16_t version; /* HW_FUSE_VERSION */
	uint16_t kind; /* enum hw_kind */
	uint16_t type; /* enum hw_type */
	uint16_t flags; /* HW_FLAG_* */
	uint32_t from_len;
	uint32_t to_len; /* 0 if a move left the share */
	uint64_t seq;
	uint64_t child_ino; /* 0: not known; inode numbers of the host mean nothing in a guest */
	uint64_t size; /* 0: not known */
	uint64_t mtime_ns; /* 0: not known */
	uint64_t mask_supported; /* HW_FUSE_EVENTS */
	uint64_t reserved; /* must be 0 */
};

/* A mask with bit 1 << kind for each kind that the host can produce or the guest can deliver. */
#define HW_FUSE_EVENTS UINT64_C(0xfe)

#define HW_FUSE_FRAME_MAX (16u + 64u + 2u * 65531u)

/* Each side sends a hello before any other frame. The host sends the current epoch and its newest
 * sequence number. The guest sends those of the last event that it has seen, or 0 and 0 if it has
 * seen none. */
struct hw_fuse_hello {
	uint16_t version; /* HW_FUSE_VERSION */
	uint16_t role; /* enum hw_fuse_role */
	uint32_t share_len; /* at most 255 */
	uint64_t epoch;
	uint64_t seq;
	uint64_t mask_supported;
	uint64_t reserved; /* must be 0 */
};

enum hw_fuse_role { HW_FUSE_HOST = 1, HW_FUSE_GUEST = 2 };

#ifndef __cplusplus
_Static_assert(sizeof(struct hw_fuse_out_header) == 16, "wire format");
_Static_assert(sizeof(struct hw_fuse_fsnotify_out) == 64, "wire format");
_Static_assert(sizeof(struct hw_fuse_hello) == 40, "wire format");
#endif

#endif
