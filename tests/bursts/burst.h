/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A burst: a few operations, written as the lines of a trace, and their random choice. */
#ifndef HW_TESTS_BURST_H
#define HW_TESTS_BURST_H

#include "tests/common/scratch.h"
#include "tests/conformance/trace.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HW_BURST_LINES 64u
#define HW_BURST_SKIPS (2 * HW_BURST_LINES)

struct hw_burst {
	char *setup[HW_BURST_LINES]; /* owned */
	unsigned setup_count;
	char *ops[HW_BURST_LINES]; /* owned */
	unsigned op_count;
};

/* The kinds of operation that are chosen, a bit each. */
#define HW_BURST_ALL UINT32_MAX
/* Reads a list of names, "write,rename": 0 and the bits, -EINVAL. */
int hw_burst_kinds(const char *list, uint32_t *ret);
/* The name of kind i, NULL after the last. */
const char *hw_burst_kind(unsigned i);

/* Chooses 6 to 9 operations that succeed one after the other. They are tried in a fresh directory
 * of `place`. -errno. */
int hw_burst_generate(uint64_t seed, uint32_t kinds, const struct hw_place *place,
		      struct hw_burst *ret);
void hw_burst_release(struct hw_burst *burst);

/* Its lines: the operations, then those of the setup. */
unsigned hw_burst_lines(const struct hw_burst *burst);
/* The burst without the lines that `skip` marks, as a trace. -errno; -ENODATA: no operation. */
int hw_burst_trace(const struct hw_burst *burst, const bool *skip, struct hw_trace **ret);
/* Whether these operations succeed. */
bool hw_burst_is_possible(const struct hw_trace *trace, const struct hw_place *place);
void hw_burst_print(const struct hw_burst *burst, const bool *skip, FILE *out);

#endif
