/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sort.h"

#include <stdlib.h>
#include <string.h>

#define RUN 256u /* items sorted or copied without rest */
#define STRIDE 16u /* items merged without rest */

struct runs {
	char *from, *to; /* both of the same size; from is read, to is written */
	size_t count, size;
};

/* Merges [first, middle) and [middle, end). */
static void merge(const struct runs *runs, size_t first, size_t middle, size_t end,
		  const struct hw_sort *how)
{
	const char *from = runs->from;
	size_t size = runs->size, a = first, b = middle;

	for (size_t i = first; i < end; i++) {
		bool take_a =
			b == end || (a < middle &&
				     how->compare(from + a * size, from + b * size, how->arg) <= 0);

		memcpy(runs->to + i * size, from + (take_a ? a++ : b++) * size, size);
		if (i % STRIDE == 0)
			hw_slices_step(how->rest, STRIDE);
	}
}

static void copy_all(const struct runs *runs, const struct hw_sort *how)
{
	for (size_t i = 0; i < runs->count; i += RUN) {
		size_t count = runs->count - i < RUN ? runs->count - i : RUN;

		memcpy(runs->to + i * runs->size, runs->from + i * runs->size, count * runs->size);
		hw_slices_step(how->rest, RUN);
	}
}

static void merge_all(struct runs *runs, const struct hw_sort *how)
{
	for (size_t width = RUN; width < runs->count; width *= 2) {
		char *read = runs->from;

		for (size_t i = 0; i < runs->count; i += 2 * width) {
			size_t left = runs->count - i;
			size_t middle = i + (left < width ? left : width);
			size_t end = i + (left < 2 * width ? left : 2 * width);

			merge(runs, i, middle, end, how);
		}
		runs->from = runs->to;
		runs->to = read;
	}
}

void hw_sort(void *base, size_t count, size_t size, const struct hw_sort *how)
{
	char *spare = count > RUN ? reallocarray(NULL, count, size) : NULL;
	struct runs runs = { .from = base, .to = spare, .count = count, .size = size };

	if (!spare) {
		if (count)
			qsort_r(base, count, size, how->compare, how->arg);
		return;
	}
	for (size_t i = 0; i < count; i += RUN) {
		qsort_r((char *)base + i * size, count - i < RUN ? count - i : RUN, size,
			how->compare, how->arg);
		hw_slices_step(how->rest, RUN);
	}
	merge_all(&runs, how);
	if (runs.from != base)
		copy_all(&runs, how);
	free(spare);
}
