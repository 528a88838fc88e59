/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal: a ring of bytes that holds the newest events of a share. A reader has a position in
 * it (struct hw_journal_cursor) and detects itself that its next event was dropped. */
#ifndef HW_JOURNAL_H
#define HW_JOURNAL_H

#include "bounds.h"
#include "share.h"
#include <hostwatch/event.h>

#define HW_JOURNAL_STRIDE 128u /* maximum number of events that a seek skips one by one */
#define HW_JOURNAL_GAPS 8u

/* Sequence numbers that the journal skips: those between `last` and `end`. */
struct hw_journal_gap {
	uint64_t last; /* the last event before the gap */
	uint64_t end; /* the next event has the number end + 1 */
	/* Events that had the numbers up to this one changed only what is below this directory,
	 * which has not moved since. */
	uint64_t scope_end;
	char *scope; /* owned; NULL: unknown, or the root */
	uint32_t scope_len;
};

struct hw_journal {
	char *ring; /* owned, mapped: pages that were never written use no memory */
	uint64_t *marks; /* owned, mapped: offsets of the events whose number is a multiple of the
			    stride */
	uint64_t size, mark_count;
	uint64_t head, tail; /* total bytes written; total bytes dropped */
	uint64_t lap; /* offset, at most the head, that is at the begin of the ring */
	uint64_t first_seq, next_seq; /* first_seq == next_seq: empty */
	struct hw_journal_gap gaps[HW_JOURNAL_GAPS]; /* in order */
	uint32_t gap_count;
	uint64_t dropped_gaps; /* numbers skipped by gaps that are no longer in the list */
	uint64_t dropped_end; /* the end of the newest of them */
	bool one_moment; /* events that are appended have the time of the first one */
	int64_t moment_ns; /* that time; 0: no event was appended yet */
};

/* The number of the newest event; 0: none was appended yet. */
static inline uint64_t hw_journal_last_seq(const struct hw_journal *journal)
{
	return journal->next_seq - 1;
}

int hw_journal_init(struct hw_journal *journal, uint64_t size); /* -EINVAL, -ENOMEM */
void hw_journal_free(struct hw_journal *journal);
/* Until hw_journal_end_moment(), events belong to one record: they have the same time, and the
 * clock is read once. */
static inline void hw_journal_begin_moment(struct hw_journal *journal)
{
	journal->one_moment = true;
	journal->moment_ns = 0;
}

static inline void hw_journal_end_moment(struct hw_journal *journal)
{
	journal->one_moment = false;
}

/* Assigns sequence number and time to the event, copies it and returns the number. Never fails: the
 * oldest events are dropped. */
uint64_t hw_journal_append(struct hw_journal *journal, const struct hw_event *event);
/* Removes all events; the next one gets this number. */
void hw_journal_reset(struct hw_journal *journal, uint64_t next_seq);
/*
 * The next event gets this number, which is larger than it would be. The numbers between were
 * perhaps given to events that are lost: no cursor can be placed there. A cursor after the last
 * event before the gap can be placed, and continues after the gap.
 */
void hw_journal_skip(struct hw_journal *journal, uint64_t next_seq);
/* The same for the events after event `after`, which keep their order: no cursor is after it. */
void hw_journal_shift(struct hw_journal *journal, uint64_t after, uint64_t next_seq);
/*
 * Events that had the numbers of the newest gap up to `end` were below this directory (copied; not
 * the root). A cursor at one of these numbers can be placed: its next event is a rescan of the
 * directory, which has the last number of the gap. Until an event moves or deletes the directory,
 * or one above it: then the rescan is of a directory above.
 */
void hw_journal_set_scope(struct hw_journal *journal, const char *dir, uint32_t len, uint64_t end);
/* The oldest event after which a cursor can be placed. */
uint64_t hw_journal_oldest(const struct hw_journal *journal);
/* Returns how many events follow event `after`, whether they were dropped or not. Numbers in a gap
 * are no events: nobody knows how many of them were given. */
uint64_t hw_journal_count_after(const struct hw_journal *journal, uint64_t after);
/* Appends an event that was appended before, with its time. Its number must be the next one. */
void hw_journal_restore(struct hw_journal *journal, const struct hw_event *event);
/* Returns the number of an event after which a cursor can be placed: those that follow use at most
 * this many bytes. */
uint64_t hw_journal_tail(const struct hw_journal *journal, uint64_t bytes);
/* journal_scope.c */
/* Returns the gap in which this number is, if its directory is known; NULL otherwise. */
const struct hw_journal_gap *hw_journal_scoped_gap(const struct hw_journal *journal, uint64_t seq);
/* An event is appended. */
void hw_journal_follow_scopes(struct hw_journal *journal, const struct hw_event *event);
void hw_journal_free_gap(struct hw_journal_gap *gap);
void hw_journal_make_rescan(const struct hw_journal_gap *gap, struct hw_event *ret);
/* Places the cursor after event `after`. Returns -ESTALE if the journal does not hold the events
 * that follow, or `after` was not appended yet. */
int hw_journal_seek(const struct hw_journal *journal, uint64_t after,
		    struct hw_journal_cursor *ret);
/* Returns 1 and the next event; 0 at the end; -ESTALE if the next event was dropped, until the
 * cursor is placed again. */
int hw_journal_next(const struct hw_journal *journal, struct hw_journal_cursor *cursor,
		    struct hw_event *ret);

#endif
