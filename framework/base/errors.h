/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collects mistakes, so that all of them can be shown at once. */
#ifndef HW_ERRORS_H
#define HW_ERRORS_H

#include <hostwatch/plugin.h>
#include <stddef.h>
#include <stdio.h>

#define HW_ERRORS_MAX 1000u /* lines kept; further lines are only counted */
#define HW_ERRORS_LINE_MAX 1024u /* bytes of a line; longer ones are cut */

/* Zeroed by the caller, released by hw_errors_free(). Lines have no newline, and are safe to print.
 * */
struct hw_errors {
	char **lines; /* owned */
	size_t count; /* lines kept */
	size_t total; /* lines added */
};

/* Adds a line; if errors is NULL, logs it as an error. Text from outside must go through hw_quote()
 * first. If memory is short, the line is only counted. */
void hw_errors_add(struct hw_errors *errors, const char *format, ...) HW_PRINTF(2, 3);
/* Prints one line per mistake, and the number of lines that were not kept. */
void hw_errors_print(const struct hw_errors *errors, FILE *to);
/* Sorts lines that begin "FILE:LINE:" by line within a file. */
void hw_errors_sort(struct hw_errors *errors);
void hw_errors_log(const struct hw_errors *errors);
void hw_errors_free(struct hw_errors *errors);

#endif
