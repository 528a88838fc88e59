/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hash index over numbered items that grows one bucket at a time (linear hashing), so that no
 * insertion costs time proportional to the items. The chain link lives in the item.
 */
#ifndef HW_INDEX_H
#define HW_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct hw_index_ops {
	uint32_t (*hash)(const void *owner, uint32_t id);
	uint32_t *(*next)(void *owner, uint32_t id); /* where the item's chain link is */
};

struct hw_index {
	uint32_t *buckets; /* owned; first ids of the chains, 0: empty */
	uint32_t room; /* of buckets */
	uint32_t low; /* buckets at the start of this doubling, a power of two */
	uint32_t split; /* the next bucket to split */
	uint32_t count; /* items */
};

int hw_index_init(struct hw_index *index); /* 0 or -ENOMEM */
void hw_index_free(struct hw_index *index);
/* The head of the chain in which items of this hash are. */
uint32_t hw_index_head(const struct hw_index *index, uint32_t hash);
/* Never fails: without memory the chains get longer. */
void hw_index_add(struct hw_index *index, const struct hw_index_ops *ops, void *owner, uint32_t id);
void hw_index_remove(struct hw_index *index, const struct hw_index_ops *ops, void *owner,
		     uint32_t id);

#endif
