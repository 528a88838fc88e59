/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "suspects.h"

#include "sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 256u

const char *hw_suspects_name(const struct hw_suspects *suspects, const struct hw_suspect *suspect)
{
	return hw_names_get(&suspects->names, suspect->name_ref);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct hw_suspect *x = a, *y = b;
	const struct hw_suspects *s = arg;

	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(hw_suspects_name(s, x), hw_suspects_name(s, y), len);

	if (!c)
		c = (int)x->name_len - (int)y->name_len;
	return c ? c : (x->order > y->order) - (x->order < y->order);
}

/* If the hints are about two inodes, those about the older one are dropped: it lost the name. */
static void merge(struct hw_suspect *into, const struct hw_suspect *newer)
{
	if (into->inode && newer->inode && into->inode != newer->inode)
		into->what &= (uint8_t)~HW_HINTS_OF_DATA;
	/* It was written again after it was closed: another close follows. */
	if (newer->what & HW_HINT_MODIFIED)
		into->what &= (uint8_t)~HW_HINT_CLOSE_WRITE;
	into->what |= newer->what;
	into->order = newer->order;
	if (newer->inode)
		into->inode = newer->inode;
}

static bool is_one_name(const struct hw_suspects *suspects, const struct hw_suspect *a,
			const struct hw_suspect *b)
{
	return a->dir == b->dir && a->name_len == b->name_len &&
	       memcmp(hw_suspects_name(suspects, a), hw_suspects_name(suspects, b), a->name_len) ==
		       0;
}

void hw_suspects_compact(struct hw_suspects *suspects)
{
	struct hw_suspect *list = suspects->list;
	const struct hw_sort how = { compare, suspects, suspects->work };
	uint32_t kept = 0;

	hw_sort(list, suspects->count, sizeof(*list), &how);
	for (uint32_t i = 0; i < suspects->count; i++) {
		hw_slices_rest(suspects->work);
		if (kept && is_one_name(suspects, &list[kept - 1], &list[i])) {
			merge(&list[kept - 1], &list[i]);
			hw_names_remove(&suspects->names, list[i].name_ref, list[i].name_len);
		} else {
			list[kept++] = list[i];
		}
	}
	suspects->count = suspects->compacted = kept;
}

static int compare_name(const struct hw_suspects *suspects, const struct hw_suspect *x,
			hw_token dir, const char *name, size_t len)
{
	if (x->dir != dir)
		return x->dir < dir ? -1 : 1;
	int c = memcmp(hw_suspects_name(suspects, x), name, x->name_len < len ? x->name_len : len);

	return c ? c : (int)x->name_len - (int)len;
}

uint8_t hw_suspects_find(const struct hw_suspects *suspects, hw_token dir, const char *name,
			 size_t len)
{
	uint32_t low = 0, high = suspects->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int c = compare_name(suspects, &suspects->list[middle], dir, name, len);

		if (!c)
			return suspects->list[middle].what;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static int make_room(struct hw_suspects *suspects)
{
	if (suspects->count < suspects->room)
		return 0;
	/* Merges duplicates: many hints about few names need little memory. */
	if (suspects->count > 2 * suspects->compacted + FIRST ||
	    (suspects->count >= HW_SUSPECTS_MAX &&
	     suspects->count - suspects->compacted >= HW_SUSPECTS_MAX / 16))
		hw_suspects_compact(suspects);
	if (suspects->count < suspects->room / 2)
		return 0;
	if (suspects->room >= HW_SUSPECTS_MAX)
		return suspects->count < suspects->room ? 0 : -ENOBUFS;
	uint32_t room = suspects->room ? suspects->room * 2 : FIRST;
	struct hw_suspect *list = realloc(suspects->list, room * sizeof(*list));

	if (!list)
		return -ENOMEM;
	suspects->list = list;
	suspects->room = room;
	return 0;
}

int hw_suspects_add(struct hw_suspects *suspects, hw_token dir, const char *name, size_t len,
		    uint32_t what, uint32_t inode)
{
	int r = make_room(suspects);

	if (r < 0)
		return r;
	uint32_t ref = hw_names_add(&suspects->names, name, len);

	if (!ref)
		return -ENOMEM;
	suspects->list[suspects->count++] = (struct hw_suspect){
		.dir = dir,
		.name_ref = ref,
		.name_len = (uint8_t)len,
		.what = (uint8_t)what,
		.inode = inode,
		.order = suspects->arrivals++,
	};
	return 0;
}

void hw_suspects_clear(struct hw_suspects *suspects)
{
	if (suspects->room > 16 * FIRST) {
		free(suspects->list);
		suspects->list = NULL;
		suspects->room = 0;
	}
	suspects->count = suspects->compacted = 0;
	hw_names_reset(&suspects->names);
}

void hw_suspects_free(struct hw_suspects *suspects)
{
	free(suspects->list);
	hw_names_free_all(&suspects->names);
	*suspects = (struct hw_suspects){ .work = suspects->work };
}
