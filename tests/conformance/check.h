/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs traces with a watcher and judges the streams. Does not need a test framework, so that the
 * plugin check can also use it. */
#ifndef HW_TESTS_CHECK_H
#define HW_TESTS_CHECK_H

#include "trace.h"

#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <stdio.h>

enum hw_verdict { HW_PASS, HW_SKIP, HW_FAIL };

/* From now on, shares keep their state: it must not change what they report. */
void hw_check_keep_state(void);

/* Runs one step at a time and observes it before the next one. `plugin`: NULL for the built-in
 * watcher of that name; else `backend` selects the expectations ("polling" for a plugin that
 * scans). Writes failures, or the reason for skipping, to `report`. */
enum hw_verdict hw_check_steps(const struct hw_trace *trace, const char *backend,
			       const struct hw_rig_plugin *plugin, const struct hw_place *place,
			       FILE *report);

/* Runs all operations at once, with every backend that works here: the streams must be equal to
 * each other, consistent, and equal to the trace's burst section if it has one. `turning`: the loop
 * runs between the steps. */
enum hw_verdict hw_check_burst(const struct hw_trace *trace, const struct hw_place *place,
			       bool turning, FILE *report);

#endif
