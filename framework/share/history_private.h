/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Internal interface of history.c (names), history_data.c (data and attributes) and
 * history_report.c (events). */
#ifndef HW_HISTORY_PRIVATE_H
#define HW_HISTORY_PRIVATE_H

#include "share_private.h"

struct hw_history_path {
	const char *bytes; /* borrowed */
	size_t len;
};

/* Makes the path of an entry in `buf` (HW_PATH_MAX + 1 bytes). Returns false if it is too long. */
bool hw_history_path_in(struct hw_share *share, uint32_t id, char *buf,
			struct hw_history_path *ret);
/* The same in path_a, unless it is there already: consecutive events are often about one entry. */
bool hw_history_path(struct hw_share *share, uint32_t id, struct hw_history_path *ret);

/* Appends an event to the journal. Returns its sequence number; 0 in a silent share. */
uint64_t hw_history_report(struct hw_share *share, enum hw_kind kind, uint8_t type, uint16_t flags,
			   const struct hw_history_path *from, const struct hw_history_path *path);
/* Notes this event as the last one about the entry. */
void hw_history_remember(struct hw_share *share, uint32_t id, enum hw_kind kind, uint64_t seq);
/* Reports an event about one entry under its current path. */
void hw_history_report_entry(struct hw_share *share, uint32_t id, enum hw_kind kind);
/* Returns whether the event equals the last one about the entry, and that one is of this iteration,
 * so that no receiver has read it. inotify(7) merges events in the same way. */
bool hw_history_is_repetition(struct hw_share *share, uint32_t id, enum hw_kind kind);

#endif
