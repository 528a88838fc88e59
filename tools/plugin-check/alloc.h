/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counts the plugin's allocations, and makes them fail. A loaded object uses the program's malloc()
 * family, which is glibc's with a counter. A sanitizer has its own allocator; then nothing is
 * counted.
 */
#ifndef HW_ALLOC_H
#define HW_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

bool hw_alloc_available(void);

/* Sets whether the calling thread runs the plugin's code; returns the previous value. */
bool hw_alloc_enter(bool inside);

/* The n-th following allocation of the plugin fails, once; 0: none fails. */
void hw_alloc_fail(uint64_t n);
/* Returns the number of allocations of the plugin since the last hw_alloc_fail(). */
uint64_t hw_alloc_calls(void);
/* Returns the number of blocks that the plugin has not freed. */
int64_t hw_alloc_live(void);

#endif
