/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 64u
#define LOAD_NUM 5u /* items per bucket: 5/2 */
#define LOAD_DEN 2u
#define SPLITS 32u /* buckets split at a time, so that their memory accesses overlap */
#define NEAR 16u /* items of a chain in which distinct hashes are the rule */

int hw_index_init(struct hw_index *index)
{
	memset(index, 0, sizeof(*index));
	index->buckets = calloc(FIRST, sizeof(*index->buckets));
	if (!index->buckets)
		return -ENOMEM;
	index->room = FIRST;
	index->low = FIRST;
	return 0;
}

void hw_index_free(struct hw_index *index)
{
	free(index->buckets);
	memset(index, 0, sizeof(*index));
}

int hw_index_reserve(struct hw_index *index, uint32_t count)
{
	uint64_t room = (uint64_t)count * LOAD_DEN / LOAD_NUM + 1, low = FIRST;

	if (room <= FIRST)
		return 0;
	while (low * 2 <= room)
		low *= 2;
	uint32_t *buckets = calloc(room, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	free(index->buckets);
	index->buckets = buckets;
	index->room = (uint32_t)room;
	index->low = (uint32_t)low;
	index->split = (uint32_t)(room - low);
	return 0;
}

static uint32_t bucket_of(const struct hw_index *index, uint32_t hash)
{
	uint32_t b = hash & (index->low - 1);

	return b < index->split ? hash & (index->low * 2 - 1) : b;
}

uint32_t hw_index_head(const struct hw_index *index, uint32_t hash)
{
	return index->buckets[bucket_of(index, hash)];
}

void hw_index_prefetch(const struct hw_index *index, uint32_t hash)
{
	__builtin_prefetch(&index->buckets[bucket_of(index, hash)], 1);
}

/* Makes room for one more bucket; a large realloc() remaps pages instead of copying bytes. */
static int reserve(struct hw_index *index)
{
	if (index->low + index->split < index->room)
		return 0;
	if (index->room > UINT32_MAX / 2)
		return -ENOMEM;
	uint32_t room = index->room + (index->room > 65536 ? index->room / 4 : index->room);
	uint32_t *buckets = realloc(index->buckets, (size_t)room * sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	index->buckets = buckets;
	index->room = room;
	return 0;
}

static int split_one(struct hw_index *index, const struct hw_index_ops *ops, void *owner)
{
	uint32_t from = index->split, to = index->low + index->split;
	uint32_t id = index->buckets[from];

	if (reserve(index) < 0)
		return -ENOMEM;
	index->buckets[from] = 0;
	index->buckets[to] = 0;
	while (id) {
		uint32_t *next = ops->next(owner, id);
		uint32_t rest = *next;
		uint32_t b = ops->hash(owner, id) & (index->low * 2 - 1);

		*next = index->buckets[b];
		index->buckets[b] = id;
		id = rest;
	}
	if (++index->split == index->low) {
		index->low *= 2;
		index->split = 0;
	}
	return 0;
}

/* Walks these chains side by side, so that the accesses to memory of all of them overlap.
 * Afterwards their items are in the cache of the CPU. */
static void load_chains(const struct hw_index *index, const struct hw_index_ops *ops, void *owner,
			uint32_t count)
{
	uint32_t at[SPLITS], left = 0;

	for (uint32_t i = 0; i < count; i++) {
		at[left] = index->buckets[index->split + i];
		if (at[left])
			__builtin_prefetch(ops->next(owner, at[left++]), 1);
	}
	while (left) {
		uint32_t walked = left;

		left = 0;
		for (uint32_t i = 0; i < walked; i++) {
			uint32_t next = *ops->next(owner, at[i]);

			if (ops->prefetch)
				ops->prefetch(owner, at[i]);
			if (next)
				__builtin_prefetch(ops->next(owner, next), 1);
			at[left] = next;
			left += next != 0;
		}
	}
}

static void split_some(struct hw_index *index, const struct hw_index_ops *ops, void *owner)
{
	uint32_t left = index->low - index->split, count = left < SPLITS ? left : SPLITS;

	load_chains(index, ops, owner, count);
	while (count-- && split_one(index, ops, owner) == 0)
		;
}

void hw_index_add(struct hw_index *index, const struct hw_index_ops *ops, void *owner, uint32_t id)
{
	hw_index_add_hashed(index, ops, owner, id, ops->hash(owner, id));
}

void hw_index_add_hashed(struct hw_index *index, const struct hw_index_ops *ops, void *owner,
			 uint32_t id, uint32_t hash)
{
	uint32_t b = bucket_of(index, hash);

	*ops->next(owner, id) = index->buckets[b];
	index->buckets[b] = id;
	index->count++;
	if ((uint64_t)index->count * LOAD_DEN > (uint64_t)(index->low + index->split) * LOAD_NUM)
		split_some(index, ops, owner);
}

/* Returns the link that leads to the item, that follows the first items, or that ends the chain. */
static uint32_t *find_near(const struct hw_index_ops *ops, void *owner, uint32_t *link, uint32_t id)
{
	for (uint32_t left = ops->note ? NEAR : UINT32_MAX; left && *link && *link != id; left--)
		link = ops->next(owner, *link);
	return link;
}

/* Walks to the item and as far again, and notes for each item on the way which one is before it. So
 * items that are removed in any order take few walks. Returns the item before this one; 0: it is
 * not in the chain. */
static uint32_t walk_to(const struct hw_index_ops *ops, void *owner, uint32_t first, uint32_t id)
{
	uint32_t found = 0, end = UINT32_MAX;

	for (uint32_t before = first, i = 1; before && i < end; i++) {
		uint32_t next = *ops->next(owner, before);

		if (next)
			ops->note(owner, next, before);
		if (next == id) {
			found = before;
			end = 2 * i;
		}
		before = next;
	}
	return found;
}

/* Returns the link that leads to the item, which is behind the first; NULL if no link does. */
static uint32_t *find_far(const struct hw_index_ops *ops, void *owner, uint32_t first, uint32_t id)
{
	uint32_t before = ops->before(owner, id), next = *ops->next(owner, id);

	if (!before)
		before = walk_to(ops, owner, first, id);
	if (!before)
		return NULL;
	if (next)
		ops->note(owner, next, before);
	return ops->next(owner, before);
}

void hw_index_remove(struct hw_index *index, const struct hw_index_ops *ops, void *owner,
		     uint32_t id)
{
	uint32_t *first = &index->buckets[bucket_of(index, ops->hash(owner, id))];
	uint32_t *link = find_near(ops, owner, first, id), *next = ops->next(owner, id);

	if (*link && *link != id)
		link = find_far(ops, owner, *first, id);
	if (!link || !*link)
		return;
	*link = *next;
	*next = 0;
	index->count--;
}
