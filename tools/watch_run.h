/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command that `hostwatch watch` runs after changes. */
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
	RUNNER_OVER, /* the program is ending: no further transitions */
};

struct runner {
	struct watch *watch; /* borrowed: the owner */
	char *const *command; /* borrowed from argv */
	char *const *all; /* borrowed from argv: all operands, ends with NULL */
	enum runner_state state;
	struct hw_run run;
	struct hw_timer *settle; /* owned */
	uint64_t settle_until_ns; /* loop time, the latest end of settling */
	struct hw_batch fresh; /* not attributed yet */
	struct hw_batch pending; /* made by other processes: passed to the next run */
	struct hw_outputs outputs;
	struct hw_writers writers; /* valid if knows_writers */
	const char **dirs; /* owned: directories of the targets */
	bool knows_writers;
	struct hw_activity activity; /* used otherwise */
	struct hw_rest rest; /* idle interval of the command */
	size_t flushes; /* number of shares that have not answered */
	uint64_t runs; /* number of completed runs */
	bool said_why; /* it was printed in this run that another run will follow */
	int events_fd; /* owned: events of the current run; -1 */
};

/* The command line must be complete: all ends with NULL. Returns 0, or an exit status. */
int hw_runner_init(struct runner *runner, struct watch *w, char *const *command, char *const *all);
/* Call this before the shares are destroyed. */
void hw_runner_stop(struct runner *runner);
void hw_runner_free(struct runner *runner);

/* Call this when everything is watched. */
void hw_runner_begin(struct runner *runner);
/* Takes an event. */
void hw_runner_take(struct runner *runner, const struct watched *watched,
		    const struct hw_event *event);
/* Call this when all available events were taken. */
void hw_runner_advance(struct runner *runner);
/* Passes a signal to the command. Returns false if none is running; otherwise, hw_watch_stop() is
 * called with this status when it has ended. */
bool hw_runner_end(struct runner *runner, int number);

#endif
