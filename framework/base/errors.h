/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mistakes, collected so that all of them can be shown at once. */
#ifndef HW_ERRORS_H
#define HW_ERRORS_H

#include <hostwatch/plugin.h>
#include <stddef.h>
#include <stdio.h>

#define HW_ERRORS_MAX 1000u /* lines kept; more are counted only */
#define HW_ERRORS_LINE_MAX 1024u /* bytes of a line; longer ones are cut */

/* Zeroed by the caller, ended with hw_errors_free(). Lines have no newline, and are safe to print.
 */
struct hw_errors {
	char **lines; /* owned */
	size_t count; /* lines kept */
	size_t total; /* lines added */
};

/* NULL logs the line as an error instead. Text from outside goes through hw_quote() first. Out of
 * memory the line is counted only. */
void hw_errors_add(struct hw_errors *errors, const char *format, ...) HW_PRINTF(2, 3);
/* A line each, and how many were not kept. */
void hw_errors_print(const struct hw_errors *errors, FILE *to);
/* By file and line: lines that begin "FILE:LINE:" in the order of the file. */
void hw_errors_sort(struct hw_errors *errors);
void hw_errors_log(const struct hw_errors *errors);
void hw_errors_free(struct hw_errors *errors);

#endif
