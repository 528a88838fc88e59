/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One event of fanotify(7) with its information records, read by type and checked by length. */
#ifndef HW_FANOTIFY_RECORD_H
#define HW_FANOTIFY_RECORD_H

#include "handle.h"

#include <stddef.h>

/* A directory and a name in it. A name of "." is the directory itself. */
struct hw_place {
	struct hw_handle dir;
	const char
		*name; /* in the buffer, not terminated by contract; NULL: this place is not told */
	uint32_t name_len;
};

struct hw_record {
	uint64_t mask;
	int32_t pid;
	uint32_t len; /* of the event in the buffer */
	struct hw_place at;
	struct hw_place from, to; /* of a rename */
	struct hw_handle object; /* what it happened to; bytes NULL: not told */
};

/* The event at the start of `len` bytes, at least one. -EBADMSG when they are none. What ret points
 * to is in bytes. Records of unknown types are skipped. */
int hw_record_parse(const char *bytes, size_t len, struct hw_record *ret);

#endif
