/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of 64-bit keys, each with eight bytes. Keys that are hashes of names are taken for the
 * names: they do not meet by chance. */
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
/* The slot of a key other than 0; NULL: it has none. */
struct hw_hash *hw_hashes_find(const struct hw_hashes *hashes, uint64_t key);
/* The same; a new one has a value of 0. NULL: out of memory. */
struct hw_hash *hw_hashes_get(struct hw_hashes *hashes, uint64_t key);
/* A key for these bytes, to continue from 0. */
uint64_t hw_hash_bytes(const void *bytes, size_t len, uint64_t seed);

#endif
