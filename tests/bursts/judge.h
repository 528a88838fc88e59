/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks that the streams of one burst are true and equal. */
#ifndef HW_TESTS_JUDGE_H
#define HW_TESTS_JUDGE_H

#include "stream.h"

#include <stdio.h>

/* Returns mistake i as text, or NULL after the last one. */
const char *hw_judge_mistake(unsigned i);

/* Returns the first mistake in the streams as a short static text, the same text for the same kind
 * of mistake; NULL: no mistake. The stream of polling, if it could run, must be the last one.
 * Ignores mistakes whose bit is set in `ignored`. Writes the details to `report`. */
const char *hw_judge(const struct hw_stream *streams, size_t count, uint32_t ignored, FILE *report);
void hw_judge_show(const struct hw_stream *stream, FILE *out);

#endif
