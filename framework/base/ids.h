/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A list of numbers that grows. */
#ifndef HW_IDS_H
#define HW_IDS_H

#include <stdint.h>

/* All zero is an empty list. */
struct hw_ids {
	uint32_t *ids; /* owned */
	uint32_t count, room;
};

int hw_ids_add(struct hw_ids *ids, uint32_t id); /* 0 or -ENOMEM */
void hw_ids_free(struct hw_ids *ids);
/* For qsort(3), bsearch(3). */
int hw_compare_ids(const void *a, const void *b);

#endif
