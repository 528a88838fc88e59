/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Merges several records about one name into one hint. */
#ifndef HW_INOTIFY_MERGE_H
#define HW_INOTIFY_MERGE_H

#include "queue.h"

/* Number of records searched for the deletion of a created name. */
#define HW_MERGE_AHEAD 64u

/*
 * Creating, writing, closing and perhaps deleting a file queues three or four consecutive records.
 * One hint carries the same information in the same order, for a part of the work. Adds the records
 * that follow `record` to it and returns how many. `deletions`: also search the next HW_MERGE_AHEAD
 * records for the deletion of the created file, which sets record->brief.
 */
uint32_t hw_merge_next(const struct hw_queue *queue, struct hw_record *record, bool deletions);

#endif
