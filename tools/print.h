/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints events for people. */
#ifndef HW_PRINT_H
#define HW_PRINT_H

#include <hostwatch/event.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Prints one line: "15:04:05.123 create file src/a.c", with the share's name before the path unless
 * it is NULL. Quotes and escapes names that could be misread; the share's root is ".". Errors are
 * kept in the FILE.
 */
void hw_print_event(FILE *to, const struct hw_event *event, const char *share, bool colour);

/* Prints hw_quote() of these bytes, whatever their number. */
void hw_print_quoted(FILE *to, const char *bytes, size_t len);

/* Returns whether to use colors: the FILE is a terminal, NO_COLOR is not set, and TERM is not
 * "dumb". */
bool hw_print_in_colour(FILE *to);

#endif
