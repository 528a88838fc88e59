/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies of the logs on the disk of the snapshots, for the next run after a loss of power. A work
 * (keep_worker.h) appends to them what is new in the logs and waits for the disk; neither the loop
 * nor an event waits for it. It begins at once after a pause, otherwise a second after it has begun
 * last, and rests for 20 times as long as the disk took (at most 10 s). The other functions are
 * called on the loop.
 */
#ifndef HW_KEEP_COPY_H
#define HW_KEEP_COPY_H

#include "loop.h"

#include <stdbool.h>
#include <stdint.h>

struct hw_share;

struct hw_keep_copy {
	bool running; /* Until it has ended, the members that follow are those of the work */
	bool ended;
	struct hw_share *share; /* borrowed: for its name, which does not change, and keep.file */
	int dir, log_dir; /* borrowed from struct hw_keep */
	uint64_t needed; /* copies of logs before this generation are removed */
	uint64_t removed; /* those before this generation were */
	uint64_t to, to_bytes; /* the newest log, and how much of it is copied */
	uint64_t generation, bytes; /* so much of this log, and all logs before it, are copied */
	int error; /* why the work ended early */
	uint64_t took_ns; /* how long the disk took */
	/* Of the loop. */
	struct hw_timer *timer; /* owned: runs an iteration in which the next copy can begin */
	uint64_t wakes_ns; /* loop time at which the timer fires; 0: it is not set */
	uint64_t begun_ns, next_ns; /* loop time: of the last copy; no copy begins earlier */
	bool warned; /* that they cannot be written */
};

/* Returns 0 or -ENOMEM. */
int hw_keep_copy_init(struct hw_share *share);
/* The log of this generation begins. Removes the copies that do not belong to the state, for which
 * it waits. */
void hw_keep_copy_begin(struct hw_share *share);
/* Call it at the end of each iteration: begins and ends copies. */
void hw_keep_copy_turn(struct hw_share *share);
/* Returns whether the disk has the log of this generation up to this byte, or a snapshot instead.
 */
static inline bool hw_keep_copy_has(const struct hw_keep_copy *copy, uint64_t generation,
				    uint64_t bytes)
{
	return !copy->running && (copy->generation > generation ||
				  (copy->generation == generation && copy->bytes >= bytes));
}

/* Waits for the work. */
void hw_keep_copy_stop(struct hw_share *share);
/* Removes all copies; waits for the disk. The work does not run. */
void hw_keep_copy_remove(struct hw_share *share);
void hw_keep_copy_end(struct hw_share *share);

#endif
