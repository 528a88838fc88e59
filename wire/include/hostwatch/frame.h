/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Functions that write and read the frames which carry events to a guest. They are used by the
 * host's sink and by programs that act as the guest. They need only libc and keep no state. Frames
 * are little-endian on all machines; section "virtiofs frames" of <hostwatch/protocol.h> has the
 * layout.
 *
 * The stream consists of frames without anything between them. A reader keeps a buffer and calls
 * hw_frame_decode() until it returns 0, which means that more bytes are needed. It must close the
 * channel at the first error. The channel of a guest may begin with the end of an older stream: a
 * virtio-serial port keeps unread bytes while no program has it open. Such a guest calls
 * hw_frame_find_hello() to skip to the host's hello.
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
#define HW_FRAME_EVENT_BYTES (16u + 64u) /* of an event frame without its paths */
#define HW_FRAME_HELLO_BYTES (16u + 40u) /* of a hello frame without the share's name */
#define HW_FRAME_SHARE_MAX 255u
#define HW_FRAME_HELLO_MAX (HW_FRAME_HELLO_BYTES + HW_FRAME_SHARE_MAX)
#define HW_FRAME_NAME_MAX 255u /* bytes of one component of a path */

/* The notify codes that may be configured. They are above those of mainline FUSE; hello frames use
 * the next code. */
#define HW_FRAME_CODE_MIN 10u
#define HW_FRAME_CODE_MAX 65534u

enum hw_frame_what {
	HW_FRAME_EVENT = 1,
	HW_FRAME_HELLO = 2,
};

/* The first frame of each side. */
struct hw_frame_hello {
	enum hw_fuse_role role;
	uint64_t epoch; /* host: never 0; guest: the last epoch seen, 0 if none */
	uint64_t seq; /* host: the newest event; guest: the last event seen */
	uint64_t mask_supported; /* 1 << enum hw_kind */
	const char *share; /* borrowed, not terminated */
	uint32_t share_len; /* at most HW_FRAME_SHARE_MAX; 0: accept any share */
};

/* Fields that a FUSE server may add to an event, since it knows its inodes. 0: not known.
 * hostwatch always sends 0. */
struct hw_frame_inode {
	uint64_t child_ino;
	uint64_t size;
	uint64_t mtime_ns;
};

/* One decoded frame. Paths and names point into the buffer that was decoded. */
struct hw_frame {
	enum hw_frame_what what; /* which of the following members is set; the others are 0 */
	struct hw_event event; /* time_ns is 0, frames do not carry it */
	struct hw_frame_inode inode;
	uint64_t mask_supported;
	struct hw_frame_hello hello;
};

/*
 * Returns true if the bytes are a valid path of an entry below the root of a share: 1 to
 * HW_PATH_MAX bytes, no NUL, no slash at either end, no empty, "." or ".." component, no component
 * longer than HW_FRAME_NAME_MAX. The root itself (the empty path) is not valid.
 */
bool hw_path_valid(const char *path, size_t len);

/*
 * Writes one event frame with notify code `code`. `event->time_ns` is not used. Returns the length
 * of the frame, at most HW_FUSE_FRAME_MAX. Returns -EINVAL if hw_frame_decode() would refuse the
 * frame, and -EMSGSIZE if it needs more than `size` bytes. Writes nothing on failure.
 */
int hw_frame_encode_event(void *buf, size_t size, uint32_t code, const struct hw_event *event);

/* Writes one hello frame, with notify code `code` + 1. Returns like hw_frame_encode_event(); the
 * length is at most HW_FRAME_HELLO_MAX. */
int hw_frame_encode_hello(void *buf, size_t size, uint32_t code,
			  const struct hw_frame_hello *hello);

/*
 * Reads the frame at the start of the `len` bytes at `buf`. Returns its length, or 0 if the frame
 * is not complete. Returns -EBADMSG if the frame is malformed, as soon as the malformed bytes have
 * arrived; *ret_why is then set to a static string with the reason, unless ret_why is NULL. A
 * complete frame is at most HW_FUSE_FRAME_MAX bytes long.
 *
 * A frame is malformed if one of these applies:
 *
 *   - A length is out of range, or the lengths do not add up.
 *   - The code, version or role is not the expected one; `unique` or `reserved` is not 0.
 *   - The kind, the type or a flag is unknown.
 *   - A rescan has a type, or another event has none.
 *   - The sequence number is 0, and the event is not a rescan.
 *   - An event other than a move has flags or `from`.
 *   - A move has both flags, neither path, `replaced` without to, or `exchange` without both paths.
 *   - The path is empty (the root) in an event other than a rescan or an attrib of a directory.
 *   - hw_path_valid() refuses a path.
 */
int hw_frame_decode(const void *buf, size_t len, uint32_t code, struct hw_frame *ret,
		    const char **ret_why);

/*
 * Returns the number of bytes at the start of `buf` that cannot be the beginning of a host's hello.
 * The caller skips them, reads more bytes, and repeats this until hw_frame_decode() returns a
 * frame. No event frame contains bytes that look like a hello.
 */
size_t hw_frame_find_hello(const void *buf, size_t len, uint32_t code);

#ifdef __cplusplus
}
#endif

#endif
