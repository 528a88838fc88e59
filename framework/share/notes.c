/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notes.h"

#include "sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 256u

const char *hw_notes_name(const struct hw_notes *notes, const struct hw_note *note)
{
	return hw_names_get(&notes->names, note->name_ref);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct hw_note *x = a, *y = b;
	const struct hw_notes *s = arg;

	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(hw_notes_name(s, x), hw_notes_name(s, y), len);

	if (!c)
		c = (int)x->name_len - (int)y->name_len;
	return c ? c : (x->order > y->order) - (x->order < y->order);
}

/* If the hints are about two inodes, those about the older one are dropped: it lost the name. */
static void merge(struct hw_note *into, const struct hw_note *newer)
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

static bool is_one_name(const struct hw_notes *notes, const struct hw_note *a,
			const struct hw_note *b)
{
	return a->dir == b->dir && a->name_len == b->name_len &&
	       memcmp(hw_notes_name(notes, a), hw_notes_name(notes, b), a->name_len) == 0;
}

void hw_notes_compact(struct hw_notes *notes)
{
	struct hw_note *list = notes->list;
	const struct hw_sort how = { compare, notes, notes->work };
	uint32_t kept = 0;

	hw_sort(list, notes->count, sizeof(*list), &how);
	for (uint32_t i = 0; i < notes->count; i++) {
		hw_slices_rest(notes->work);
		if (kept && is_one_name(notes, &list[kept - 1], &list[i])) {
			merge(&list[kept - 1], &list[i]);
			hw_names_remove(&notes->names, list[i].name_ref, list[i].name_len);
		} else {
			list[kept++] = list[i];
		}
	}
	notes->count = notes->compacted = kept;
}

static int compare_name(const struct hw_notes *notes, const struct hw_note *x, hw_token dir,
			const char *name, size_t len)
{
	if (x->dir != dir)
		return x->dir < dir ? -1 : 1;
	int c = memcmp(hw_notes_name(notes, x), name, x->name_len < len ? x->name_len : len);

	return c ? c : (int)x->name_len - (int)len;
}

uint8_t hw_notes_find(const struct hw_notes *notes, hw_token dir, const char *name, size_t len)
{
	uint32_t low = 0, high = notes->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int c = compare_name(notes, &notes->list[middle], dir, name, len);

		if (!c)
			return notes->list[middle].what;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static int make_room(struct hw_notes *notes)
{
	if (notes->count < notes->room)
		return 0;
	/* Merges duplicates: many hints about few names need little memory. */
	if (notes->count > 2 * notes->compacted + FIRST ||
	    (notes->count >= HW_NOTES_MAX && notes->count - notes->compacted >= HW_NOTES_MAX / 16))
		hw_notes_compact(notes);
	if (notes->count < notes->room / 2)
		return 0;
	if (notes->room >= HW_NOTES_MAX)
		return notes->count < notes->room ? 0 : -ENOBUFS;
	uint32_t room = notes->room ? notes->room * 2 : FIRST;
	struct hw_note *list = realloc(notes->list, room * sizeof(*list));

	if (!list)
		return -ENOMEM;
	notes->list = list;
	notes->room = room;
	return 0;
}

int hw_notes_add(struct hw_notes *notes, hw_token dir, const char *name, size_t len, uint32_t what,
		 uint32_t inode)
{
	int r = make_room(notes);

	if (r < 0)
		return r;
	uint32_t ref = hw_names_add(&notes->names, name, len);

	if (!ref)
		return -ENOMEM;
	notes->list[notes->count++] = (struct hw_note){
		.dir = dir,
		.name_ref = ref,
		.name_len = (uint8_t)len,
		.what = (uint8_t)what,
		.inode = inode,
		.order = notes->arrivals++,
	};
	return 0;
}

void hw_notes_clear(struct hw_notes *notes)
{
	if (notes->room > 16 * FIRST) {
		free(notes->list);
		notes->list = NULL;
		notes->room = 0;
	}
	notes->count = notes->compacted = 0;
	hw_names_reset(&notes->names);
}

void hw_notes_free(struct hw_notes *notes)
{
	free(notes->list);
	hw_names_free_all(&notes->names);
	*notes = (struct hw_notes){ .work = notes->work };
}
