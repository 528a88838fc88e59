/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the streams of one burst are true and equal. */
#ifndef HW_TESTS_JUDGE_H
#define HW_TESTS_JUDGE_H

#include "stream.h"

#include <stdio.h>

/* Mistake i as text, NULL after the last. */
const char *hw_judge_mistake(unsigned i);

/* The first thing that is wrong with the streams (the last of them polling's, if it could run) as a
 * short static text, the same for the same kind of mistake; NULL: nothing. Mistakes with their bit
 * in `ignored` are left out. The details go to `report`. */
const char *hw_judge(const struct hw_stream *streams, size_t count, uint32_t ignored, FILE *report);
void hw_judge_show(const struct hw_stream *stream, FILE *out);

#endif
