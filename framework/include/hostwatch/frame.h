/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes and reads the frames that carry events to a guest: the section "virtiofs frames" of
 * <hostwatch/protocol.h> has the layout. For the host's sink and for anything that plays the guest.
 * Needs nothing but libc, keeps no state, is little-endian on the wire whatever the machine is.
 *
 * The stream has no other structure than frames behind frames. Who reads it keeps a buffer, calls
 * hw_frame_decode() until it asks for more, and closes the channel at the first error: a bad frame
 * is never repaired. A guest that may find the tail of an older stream in its channel (a
 * virtio-serial port keeps it while nobody has the port open) skips to the host's hello with
 * hw_frame_find_hello().
 */
#ifndef HOSTWATCH_FRAME_H
#define HOSTWATCH_FRAME_H

#include <hostwatch/event.h>
#include <hostwatch/protocol.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HW_FRAME_HEADER_BYTES 16u
#define HW_FRAME_EVENT_BYTES (16u + 64u) /* of an event frame before its paths */
#define HW_FRAME_HELLO_BYTES (16u + 40u) /* of a hello frame before the share's name */
#define HW_FRAME_SHARE_MAX 255u
#define HW_FRAME_HELLO_MAX (HW_FRAME_HELLO_BYTES + HW_FRAME_SHARE_MAX)
#define HW_FRAME_NAME_MAX 255u /* bytes of one component of a path */

/* The notify codes that an option may choose: above what mainline FUSE uses, and the hello's code
 * is one more. */
#define HW_FRAME_CODE_MIN 10u
#define HW_FRAME_CODE_MAX 65534u

enum hw_frame_what {
	HW_FRAME_EVENT = 1,
	HW_FRAME_HELLO = 2,
};

/* The first thing that either side says. */
struct hw_frame_hello {
	enum hw_fuse_role role;
	uint64_t epoch; /* of a host never 0; of a guest 0 when it has seen nothing */
	uint64_t seq; /* of the newest event, or of the last one seen */
	uint64_t mask_supported; /* 1 << enum hw_kind */
	const char *share; /* borrowed, not terminated */
	uint32_t share_len; /* at most HW_FRAME_SHARE_MAX; 0: whichever the channel carries */
};

/* What a FUSE server that knows its inodes may add to an event; hostwatch sends 0: not told. */
struct hw_frame_inode {
	uint64_t child_ino;
	uint64_t size;
	uint64_t mtime_ns;
};

/* One decoded frame. Paths and names point into the buffer that was decoded. */
struct hw_frame {
	enum hw_frame_what what; /* says which of the following is filled in; the others are zero */
	struct hw_event event; /* time_ns is 0: it is not on this wire */
	struct hw_frame_inode inode;
	uint64_t mask_supported;
	struct hw_frame_hello hello;
};

/*
 * Whether these bytes are a path below the root of a share as the wire may carry it: 1 to
 * HW_PATH_MAX bytes, no NUL, no slash at either end, no empty, "." or ".." component, none longer
 * than HW_FRAME_NAME_MAX. The root itself, which is the empty path, is not.
 */
bool hw_path_valid(const char *path, size_t len);

/*
 * Writes one event frame with notify code `code`. Returns its length, which is at most
 * HW_FUSE_FRAME_MAX; -EINVAL when the event is one that hw_frame_decode() would refuse, -EMSGSIZE
 * when it needs more than `size` bytes. Nothing is written on failure. `event->time_ns` is not
 * used.
 */
int hw_frame_encode_event(void *buf, size_t size, uint32_t code, const struct hw_event *event);

/* The same for a hello frame, whose code on the wire is `code` + 1. At most HW_FRAME_HELLO_MAX
 * bytes. */
int hw_frame_encode_hello(void *buf, size_t size, uint32_t code,
			  const struct hw_frame_hello *hello);

/*
 * Reads the frame at the start of the `len` bytes at `buf`. Returns its length, 0 when it is not
 * complete yet, -EBADMSG when it is wrong, which is told as soon as the bytes that are wrong are
 * there. *ret_why, when ret_why is not NULL, is then a static string that names the reason. A
 * complete frame is never longer than HW_FUSE_FRAME_MAX.
 *
 * Refused: a length out of range or that does not add up, another code, version, role, or a
 * non-zero `unique` or `reserved`; an unknown kind, type or flag; a type in a rescan or none
 * elsewhere; sequence number 0 but in a rescan; flags but in a move, both flags, `replaced` without
 * to, `exchange` without both sides; a move with neither side; `from` but in a move; the root (an
 * empty path) but in a rescan and in attrib of a directory; paths that hw_path_valid() refuses.
 */
int hw_frame_decode(const void *buf, size_t len, uint32_t code, struct hw_frame *ret,
		    const char **ret_why);

/*
 * How many bytes at the start of `buf` cannot be the beginning of a host's hello: skip them, read
 * more, and decode when hw_frame_decode() is satisfied. No event frame holds bytes that look like
 * one.
 */
size_t hw_frame_find_hello(const void *buf, size_t len, uint32_t code);

#ifdef __cplusplus
}
#endif

#endif
