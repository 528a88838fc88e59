/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watches.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64u
#define LAST_CAPACITY (1u << 30)

/* Descriptors are handed out in sequence and tokens may be: without mixing, two ranges that overlap
 * modulo the capacity would make probes as long as the ranges. */
static uint32_t home_of(const struct hw_watches *watches, uint64_t key)
{
	return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (watches->capacity - 1);
}

static uint32_t next_slot(const struct hw_watches *watches, uint32_t slot)
{
	return (slot + 1) & (watches->capacity - 1);
}

/* The slot of wd, or the free one where it belongs. */
static uint32_t find_wd(const struct hw_watches *watches, int wd)
{
	uint32_t slot = home_of(watches, (uint32_t)wd);

	while (watches->wds[slot] && watches->wds[slot] != wd)
		slot = next_slot(watches, slot);
	return slot;
}

static uint32_t find_token(const struct hw_watches *watches, hw_token token)
{
	uint32_t slot = home_of(watches, token);

	while (watches->index[slot] && hw_watches_token(watches, watches->index[slot]) != token)
		slot = next_slot(watches, slot);
	return slot;
}

static void insert(struct hw_watches *watches, int wd, hw_token token)
{
	uint32_t slot = find_wd(watches, wd);

	watches->wds[slot] = wd;
	watches->tokens[slot] = token;
	watches->index[find_token(watches, token)] = wd;
	watches->count++;
}

void hw_watches_finish(struct hw_watches *watches)
{
	free(watches->tokens);
	free(watches->wds);
	free(watches->index);
	*watches = (struct hw_watches){ 0 };
}

static int grow(struct hw_watches *watches)
{
	struct hw_watches bigger = { 0 };
	uint32_t slot;

	if (watches->capacity >= LAST_CAPACITY)
		return -ENOMEM;
	bigger.capacity = watches->capacity ? watches->capacity * 2 : FIRST_CAPACITY;
	bigger.tokens = calloc(bigger.capacity, sizeof(*bigger.tokens));
	bigger.wds = calloc(bigger.capacity, sizeof(*bigger.wds));
	bigger.index = calloc(bigger.capacity, sizeof(*bigger.index));
	if (!bigger.tokens || !bigger.wds || !bigger.index) {
		hw_watches_finish(&bigger);
		return -ENOMEM;
	}
	for (slot = 0; slot < watches->capacity; slot++)
		if (watches->wds[slot])
			insert(&bigger, watches->wds[slot], watches->tokens[slot]);
	hw_watches_finish(watches);
	*watches = bigger;
	return 0;
}

int hw_watches_add(struct hw_watches *watches, int wd, hw_token token)
{
	int rc;

	if (watches->count >= watches->capacity / 8 * 7) {
		rc = grow(watches);
		if (rc < 0)
			return rc;
	}
	hw_watches_remove(watches, wd);
	insert(watches, wd, token);
	return 0;
}

hw_token hw_watches_token(const struct hw_watches *watches, int wd)
{
	uint32_t slot;

	if (!watches->count || wd <= 0)
		return HW_NO_DIR;
	slot = find_wd(watches, wd);
	return watches->wds[slot] ? watches->tokens[slot] : HW_NO_DIR;
}

int hw_watches_wd(const struct hw_watches *watches, hw_token token)
{
	return watches->count ? watches->index[find_token(watches, token)] : 0;
}

/* May the entry in `slot`, whose chain starts at `home`, move back into the hole without being lost
 * to probes? */
static bool may_fill(const struct hw_watches *watches, uint32_t home, uint32_t slot, uint32_t hole)
{
	uint32_t mask = watches->capacity - 1;

	return ((slot - home) & mask) >= ((slot - hole) & mask);
}

/* Needs the tokens still in place: the index holds none. */
static void remove_index(struct hw_watches *watches, hw_token token)
{
	uint32_t hole = find_token(watches, token), slot;

	for (slot = next_slot(watches, hole); watches->index[slot];
	     slot = next_slot(watches, slot)) {
		hw_token other = hw_watches_token(watches, watches->index[slot]);

		if (!may_fill(watches, home_of(watches, other), slot, hole))
			continue;
		watches->index[hole] = watches->index[slot];
		hole = slot;
	}
	watches->index[hole] = 0;
}

void hw_watches_remove(struct hw_watches *watches, int wd)
{
	hw_token token = hw_watches_token(watches, wd);
	uint32_t hole, slot;

	if (token == HW_NO_DIR)
		return;
	remove_index(watches, token);
	hole = find_wd(watches, wd);
	for (slot = next_slot(watches, hole); watches->wds[slot]; slot = next_slot(watches, slot)) {
		if (!may_fill(watches, home_of(watches, (uint32_t)watches->wds[slot]), slot, hole))
			continue;
		watches->wds[hole] = watches->wds[slot];
		watches->tokens[hole] = watches->tokens[slot];
		hole = slot;
	}
	watches->wds[hole] = 0;
	watches->count--;
}
