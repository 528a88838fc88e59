/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the report on stdout: Test Anything Protocol, version 13. */
#ifndef HW_TAP_H
#define HW_TAP_H

#include "kit.h"

#define HW_TAP_TIMEOUT_S 120u /* a check that takes longer has hung */
#define HW_TAP_LINES_MAX 60u /* maximum number of printed lines of one check */

void hw_tap_begin(void);
/* Runs one check in its own process, with its output in the report, and prints its result line. A
 * check that kit->only excludes passes without output. */
enum hw_kit_verdict hw_tap_run(struct hw_kit *kit, const char *name, hw_kit_check *check,
			       const void *arg);
/* Reports a check as skipped. */
void hw_tap_skip(const char *name, const char *reason);
/* Prints the plan. Returns the number of failed checks. After a signal that ends the program, or if
 * the reader of the report has left, no check runs and nothing is printed. */
unsigned hw_tap_end(void);

#endif
