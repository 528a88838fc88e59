/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pair.h"

#include <sys/inotify.h>

#define ENTRY_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

enum hw_pair_verdict hw_pair_find(struct hw_pair *pair, const struct hw_queue *queue,
				  uint64_t position, uint64_t *ret_partner, uint32_t *steps)
{
	struct hw_record half, record;

	if (hw_queue_get(queue, position, &half) <= 0)
		return HW_PAIR_ALONE;
	if (pair->half != position + 1) {
		pair->half = position + 1;
		pair->looked = half.next;
	}
	while (hw_queue_get(queue, pair->looked, &record) > 0) {
		if ((record.mask & IN_MOVED_TO) && record.cookie == half.cookie) {
			*ret_partner = pair->looked;
			return HW_PAIR_FOUND;
		}
		/* After an overflow, the partner is one of the dropped records. */
		if ((record.mask & IN_Q_OVERFLOW) ||
		    (record.wd == half.wd && (record.mask & ENTRY_EVENTS)))
			return HW_PAIR_ALONE;
		pair->looked = record.next;
		(*steps)++;
	}
	return HW_PAIR_OPEN;
}

void hw_pair_lock(struct hw_pair *pair, uint64_t position, uint64_t mark)
{
	pair->locked = position + 1;
	pair->mark = mark;
}

bool hw_pair_is_locked(const struct hw_pair *pair, uint64_t position)
{
	return pair->locked == position + 1;
}

bool hw_pair_wait(struct hw_pair *pair, const struct hw_queue *queue)
{
	if (pair->ripening)
		return false;
	pair->ripening = hw_queue_tail(queue);
	return true;
}

void hw_pair_timeout(struct hw_pair *pair)
{
	pair->ripe = pair->ripening;
	pair->ripening = 0;
}

bool hw_pair_is_ripe(const struct hw_pair *pair, uint64_t position)
{
	return position < pair->ripe;
}
