/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs traces against a watcher and judges the streams. Knows no test framework, so that a plugin
 * check can use it too. */
#ifndef HW_TESTS_CHECK_H
#define HW_TESTS_CHECK_H

#include "trace.h"

#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <stdio.h>

enum hw_verdict { HW_PASS, HW_SKIP, HW_FAIL };

/* One operation at a time, each observed before the next. `plugin`: NULL for the built one of
 * that name; else `backend` says whose expectations hold ("polling" for one that scans). What went
 * wrong, or why it was skipped, is written to `report`. */
enum hw_verdict hw_check_steps(const struct hw_trace *trace, const char *backend,
			       const struct hw_rig_plugin *plugin, const struct hw_place *place,
			       FILE *report);

/* All operations at once, under every backend that works here: the streams must be equal to each
 * other, consistent, and equal to the trace's burst section if it has one. `turning`: the loop
 * turns between the operations. */
enum hw_verdict hw_check_burst(const struct hw_trace *trace, const struct hw_place *place,
			       bool turning, FILE *report);

#endif
