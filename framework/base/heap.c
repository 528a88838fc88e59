/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "heap.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST 64u

int hw_heap_push(struct hw_heap *heap, uint32_t number)
{
	uint32_t at = heap->count;

	if (heap->count == heap->room) {
		uint32_t room = heap->room ? heap->room * 2 : FIRST;
		uint32_t *items = reallocarray(heap->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		heap->items = items;
		heap->room = room;
	}
	heap->count++;
	for (; at && heap->items[(at - 1) / 2] > number; at = (at - 1) / 2)
		heap->items[at] = heap->items[(at - 1) / 2];
	heap->items[at] = number;
	return 0;
}

bool hw_heap_pop(struct hw_heap *heap, uint32_t *ret)
{
	uint32_t last, at = 0, child;

	if (!heap->count)
		return false;
	*ret = heap->items[0];
	last = heap->items[--heap->count];
	while ((child = 2 * at + 1) < heap->count) {
		if (child + 1 < heap->count && heap->items[child + 1] < heap->items[child])
			child++;
		if (heap->items[child] >= last)
			break;
		heap->items[at] = heap->items[child];
		at = child;
	}
	if (heap->count)
		heap->items[at] = last;
	return true;
}

void hw_heap_free(struct hw_heap *heap)
{
	free(heap->items);
	*heap = (struct hw_heap){ 0 };
}
