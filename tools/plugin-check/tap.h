/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report: Test Anything Protocol, version 13, on stdout. */
#ifndef HW_TAP_H
#define HW_TAP_H

#include "kit.h"

#define HW_TAP_TIMEOUT_S 120u /* a check that takes longer hangs */
#define HW_TAP_LINES_MAX 60u /* of one check's report that are printed */

void hw_tap_begin(void);
/* Runs one check in a process of its own, with its output in the report, and prints its line. One
 * that kit->only leaves out passes untold. */
enum hw_kit_verdict hw_tap_run(struct hw_kit *kit, const char *name, hw_kit_check *check,
			       const void *arg);
/* A check that is not run. */
void hw_tap_skip(const char *name, const char *reason);
/* The plan. Returns how many checks failed. Once a signal ends the program, or the reader of the
 * report has left, no check runs any more and nothing is printed. */
unsigned hw_tap_end(void);

#endif
