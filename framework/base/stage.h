/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the time of a program goes between the kernel's queue and its output: the time of each
 * stage, without that of the stages within it. Measured only if HOSTWATCH_STAGES is set in the
 * environment; otherwise a stage costs one test, and no clock is read. Works on a thread of their
 * own (thread.h) are not measured.
 */
#ifndef HW_STAGE_H
#define HW_STAGE_H

#include <hostwatch/probe.h>
#include <stdbool.h>
#include <stdint.h>

enum hw_stage {
	HW_STAGE_OTHER, /* the loop, and all that is not listed here */
	HW_STAGE_WAIT, /* asleep: nothing to do */
	HW_STAGE_READ, /* a watcher reads its queue and takes records apart */
	HW_STAGE_HINT, /* a hint is compared with the tree */
	HW_STAGE_HISTORY, /* the tree is changed, and an event decided */
	HW_STAGE_LOOK, /* an entry is examined: statx(2) */
	HW_STAGE_JOURNAL, /* an event is appended to the journal */
	HW_STAGE_TURN, /* the rest of an iteration: refresh, rounds, marks, scans */
	HW_STAGE_ENCODE, /* an event is read from the journal and encoded */
	HW_STAGE_SINK, /* a sink is woken: it encodes and sends */
	HW_STAGE_SEND, /* output is written */
	HW_STAGE_COUNT
};

#define HW_STAGES_ENV "HOSTWATCH_STAGES"

/* Begins to measure if the environment says so, and prints the table to standard error when the
 * process exits. Call this at the start of a program. */
void hw_stages_begin(void);
/* Sets the stage of this thread, outside of any HW_STAGE(): for a loop. */
void hw_stage_set(enum hw_stage stage);

/* The block is this stage until it ends. */
#define HW_STAGE(stage)                                                                            \
	__attribute__((cleanup(hw_stage_leave), unused)) enum hw_stage hw_stage_before =           \
		hw_stage_enter(stage)

/* ---- for the macro ---- */

extern bool hw_stages_on;
enum hw_stage hw_stage_begin(enum hw_stage stage); /* returns the one that it interrupts */
void hw_stage_end(enum hw_stage before);

static inline enum hw_stage hw_stage_enter(enum hw_stage stage)
{
	return __builtin_expect(hw_stages_on, 0) ? hw_stage_begin(stage) : HW_STAGE_OTHER;
}

static inline void hw_stage_leave(const enum hw_stage *before)
{
	if (__builtin_expect(hw_stages_on, 0))
		hw_stage_end(*before);
}

#endif
