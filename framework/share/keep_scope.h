/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scope: a directory such that all events that the copy of the log lacks are about names below
 * it. After a loss of power, receivers of such events read this directory again, and not the share.
 *
 * The log says where the events that follow are (HW_STATE_SCOPE). An event that is elsewhere widens
 * the scope; it and later events are not readable before the wider scope is on the disk. If that
 * takes too long, they get numbers for which no scope was logged. A scope that could be smaller is
 * narrowed from time to time.
 *
 * Why the disk is never wrong: after a loss of power, the last scope of the copy is one of those
 * between `sure` and `now`. An event is readable if each of them covers it.
 */
#ifndef HW_KEEP_SCOPE_H
#define HW_KEEP_SCOPE_H

#include "state.h"
#include <hostwatch/event.h>

#include <stdbool.h>
#include <stdint.h>

struct hw_share;

struct hw_keep_scope {
	struct hw_state_scope now; /* as the log says, or will say if `changed` is set */
	struct hw_state_scope sure; /* the oldest one that the disk may have */
	struct hw_state_scope recent; /* the deepest directory of all events since `since_ns` */
	struct hw_state_scope lost; /* that of the numbers which this run skips */
	bool any; /* `recent` is set */
	bool changed; /* `now` is not in the log */
	bool pending; /* `now` is not known to be on the disk */
	uint64_t generation, bytes; /* it is, when the copy has reached this place in the log */
	uint64_t end; /* scopes were logged for numbers up to this one */
	uint64_t waits_from; /* this event and later ones are not readable; 0: none waits */
	uint64_t waits_ns; /* loop time at which that began */
	uint64_t since_ns; /* loop time */
	uint64_t every_ns; /* between two narrowings */
	uint64_t patience_ns; /* so long events wait for the disk */
};

/* keep_scope.c */
/* An event is written to the log. */
void hw_keep_scope_note(struct hw_share *share, const struct hw_event *event);
/* Events up to the newest one were noted: reserves numbers for the scope. */
void hw_keep_scope_reserve(struct hw_share *share);
/* The frame that was written last has the scope. */
void hw_keep_scope_logged(struct hw_share *share);
/* A log begins: it says that events are anywhere. */
void hw_keep_scope_begin_log(struct hw_share *share);
/* Begins after a run that has logged scopes up to `end`. The new log has a head. */
void hw_keep_scope_continue(struct hw_share *share);
/* The logs end: events after this one, which is the last that may have been read, get other
 * numbers. */
void hw_keep_scope_abandon(struct hw_share *share, uint64_t readable);

/* keep_wait.c */
/* Makes events readable that the disk has a scope for. A work may rest. */
void hw_keep_wait_check(struct hw_share *share);
/* The same, and narrows the scope, or ends the waiting. No work rests. */
void hw_keep_wait_turn(struct hw_share *share);

#endif
