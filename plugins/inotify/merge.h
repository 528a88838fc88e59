/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several records about one name become one hint. */
#ifndef HW_INOTIFY_MERGE_H
#define HW_INOTIFY_MERGE_H

#include "queue.h"

/* Records searched for the deletion of a name that was created. */
#define HW_MERGE_AHEAD 64u

/*
 * A file that is made, written, closed and perhaps deleted is three or four records in a row: one
 * hint says as much, in the same order, for a part of the work. Adds those that follow `record` to
 * it and returns how many. `deletions`: the next HW_MERGE_AHEAD records are searched for the
 * deletion of what was created, which sets record->brief.
 */
uint32_t hw_merge_next(const struct hw_queue *queue, struct hw_record *record, bool deletions);

#endif
