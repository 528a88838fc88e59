/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK (1u << HW_NAMES_CHUNK_BITS)
#define UNIT HW_NAMES_UNIT
#define CHUNK_MAX ((UINT32_MAX / (CHUNK / UNIT)) - 1)

static int grow(struct hw_names *names)
{
	if (names->chunk_count >= CHUNK_MAX)
		return -1;
	if (names->chunk_count == names->chunk_room) {
		uint32_t room = names->chunk_room ? names->chunk_room * 2 : 8;
		char **chunks = realloc(names->chunks, room * sizeof(*chunks));

		if (!chunks)
			return -1;
		names->chunks = chunks;
		names->chunk_room = room;
	}
	char *chunk = malloc(CHUNK);

	if (!chunk)
		return -1;
	/* Reference 0 is reserved: the first unit of the first chunk stays unused. */
	names->used = names->chunk_count == 0 ? UNIT : 0;
	names->chunks[names->chunk_count++] = chunk;
	return 0;
}

uint32_t hw_names_add(struct hw_names *names, const char *name, size_t len)
{
	uint32_t class = (uint32_t)(len + UNIT - 1) / UNIT;
	uint32_t ref = names->free[class];

	if (ref) {
		memcpy(&names->free[class], hw_names_get(names, ref), sizeof(ref));
	} else {
		if (!names->chunk_count || names->used + class * UNIT > CHUNK)
			if (grow(names) < 0)
				return 0;
		ref = (names->chunk_count - 1) * (CHUNK / UNIT) + names->used / UNIT;
		names->used += class * UNIT;
	}
	memcpy(hw_names_get(names, ref), name, len);
	return ref;
}

void hw_names_remove(struct hw_names *names, uint32_t ref, size_t len)
{
	uint32_t class = (uint32_t)(len + UNIT - 1) / UNIT;

	memcpy(hw_names_get(names, ref), &names->free[class], sizeof(ref));
	names->free[class] = ref;
}

size_t hw_names_bytes(const struct hw_names *names)
{
	return (size_t)names->chunk_count * CHUNK + names->chunk_room * sizeof(char *);
}

void hw_names_free_all(struct hw_names *names)
{
	for (uint32_t i = 0; i < names->chunk_count; i++)
		free(names->chunks[i]);
	free(names->chunks);
	memset(names, 0, sizeof(*names));
}

void hw_names_reset(struct hw_names *names)
{
	while (names->chunk_count > 1)
		free(names->chunks[--names->chunk_count]);
	names->used = UNIT;
	memset(names->free, 0, sizeof(names->free));
}
