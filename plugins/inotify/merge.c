/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "merge.h"

#include <string.h>
#include <sys/inotify.h>

/* In the order in which the host reports the flags of one hint. */
#define MERGED (IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE)

static unsigned place_in_hint(uint32_t mask)
{
	static const uint32_t order[] = { IN_CREATE, IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE };
	unsigned place = 0;

	while (place < sizeof(order) / sizeof(order[0]) && !(mask & order[place]))
		place++;
	return place;
}

static bool is_same_name(const struct hw_record *a, const struct hw_record *b)
{
	return a->wd == b->wd && a->name_len == b->name_len &&
	       memcmp(a->name, b->name, a->name_len) == 0;
}

/* Returns whether `next` deletes the file created by `record`. */
static bool is_deletion_of(const struct hw_record *record, const struct hw_record *next)
{
	return record->mask & IN_CREATE && next->mask & IN_DELETE &&
	       (next->mask & IN_ISDIR) == (record->mask & IN_ISDIR) && is_same_name(record, next);
}

/* Records of several writers are interleaved. Returns whether the next record that replaces or
 * removes the name is its deletion. */
static bool is_deleted_later(const struct hw_queue *queue, const struct hw_record *record)
{
	struct hw_record next = *record;

	if (!(record->mask & IN_CREATE))
		return false;
	for (unsigned left = HW_MERGE_AHEAD; left; left--) {
		if (hw_queue_get(queue, next.next, &next) <= 0)
			return false;
		if (next.mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO) &&
		    is_same_name(record, &next))
			return is_deletion_of(record, &next);
	}
	return false;
}

uint32_t hw_merge_next(const struct hw_queue *queue, struct hw_record *record, bool deletions)
{
	unsigned place = place_in_hint(record->mask);
	struct hw_record next;
	uint32_t merged = 0;
	bool more;

	if (!record->name_len || !(record->mask & MERGED))
		return 0;
	while ((more = hw_queue_get(queue, record->next, &next) > 0) && next.mask & MERGED &&
	       (next.mask & IN_ISDIR) == (record->mask & IN_ISDIR) &&
	       place_in_hint(next.mask) > place && is_same_name(record, &next)) {
		place = place_in_hint(next.mask);
		record->mask |= next.mask;
		record->next = next.next;
		merged++;
	}
	if (more && is_deletion_of(record, &next)) {
		record->mask |= IN_DELETE;
		record->next = next.next;
		merged++;
	}
	record->brief = record->mask & IN_DELETE || (deletions && is_deleted_later(queue, record));
	return merged;
}
