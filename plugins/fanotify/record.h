/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One record of fanotify(7) with its information records, which are read by type and checked by
 * length. */
#ifndef HW_FANOTIFY_RECORD_H
#define HW_FANOTIFY_RECORD_H

#include "handle.h"

#include <stddef.h>

/* A directory and a name in it. The name "." means the directory itself. */
struct hw_place {
	struct hw_handle dir;
	const char *name; /* in the buffer, may lack a NUL; NULL: the record does not contain this
			   * place */
	uint32_t name_len;
};

struct hw_record {
	uint64_t mask;
	int32_t pid;
	uint32_t len; /* length of the record in the buffer */
	struct hw_place at;
	struct hw_place from, to; /* of a rename */
	struct hw_handle object; /* the object of the change; bytes is NULL if the record does not
				  * contain it */
};

/* Parses the record at the start of `len` bytes, at least one. Returns -EBADMSG if it is malformed.
 * Pointers in *ret point into bytes. Information records of unknown types are skipped. */
int hw_record_parse(const char *bytes, size_t len, struct hw_record *ret);

#endif
