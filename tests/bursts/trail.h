/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The path of a place changes with the moves of the directories above it. An event has the path of
 * its moment; the states before and after the burst have others.
 */
#ifndef HW_TESTS_TRAIL_H
#define HW_TESTS_TRAIL_H

struct hw_stream;

/* If `path` is `dir` or below it, returns the path with `to` in place of `dir`; else NULL. The
 * caller owns the text. */
char *hw_trail_replace(const char *path, const char *dir, const char *to);

/* Sets `before` and `after` of all events of a stream. */
void hw_trail_events(struct hw_stream *stream);

#endif
