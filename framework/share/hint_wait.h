/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hints that wait while a move is held: the next hints say what the move was, and those that were
 * passed on meanwhile must be handled after it, in their order. Nothing waits otherwise.
 */
#ifndef HW_HINT_WAIT_H
#define HW_HINT_WAIT_H

#include "names.h"
#include "watcher.h"

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <stdint.h>

#define HW_HINTS_WAIT_MAX 64u /* then the disk decides what the held move was */
#define HW_HINT_HANDLE_MAX 128u /* MAX_HANDLE_SZ of name_to_handle_at(2) */

struct hw_waiting_hint {
	struct hw_hint hint; /* its strings and its handle are those below */
	uint64_t serial; /* of the watcher */
	uint8_t watcher; /* its place in the list of the share */
	char name[HW_NAME_MAX], to_name[HW_NAME_MAX];
	char handle[HW_HINT_HANDLE_MAX];
};

struct hw_waiting {
	struct hw_waiting_hint *list; /* owned; NULL if nothing waits */
	uint32_t count;
};

/* Copies the hint to the end of the list. Returns false if there is no room or no memory. */
bool hw_waiting_add(struct hw_watcher *watcher, const struct hw_hint *hint);
/* Returns the watcher of a hint that waited; NULL if it was stopped meanwhile. */
struct hw_watcher *hw_waiting_watcher(struct hw_share *share,
				      const struct hw_waiting_hint *waiting);
void hw_waiting_free(struct hw_waiting *waiting);
#endif
