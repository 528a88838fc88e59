/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A copy of the daemon's answer to `status`: records as framework/daemon/control_status.c writes
 * them. */
#ifndef HW_STATUS_FETCH_H
#define HW_STATUS_FETCH_H

#include "client.h"
#include <stdio.h>

struct hw_status {
	struct hw_record *records; /* owned, in the order of the answer; the last is `ok` */
	size_t count;
	bool failed; /* memory was short */
};

/* Requests the status. Returns -1, or the exit status after an error, which was written to stderr.
 * */
int hw_status_fetch(const struct hw_command_line *line, const struct hw_client_options *options,
		    struct hw_status *ret);
void hw_status_free(struct hw_status *status);

/* Returns the next record of this kind after `record` (NULL: from the first) whose field `key` has
 * this value (key NULL: any); NULL after the last one. */
const struct hw_record *hw_status_next(const struct hw_status *status,
				       const struct hw_record *record, const char *kind,
				       const char *key, const char *value);
#define HW_STATUS_EACH(record, status, kind, key, value)                                           \
	for (const struct hw_record *record = NULL;                                                \
	     ((record) = hw_status_next((status), (record), (kind), (key), (value)));)

uint64_t hw_record_number(const struct hw_record *record, const char *key); /* 0: no such field */

/* status_table.c: prints for people; width 0: unlimited. */
int hw_status_print(const struct hw_status *status, FILE *to, size_t width); /* -ENOMEM */
/* status_json.c: prints one object on one line. */
void hw_status_print_json(const struct hw_status *status, FILE *to);

#endif
