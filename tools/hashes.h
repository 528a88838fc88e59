/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of 64-bit keys, each with a value of eight bytes. Keys that are hashes of names identify
 * the names: a collision is improbable. */
#ifndef HW_HASHES_H
#define HW_HASHES_H

#include <stddef.h>
#include <stdint.h>

struct hw_hash {
	uint64_t key; /* 0: an empty slot */
	union {
		uint64_t number;
		char bytes[8];
	} value;
};

/* Zeroed by the caller. */
struct hw_hashes {
	struct hw_hash *slots; /* owned */
	size_t room, count;
};

void hw_hashes_free(struct hw_hashes *hashes); /* leaves an empty table */
/* Returns the slot of a key other than 0; NULL if it is absent. */
struct hw_hash *hw_hashes_find(const struct hw_hashes *hashes, uint64_t key);
/* As hw_hashes_find(), but adds an absent key with value 0. Returns NULL if memory is short. */
struct hw_hash *hw_hashes_get(struct hw_hashes *hashes, uint64_t key);
/* Returns a key for these bytes. `seed` is 0, or the key of the preceding bytes. */
uint64_t hw_hash_bytes(const void *bytes, size_t len, uint64_t seed);

#endif
