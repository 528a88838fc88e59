/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The remote event model: the changes of a share, reported in the same way by all watchers.
 * hostwatch-events(7) defines the rules. This header defines the types.
 */
#ifndef HOSTWATCH_EVENT_H
#define HOSTWATCH_EVENT_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

/* The kind of change. The numbers are wire constants: they are never reused, and new ones are
 * appended. */
enum hw_kind {
	HW_CREATE = 1, /* a name appeared */
	HW_DELETE = 2, /* a name disappeared */
	HW_MOVE = 3, /* an entry was renamed; `from` or `path` may be absent */
	HW_MODIFY = 4, /* the data of a file changed */
	HW_ATTRIB = 5, /* only metadata changed */
	HW_CLOSE_WRITE = 6, /* after create or modify: no process has the file open for writing */
	HW_RESCAN = 7, /* events at or below this path may be missing: read it again */
	HW_KIND_END,
};

/* The type of an entry. HW_TYPE_NONE is used in rescan events only. These are wire constants. */
enum hw_type {
	HW_TYPE_NONE = 0,
	HW_TYPE_FILE = 1,
	HW_TYPE_DIR = 2,
	HW_TYPE_SYMLINK = 3,
	HW_TYPE_OTHER = 4, /* FIFO, socket, device */
	HW_TYPE_END,
};

/* Flags of a move. At most one of them is set. */
#define HW_FLAG_REPLACED 0x1u /* `path` existed and was replaced, without a delete event */
#define HW_FLAG_EXCHANGE 0x2u /* both names existed and swapped their entries */
#define HW_FLAG_ALL (HW_FLAG_REPLACED | HW_FLAG_EXCHANGE)

/* The maximum length of a path in an event, in bytes. A change at a longer path is reported as a
 * rescan of the deepest parent directory whose path fits. It is the largest netlink attribute. */
#define HW_PATH_MAX 65531u

/*
 * One event. Paths are relative to the root of the share and consist of bytes: no leading slash,
 * no terminating NUL, any byte except NUL. The root is the empty path. All pointers are borrowed
 * from the caller that passes the event. They are valid until the function that received the event
 * returns or requests the next event.
 */
struct hw_event {
	uint32_t struct_size; /* sizeof(struct hw_event); set it before a function fills this in */
	uint8_t kind; /* enum hw_kind */
	uint8_t type; /* enum hw_type */
	uint16_t flags; /* HW_FLAG_* */
	uint64_t seq; /* starts at 1, no gaps within an epoch, except after a loss of power; 0 in
		       * snapshots */
	int64_t time_ns; /* CLOCK_REALTIME of the observation */
	const char *path; /* the entry; in a move the new path, NULL if it left the share */
	const char *from; /* in a move the old path, NULL if it came from outside; else NULL */
	uint32_t path_len; /* bytes, at most HW_PATH_MAX */
	uint32_t from_len; /* bytes, at most HW_PATH_MAX */
};

#endif
