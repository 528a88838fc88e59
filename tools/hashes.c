/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hashes.h"

#include <stdlib.h>
#include <xxhash.h>

#define ROOM_MIN 64u

uint64_t hw_hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
	uint64_t hash = XXH3_64bits_withSeed(bytes, len, seed);

	return hash ? hash : 1;
}

void hw_hashes_free(struct hw_hashes *hashes)
{
	free(hashes->slots);
	*hashes = (struct hw_hashes){ 0 };
}

/* Returns the slot of the key, or the empty slot to use for it. */
static struct hw_hash *slot_of(const struct hw_hashes *hashes, uint64_t key)
{
	size_t at = hw_hash_bytes(&key, sizeof(key), 0) & (hashes->room - 1);

	while (hashes->slots[at].key && hashes->slots[at].key != key)
		at = (at + 1) & (hashes->room - 1);
	return &hashes->slots[at];
}

struct hw_hash *hw_hashes_find(const struct hw_hashes *hashes, uint64_t key)
{
	struct hw_hash *slot = hashes->room ? slot_of(hashes, key) : NULL;

	return slot && slot->key ? slot : NULL;
}

static int grow(struct hw_hashes *hashes)
{
	struct hw_hashes grown = { .room = hashes->room ? hashes->room * 2 : ROOM_MIN };

	grown.slots = calloc(grown.room, sizeof(*grown.slots));
	if (!grown.slots)
		return -1;
	for (size_t i = 0; i < hashes->room; i++) {
		if (hashes->slots[i].key)
			*slot_of(&grown, hashes->slots[i].key) = hashes->slots[i];
	}
	free(hashes->slots);
	hashes->slots = grown.slots;
	hashes->room = grown.room;
	return 0;
}

struct hw_hash *hw_hashes_get(struct hw_hashes *hashes, uint64_t key)
{
	struct hw_hash *slot;

	/* The table is at most half full. */
	if (hashes->count * 2 >= hashes->room && grow(hashes) < 0)
		return NULL;
	slot = slot_of(hashes, key);
	if (!slot->key) {
		*slot = (struct hw_hash){ .key = key };
		hashes->count++;
	}
	return slot;
}
