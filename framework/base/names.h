/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Storage for entry names: size classes of 4 bytes in large chunks, so that a name has almost no
 * overhead. */
#ifndef HW_NAMES_H
#define HW_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HW_NAME_MAX 255u
#define HW_NAMES_CHUNK_BITS 20u
#define HW_NAMES_UNIT 4u
#define HW_NAMES_CLASSES 65u /* 4-byte steps up to 256 bytes, 0 unused */

struct hw_names {
	char **chunks; /* owned, 1 << HW_NAMES_CHUNK_BITS bytes each */
	uint32_t chunk_count, chunk_room;
	uint32_t used; /* bytes of the last chunk */
	uint32_t
		free[HW_NAMES_CLASSES]; /* lists of freed places, linked through their first word */
};

void hw_names_free_all(struct hw_names *names);
/* Removes all names, and keeps a little memory for new ones. */
void hw_names_reset(struct hw_names *names);
/* Stores len (1 to HW_NAME_MAX) bytes. Returns a reference, 0 if memory is short. */
uint32_t hw_names_add(struct hw_names *names, const char *name, size_t len);
void hw_names_remove(struct hw_names *names, uint32_t ref, size_t len);
/* Returns the bytes, not terminated, valid until the name is removed. */
static inline char *hw_names_get(const struct hw_names *names, uint32_t ref)
{
	uint32_t per_chunk = (1u << HW_NAMES_CHUNK_BITS) / HW_NAMES_UNIT;

	return names->chunks[ref / per_chunk] + (size_t)(ref % per_chunk) * HW_NAMES_UNIT;
}
size_t hw_names_bytes(const struct hw_names *names);

/* As memcpy(), for names and most paths: without a call, and without the `rep movs` that a compiler
 * uses for lengths that it knows to be small, which takes longer to begin than to copy a name. */
static inline void hw_name_copy(char *to, const char *from, size_t len)
{
	const size_t word = sizeof(uint64_t);

	if (len < word) {
		while (len--)
			to[len] = from[len];
		return;
	}
	for (size_t at = 0; at < len - word; at += word)
		memcpy(to + at, from + at, word);
	memcpy(to + len - word, from + len - word, word);
}

#endif
