/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hash index over numbered items that grows one bucket at a time (linear hashing), so that no
 * insertion takes time proportional to the number of items. The chain link is part of the item. */
#ifndef HW_INDEX_H
#define HW_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct hw_index_ops {
	uint32_t (*hash)(const void *owner, uint32_t id);
	uint32_t *(*next)(void *owner, uint32_t id); /* returns the chain link of an item */
	/* Prefetches what hash() reads and is not beside the chain link. NULL: nothing. */
	void (*prefetch)(const void *owner, uint32_t id);
	/* Of an index in which very many items may have one hash; otherwise both are NULL. note()
	 * keeps, if there is room for it, which item is before this one in its chain. before()
	 * returns that item if its link still leads to this one, otherwise 0. The link of an item
	 * that is in no chain is 0. */
	void (*note)(void *owner, uint32_t id, uint32_t before);
	uint32_t (*before)(const void *owner, uint32_t id);
};

struct hw_index {
	uint32_t *buckets; /* owned; first ids of the chains, 0: empty */
	uint32_t room; /* capacity of buckets */
	uint32_t low; /* number of buckets when this doubling began, a power of two */
	uint32_t split; /* the next bucket to split */
	uint32_t count; /* items */
};

int hw_index_init(struct hw_index *index); /* 0 or -ENOMEM */
void hw_index_free(struct hw_index *index);
/* Makes the buckets of this many items at once, so that none is split until there are more. The
 * index must be empty. 0 or -ENOMEM. */
int hw_index_reserve(struct hw_index *index, uint32_t count);
/* Prefetches the memory that hw_index_head() reads. */
void hw_index_prefetch(const struct hw_index *index, uint32_t hash);
/* Returns the head of the chain that contains the items with this hash. */
uint32_t hw_index_head(const struct hw_index *index, uint32_t hash);
/* Never fails: if memory is short, the chains grow longer. */
void hw_index_add(struct hw_index *index, const struct hw_index_ops *ops, void *owner, uint32_t id);
/* The same for an item whose hash is known. */
void hw_index_add_hashed(struct hw_index *index, const struct hw_index_ops *ops, void *owner,
			 uint32_t id, uint32_t hash);
void hw_index_remove(struct hw_index *index, const struct hw_index_ops *ops, void *owner,
		     uint32_t id);

#endif
