/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the output of a watcher, in one of several formats. */
#ifndef HW_BENCH_REPORTS_H
#define HW_BENCH_REPORTS_H

#include <stdio.h>

#define REPORT_CREATED 1u
#define REPORT_CHANGED 2u
#define REPORT_DELETED 4u

/* Called with each path of the output and the kinds of changes that were reported of it. The path
 * is borrowed for the call. */
typedef void reports_fn(void *arg, const char *path, unsigned kinds);

/*
 * Reads all lines. Formats:
 *	json      hostwatch watch --json
 *	words     a path, a blank, and names of events, separated by commas or blanks (inotifywait,
 *	          fswatch -x)
 *	raw       a mask in hexadecimal, a blank, and a name
 *	watchman  the messages of a subscription to name, exists and new
 * Calls bench_die() for another format.
 */
void reports_read(FILE *from, const char *format, reports_fn *report, void *arg);

#endif
