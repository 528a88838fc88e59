/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "since.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hw_since_names_add(struct since_names *names, const char *name, size_t len, bool dir)
{
	char *copy;

	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		char **items = reallocarray(names->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		names->items = items;
		names->room = room;
	}
	copy = malloc(len + 2);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, name, len);
	if (dir)
		copy[len++] = '/';
	copy[len] = '\0';
	names->items[names->count++] = copy;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void hw_since_names_finish(struct since_names *names)
{
	size_t kept = 0;

	if (!names->count)
		return;
	qsort(names->items, names->count, sizeof(*names->items), compare);
	for (size_t i = 1; i < names->count; i++) {
		if (strcmp(names->items[kept], names->items[i]) == 0)
			free(names->items[i]);
		else
			names->items[++kept] = names->items[i];
	}
	names->count = kept + 1;
}

void hw_since_names_free(struct since_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct since_names){ 0 };
}
