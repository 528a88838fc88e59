/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command that `hostwatch watch` runs when something has changed. */
#ifndef HW_WATCH_RUN_H
#define HW_WATCH_RUN_H

#include "activity.h"
#include "batch.h"
#include "outputs.h"
#include "run.h"
#include "share.h"
#include "writers.h"

struct watch;
struct watched;

/*
 *	         events                  the shares are flushed
 *	IDLE -------------> GATHERING -----------------------> RUNNING
 *	 ^  ^                   ^                                 |
 *	 |  |           settled |                                 | it ends
 *	 |  '---- no    SETTLING <-------.                        v
 *	 |  others                        '-- changes of -- JUDGING (the shares are flushed)
 *	 |                                     others
 *
 * With --restart, changes of others in RUNNING lead to STOPPING; when the command has ended,
 * JUDGING follows and the next run begins at once. A signal leads to ENDING.
 */
enum runner_state {
	RUNNER_IDLE,
	RUNNER_SETTLING,
	RUNNER_GATHERING,
	RUNNER_RUNNING,
	RUNNER_STOPPING,
	RUNNER_JUDGING,
	RUNNER_ENDING,
	RUNNER_OVER, /* of the program: nothing happens any more */
};

struct runner {
	struct watch *watch; /* borrowed: the owner */
	char *const *command; /* borrowed from argv */
	char *const *all; /* borrowed from argv: all operands, ends with NULL */
	enum runner_state state;
	struct hw_run run;
	struct hw_timer *settle; /* owned */
	uint64_t settle_until_ns; /* loop time, at the latest */
	struct hw_batch fresh; /* not judged yet */
	struct hw_batch pending; /* made by others: the next run is about them */
	struct hw_outputs outputs;
	struct hw_writers writers; /* if knows_writers */
	const char **dirs; /* owned: of the targets */
	bool knows_writers;
	struct hw_activity activity; /* otherwise */
	struct hw_rest rest; /* of the command */
	size_t flushes; /* shares that have not answered */
	uint64_t runs; /* that have ended */
	bool said_why; /* it will run again, in this run */
	int events_fd; /* owned: of the current run; -1 */
};

/* The command line is complete: all ends with NULL. 0, or an exit status. */
int hw_runner_init(struct runner *runner, struct watch *w, char *const *command, char *const *all);
/* The shares are about to be destroyed. */
void hw_runner_stop(struct runner *runner);
void hw_runner_free(struct runner *runner);

/* Everything is watched. */
void hw_runner_begin(struct runner *runner);
/* An event. */
void hw_runner_take(struct runner *runner, const struct watched *watched,
		    const struct hw_event *event);
/* All events that there are were taken. */
void hw_runner_advance(struct runner *runner);
/* Passes a signal to the command. False: none runs; else hw_watch_stop() is called when it has
 * ended, with this status. */
bool hw_runner_end(struct runner *runner, int number);

#endif
