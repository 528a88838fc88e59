/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sorting of arrays that may be very large. */
#ifndef HW_SORT_H
#define HW_SORT_H

#include "slices.h"

struct hw_sort {
	int (*compare)(const void *a, const void *b, void *arg);
	void *arg; /* borrowed: of compare() */
	struct hw_slices *rest; /* borrowed: the work that calls, which may rest; NULL: none */
};

/* As qsort_r(3), and stable. If out of memory, it is qsort_r(3), without rest. Accepts NULL if
 * count is 0. */
void hw_sort(void *base, size_t count, size_t size, const struct hw_sort *how);

#endif
