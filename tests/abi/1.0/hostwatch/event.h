/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The remote event model: what happened to a share, told the same way whichever watcher saw it.
 * hostwatch-events(7) has the rules; this header has the types.
 */
#ifndef HOSTWATCH_EVENT_H
#define HOSTWATCH_EVENT_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

/* What happened. The numbers are wire constants: never reused, new ones are appended. */
enum hw_kind {
	HW_CREATE = 1, /* a name appeared */
	HW_DELETE = 2, /* a name vanished */
	HW_MOVE = 3, /* one rename; `from` or `path` may be absent */
	HW_MODIFY = 4, /* the data of a file changed */
	HW_ATTRIB = 5, /* only metadata changed */
	HW_CLOSE_WRITE = 6, /* after create or modify: nobody has the file open for writing */
	HW_RESCAN = 7, /* events below this path may be missing: read it again */
	HW_KIND_END,
};

/* What an entry is. HW_TYPE_NONE stands in rescan events only. Wire constants as well. */
enum hw_type {
	HW_TYPE_NONE = 0,
	HW_TYPE_FILE = 1,
	HW_TYPE_DIR = 2,
	HW_TYPE_SYMLINK = 3,
	HW_TYPE_OTHER = 4, /* FIFO, socket, device */
	HW_TYPE_END,
};

/* Flags of a move. At most one of them is set. */
#define HW_FLAG_REPLACED 0x1u /* `path` existed: the move replaced it, no delete is told */
#define HW_FLAG_EXCHANGE 0x2u /* both names existed and swapped their entries */
#define HW_FLAG_ALL (HW_FLAG_REPLACED | HW_FLAG_EXCHANGE)

/* The longest path, in bytes, that an event may carry. Longer ones are told as a rescan of the
 * deepest directory whose path fits. It is the largest netlink attribute. */
#define HW_PATH_MAX 65531u

/*
 * One event. Paths are bytes relative to the share's root: no leading slash, no NUL at the end, any
 * byte but NUL inside; the root is the empty path. All pointers are borrowed from whoever hands the
 * event over, and valid until the function that received it returns or asks for the next event.
 */
struct hw_event {
	uint32_t struct_size; /* sizeof(struct hw_event), set by the caller of a function that fills
				 it */
	uint8_t kind; /* enum hw_kind */
	uint8_t type; /* enum hw_type */
	uint16_t flags; /* HW_FLAG_* */
	uint64_t seq; /* from 1, gap-free within an epoch; 0 in snapshots */
	int64_t time_ns; /* CLOCK_REALTIME when it was observed */
	const char *path; /* the entry; of a move: where to, NULL when it left the share */
	const char *from; /* of a move: where from, NULL when it came from outside; else NULL */
	uint32_t path_len; /* bytes, at most HW_PATH_MAX */
	uint32_t from_len; /* bytes, at most HW_PATH_MAX */
};

#endif
