/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dirs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64u
#define LAST_CAPACITY (1u << 30)
#define FLAG (UINT32_C(1) << 31)

enum { BY_KEY, BY_TOKEN };

static uint32_t *key_at(const struct hw_dirs *dirs, uint32_t number)
{
	return dirs->keys + (size_t)(number - 1) * dirs->key_words;
}

/* Numbers are often given out in sequence. Without mixing, two ranges that overlap modulo the
 * capacity would make probes as long as the ranges. */
static uint32_t spread(const struct hw_dirs *dirs, uint64_t value)
{
	return (uint32_t)((value * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (dirs->capacity - 1);
}

static uint32_t home_of_key(const struct hw_dirs *dirs, const uint32_t *key)
{
	return spread(dirs, key[0] & ~FLAG);
}

static uint32_t home_of(const struct hw_dirs *dirs, int which, uint32_t number)
{
	return which == BY_KEY ? home_of_key(dirs, key_at(dirs, number))
			       : spread(dirs, dirs->tokens[number - 1]);
}

static uint32_t next_slot(const struct hw_dirs *dirs, uint32_t slot)
{
	return (slot + 1) & (dirs->capacity - 1);
}

static bool is_key(const struct hw_dirs *dirs, const uint32_t *a, const uint32_t *b)
{
	uint32_t last = dirs->key_words - 1, i;

	for (i = 0; i < last; i++)
		if (a[i] != b[i])
			return false;
	return ((a[last] ^ b[last]) & ~FLAG) == 0;
}

/* Returns the index of the directory in keys and tokens, plus one; 0 if it is not in the table. */
static uint32_t find_key(const struct hw_dirs *dirs, const uint32_t *key)
{
	const uint32_t *index = dirs->index[BY_KEY];
	uint32_t slot;

	if (!dirs->count)
		return 0;
	slot = home_of_key(dirs, key);
	while (index[slot] && !is_key(dirs, key_at(dirs, index[slot]), key))
		slot = next_slot(dirs, slot);
	return index[slot];
}

static uint32_t find_token(const struct hw_dirs *dirs, hw_token token)
{
	const uint32_t *index = dirs->index[BY_TOKEN];
	uint32_t slot;

	if (!dirs->count)
		return 0;
	slot = spread(dirs, token);
	while (index[slot] && dirs->tokens[index[slot] - 1] != token)
		slot = next_slot(dirs, slot);
	return index[slot];
}

/* Returns the slot whose value is `number`. It must exist. With 0, returns the free slot for
 * `home`. */
static uint32_t find_slot(const struct hw_dirs *dirs, int which, uint32_t home, uint32_t number)
{
	while (dirs->index[which][home] != number)
		home = next_slot(dirs, home);
	return home;
}

static void insert_index(struct hw_dirs *dirs, int which, uint32_t number)
{
	uint32_t slot = find_slot(dirs, which, home_of(dirs, which, number), 0);

	dirs->index[which][slot] = number;
}

/* Entries after the hole move up, unless that would put them before their home slot. */
static void remove_index(struct hw_dirs *dirs, int which, uint32_t number)
{
	uint32_t hole = find_slot(dirs, which, home_of(dirs, which, number), number);
	uint32_t mask = dirs->capacity - 1, slot = next_slot(dirs, hole);
	uint32_t *index = dirs->index[which];

	for (; index[slot]; slot = next_slot(dirs, slot)) {
		uint32_t home = home_of(dirs, which, index[slot]);

		if (((slot - home) & mask) < ((slot - hole) & mask))
			continue;
		index[hole] = index[slot];
		hole = slot;
	}
	index[hole] = 0;
}

void hw_dirs_finish(struct hw_dirs *dirs)
{
	free(dirs->tokens);
	free(dirs->keys);
	free(dirs->index[BY_KEY]);
	free(dirs->index[BY_TOKEN]);
	*dirs = (struct hw_dirs){ .key_words = dirs->key_words };
}

static int grow_indices(struct hw_dirs *dirs)
{
	uint32_t capacity = dirs->capacity ? dirs->capacity * 2 : FIRST_CAPACITY;
	uint32_t *by_key, *by_token, number;

	if (dirs->capacity >= LAST_CAPACITY)
		return -ENOMEM;
	by_key = calloc(capacity, sizeof(*by_key));
	by_token = calloc(capacity, sizeof(*by_token));
	if (!by_key || !by_token) {
		free(by_key);
		free(by_token);
		return -ENOMEM;
	}
	free(dirs->index[BY_KEY]);
	free(dirs->index[BY_TOKEN]);
	dirs->index[BY_KEY] = by_key;
	dirs->index[BY_TOKEN] = by_token;
	dirs->capacity = capacity;
	for (number = 1; number <= dirs->count; number++) {
		insert_index(dirs, BY_KEY, number);
		insert_index(dirs, BY_TOKEN, number);
	}
	return 0;
}

static int grow_room(struct hw_dirs *dirs)
{
	uint32_t room = dirs->room ? dirs->room + dirs->room / 2 : FIRST_CAPACITY;
	hw_token *tokens = reallocarray(dirs->tokens, room, sizeof(*tokens));
	uint32_t *keys;

	if (!tokens)
		return -ENOMEM;
	dirs->tokens = tokens;
	keys = reallocarray(dirs->keys, room, sizeof(*keys) * dirs->key_words);
	if (!keys)
		return -ENOMEM;
	dirs->keys = keys;
	dirs->room = room;
	return 0;
}

static bool is_flagged(const struct hw_dirs *dirs, uint32_t number)
{
	return key_at(dirs, number)[dirs->key_words - 1] & FLAG;
}

int hw_dirs_add(struct hw_dirs *dirs, const uint32_t *key, hw_token token, bool flag)
{
	uint32_t *kept;
	int r = 0;

	if (find_key(dirs, key) || find_token(dirs, token))
		return -EEXIST;
	if (dirs->count == dirs->room)
		r = grow_room(dirs);
	if (r == 0 && dirs->count >= dirs->capacity / 8 * 7)
		r = grow_indices(dirs);
	if (r < 0)
		return r;
	dirs->tokens[dirs->count++] = token;
	kept = key_at(dirs, dirs->count);
	memcpy(kept, key, sizeof(*key) * dirs->key_words);
	kept[dirs->key_words - 1] = (key[dirs->key_words - 1] & ~FLAG) | (flag ? FLAG : 0);
	dirs->flagged += flag;
	insert_index(dirs, BY_KEY, dirs->count);
	insert_index(dirs, BY_TOKEN, dirs->count);
	return 0;
}

hw_token hw_dirs_token(const struct hw_dirs *dirs, const uint32_t *key)
{
	uint32_t number = find_key(dirs, key);

	return number ? dirs->tokens[number - 1] : HW_NO_DIR;
}

const uint32_t *hw_dirs_key(const struct hw_dirs *dirs, hw_token token)
{
	uint32_t number = find_token(dirs, token);

	return number ? key_at(dirs, number) : NULL;
}

/* The last directory moves into the place of the removed one. */
void hw_dirs_remove(struct hw_dirs *dirs, hw_token token)
{
	uint32_t number = find_token(dirs, token), last = dirs->count;
	int which;

	if (!number)
		return;
	for (which = BY_KEY; which <= BY_TOKEN; which++) {
		remove_index(dirs, which, number);
		if (number != last)
			remove_index(dirs, which, last);
	}
	dirs->flagged -= is_flagged(dirs, number);
	dirs->tokens[number - 1] = dirs->tokens[last - 1];
	memmove(key_at(dirs, number), key_at(dirs, last), sizeof(uint32_t) * dirs->key_words);
	dirs->count--;
	for (which = BY_KEY; number != last && which <= BY_TOKEN; which++)
		insert_index(dirs, which, number);
}
