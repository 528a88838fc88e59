/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds out which names a command writes from the times of their changes, if the kernel does not
 * report which process made them:
 *
 *   - a name that appears while the command runs is written by it;
 *   - any other name is written by it once it has changed in HW_OUTPUTS_RUNS runs and never between
 *     them.
 *
 * Changes of other names during a run are made by other processes.
 */
#ifndef HW_OUTPUTS_H
#define HW_OUTPUTS_H

#include "hashes.h"

#include <stdbool.h>

#define HW_OUTPUTS_RUNS 3u
#define HW_OUTPUTS_MAX (1u << 20) /* names stored; at the limit, all are removed */

/* Zeroed by the caller. */
struct hw_outputs {
	struct hw_hashes names;
	uint32_t run; /* number of the current run */
};

void hw_outputs_free(struct hw_outputs *outputs);
/* Call this when a run begins. */
void hw_outputs_begin(struct hw_outputs *outputs);
/* Call this if the name changed during this run. Returns whether the command wrote it. `appeared`:
 * the name was absent before. */
bool hw_outputs_changed(struct hw_outputs *outputs, const char *name, bool appeared);
/* Call this if the name changed while the command did not run. */
void hw_outputs_changed_outside(struct hw_outputs *outputs, const char *name);

#endif
