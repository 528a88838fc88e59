/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "names.h"
#include "common.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 4096u

/* Returns the slot of the path, or the free one where it belongs. */
static size_t *slot_of(const struct names *names, const char *path)
{
	uint64_t hash = 14695981039346656037u;

	for (const char *at = path; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 1099511628211u;
	hash ^= hash >> 32;
	for (size_t i = hash & (names->slots - 1);; i = (i + 1) & (names->slots - 1)) {
		size_t *slot = &names->table[i];

		if (!*slot || strcmp(names->all[*slot - 1]->path, path) == 0)
			return slot;
	}
}

static void grow(struct names *names)
{
	free(names->table);
	names->slots = names->slots ? 2 * names->slots : FIRST_SLOTS;
	names->table = calloc(names->slots, sizeof(names->table[0]));
	names->size = names->slots / 2;
	names->all = realloc(names->all, names->size * sizeof(names->all[0]));
	if (!names->table || !names->all)
		bench_die(ENOMEM, "names");
	for (size_t i = 0; i < names->count; i++)
		*slot_of(names, names->all[i]->path) = i + 1;
}

struct name *names_find(const struct names *names, const char *path)
{
	size_t index = names->slots ? *slot_of(names, path) : 0;

	return index ? names->all[index - 1] : NULL;
}

struct name *names_get(struct names *names, const char *path)
{
	struct name *name = names_find(names, path);

	if (name)
		return name;
	if (names->count == names->size)
		grow(names);
	name = calloc(1, sizeof(*name));
	if (!name || !(name->path = strdup(path)))
		bench_die(ENOMEM, "names");
	names->all[names->count++] = name;
	*slot_of(names, path) = names->count;
	return name;
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		free(names->all[i]->path);
		free(names->all[i]);
	}
	free(names->all);
	free(names->table);
}
