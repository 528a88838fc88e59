/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of watched objects. */
#include "compare.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void hw_compare_watched_begin(struct hw_compare *c)
{
	c->known.watch++;
	c->uncovered = false;
	c->known.full = false;
	c->idle = false;
	c->numbers_count = 0;
}

/* Without a cached name, it is found by its number if it was watched before. */
static void add_number(struct hw_compare *c, uint64_t ino)
{
	if (c->numbers_count == c->numbers_room) {
		size_t room = 2 * c->numbers_room + 64;
		uint64_t *numbers = realloc(c->numbers, room * sizeof(*numbers));

		if (!numbers) {
			c->uncovered = true;
			return;
		}
		c->numbers = numbers;
		c->numbers_room = room;
	}
	c->numbers[c->numbers_count++] = ino;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool has_number(const struct hw_compare *c, uint64_t ino)
{
	return c->numbers_count &&
	       bsearch(&ino, c->numbers, c->numbers_count, sizeof(ino), compare_numbers);
}

void hw_compare_watched(struct hw_compare *c, const struct hw_guest_object *object,
			const char *path)
{
	struct hw_known *e;

	if (object->path_len == HW_GUEST_NO_PATH) {
		add_number(c, object->ino);
		return;
	}
	e = hw_known_get(&c->known, path, object->path_len);
	if (!e) {
		c->uncovered = true;
		return;
	}
	e->watch = c->known.watch;
	if (!c->active)
		hw_known_clear(&c->known, e, HW_KNOWN_STUCK);
	if (e->flags & HW_KNOWN_TOO_LARGE)
		c->uncovered = true;
	else if (S_ISDIR(object->mode) && !(e->flags & (HW_KNOWN_LISTED | HW_KNOWN_FRESH)))
		hw_known_set(&c->known, e, HW_KNOWN_FRESH);
	else if (!(e->flags & (HW_KNOWN_WATCHED | HW_KNOWN_NAME)))
		hw_known_set(&c->known, e, HW_KNOWN_FRESH);
	hw_known_set(&c->known, e, HW_KNOWN_WATCHED);
	if (e->flags & HW_KNOWN_FRESH)
		hw_known_requeue(&c->known, e, true);
}

void hw_compare_watched_end(struct hw_compare *c)
{
	struct hw_list *at = c->known.watched.next;
	size_t matched = 0;

	if (c->numbers_count)
		qsort(c->numbers, c->numbers_count, sizeof(*c->numbers), compare_numbers);
	while (at != &c->known.watched) {
		struct hw_known *e = HW_KNOWN_OF(at, watched);

		at = at->next;
		if (e->watch == c->known.watch)
			continue;
		if (has_number(c, e->state.ino))
			matched++;
		else
			hw_known_unwatch(&c->known, e);
	}
	if (matched < c->numbers_count)
		c->uncovered = true;
}

void hw_compare_watched_all(struct hw_compare *c, const void *objects, size_t len)
{
	const char *at = objects, *end = at + len;

	hw_compare_watched_begin(c);
	while ((size_t)(end - at) >= sizeof(struct hw_guest_object)) {
		struct hw_guest_object object;
		size_t path_len;

		memcpy(&object, at, sizeof(object));
		at += sizeof(object);
		path_len = object.path_len == HW_GUEST_NO_PATH ? 0 : object.path_len;
		if ((path_len + 7) / 8 * 8 > (size_t)(end - at))
			break;
		hw_compare_watched(c, &object, at);
		at += (path_len + 7) / 8 * 8;
	}
	hw_compare_watched_end(c);
}

void hw_compare_count(const struct hw_compare *c, unsigned *ret_watched, unsigned *ret_examined)
{
	const struct hw_list *at = c->known.watched.next;

	*ret_watched = *ret_examined = 0;
	for (; at != &c->known.watched; at = at->next) {
		const struct hw_known *e = HW_KNOWN_OF(at, watched);

		++*ret_watched;
		if (!(e->flags & (HW_KNOWN_FRESH | HW_KNOWN_TOO_LARGE)))
			++*ret_examined;
	}
}
