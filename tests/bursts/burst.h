/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A burst: a few operations, chosen at random and written as the lines of a trace. */
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

/* The kinds of operation to choose from, one bit each. */
#define HW_BURST_ALL UINT32_MAX
/* Reads a list of names, "write,rename". Returns 0 and the bits, or -EINVAL. */
int hw_burst_kinds(const char *list, uint32_t *ret);
/* Returns the name of kind i, or NULL after the last kind. */
const char *hw_burst_kind(unsigned i);

/* Chooses 6 to 9 operations that succeed one after the other. They are tried in a new directory of
 * `place`. Returns 0 or -errno. */
int hw_burst_generate(uint64_t seed, uint32_t kinds, const struct hw_place *place,
		      struct hw_burst *ret);
void hw_burst_release(struct hw_burst *burst);

/* Returns the number of lines: the operations come first, then the setup. */
unsigned hw_burst_lines(const struct hw_burst *burst);
/* Makes a trace of the burst without the lines that `skip` marks. Returns 0 or -errno; -ENODATA: no
 * operation remains. */
int hw_burst_trace(const struct hw_burst *burst, const bool *skip, struct hw_trace **ret);
/* Returns whether these operations succeed. */
bool hw_burst_is_possible(const struct hw_trace *trace, const struct hw_place *place);
void hw_burst_print(const struct hw_burst *burst, const bool *skip, FILE *out);

#endif
