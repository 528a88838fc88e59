/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A heap of numbers; the smallest is removed first. Zeroed before use, released by hw_heap_free().
 * */
#ifndef HW_HEAP_H
#define HW_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct hw_heap {
	uint32_t *items; /* owned */
	uint32_t count, room;
};

int hw_heap_push(struct hw_heap *heap, uint32_t number); /* 0 or -ENOMEM */
/* Removes the smallest number. Returns false if the heap is empty. */
bool hw_heap_pop(struct hw_heap *heap, uint32_t *ret);
void hw_heap_free(struct hw_heap *heap);

#endif
