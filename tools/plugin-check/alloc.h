/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the plugin allocates. The program's own malloc() family is what a loaded object gets too, so
 * it can be counted and made to fail; it is glibc's behind a counter. Under a sanitizer, which
 * brings its own, nothing is counted.
 */
#ifndef HW_ALLOC_H
#define HW_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

bool hw_alloc_available(void);

/* Whether the calling thread runs the plugin's code now; returns what it was. */
bool hw_alloc_enter(bool inside);

/* The n-th allocation of the plugin from now on fails, once; 0: none. */
void hw_alloc_fail(uint64_t n);
/* Allocations of the plugin since the last hw_alloc_fail(). */
uint64_t hw_alloc_calls(void);
/* Blocks that the plugin has and did not give back. */
int64_t hw_alloc_live(void);

#endif
