/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events as people read them. */
#ifndef HW_PRINT_H
#define HW_PRINT_H

#include <hostwatch/event.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * One line: "15:04:05.123  create       file     src/a.c", with the share's name before the path
 * unless it is NULL. Names with bytes that could be misread are quoted and escaped; the share's
 * root is ".". Errors stay in the FILE.
 */
void hw_print_event(FILE *to, const struct hw_event *event, const char *share, bool colour);

/* Whether colours suit this FILE: a terminal, and neither NO_COLOR is set nor TERM "dumb". */
bool hw_print_in_colour(FILE *to);

#endif
