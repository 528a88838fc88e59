/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal: a ring of bytes that holds the newest events of a share. Readers hold a place
 * (struct hw_journal_cursor) and find out themselves when they fell off.
 */
#ifndef HW_JOURNAL_H
#define HW_JOURNAL_H

#include "bounds.h"
#include "share.h"
#include <hostwatch/event.h>

#define HW_JOURNAL_STRIDE 128u /* events that a seek passes over at most */

struct hw_journal {
	char *ring; /* owned, mapped: pages that were never written cost nothing */
	uint64_t *marks; /* owned, mapped: where each event is whose number is a multiple of the
			    stride */
	uint64_t size, mark_count;
	uint64_t head, tail; /* bytes ever written; bytes ever dropped */
	uint64_t first_seq, next_seq; /* first_seq == next_seq: empty */
	bool one_moment; /* what is appended has the time of the first of them */
	int64_t moment_ns; /* that time, 0: nothing was appended yet */
};

/* The number of the newest event that was ever appended; 0: none. */
static inline uint64_t hw_journal_last_seq(const struct hw_journal *journal)
{
	return journal->next_seq - 1;
}

int hw_journal_init(struct hw_journal *journal, uint64_t size); /* -EINVAL, -ENOMEM */
void hw_journal_free(struct hw_journal *journal);
/* Until the end, events are those of one record: they happened at one moment, and the clock is read
 * once. */
static inline void hw_journal_begin_moment(struct hw_journal *journal)
{
	journal->one_moment = true;
	journal->moment_ns = 0;
}

static inline void hw_journal_end_moment(struct hw_journal *journal)
{
	journal->one_moment = false;
}

/* Gives the event its sequence number and time, copies it and returns the number. Never fails: the
 * oldest go. */
uint64_t hw_journal_append(struct hw_journal *journal, const struct hw_event *event);
/* Behind event `after`. -ESTALE: what follows it is not held, or not yet told. */
int hw_journal_seek(const struct hw_journal *journal, uint64_t after,
		    struct hw_journal_cursor *ret);
/* 1, 0 at the end, -ESTALE: what follows is no longer there, and never again, until the cursor is
 * sought. */
int hw_journal_next(const struct hw_journal *journal, struct hw_journal_cursor *cursor,
		    struct hw_event *ret);

#endif
