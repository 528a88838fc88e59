/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_CAPACITY 64u
#define LAST_CAPACITY (1u << 30)

enum { BY_KEY, BY_TOKEN };

struct hw_handle_entry {
	uint64_t a;
	uint64_t b : 63; /* hw_handles_key() leaves the highest bit clear */
	uint64_t marked : 1;
	hw_token token;
};
_Static_assert(sizeof(struct hw_handle_entry) == 24, "what handles.h promises");

/* The finaliser of SplitMix64: every bit of the result depends on every bit of x. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

struct hw_handle_key hw_handles_key(const struct hw_handles *handles,
				    const struct hw_handle *handle)
{
	const char *bytes = handle->bytes;
	uint64_t word = (uint64_t)handle->len << 32 | (uint32_t)handle->type;
	struct hw_handle_key key;
	uint32_t done, part;

	key.a = mix(handles->seed[0] ^ handle->fsid);
	key.b = mix(handles->seed[1] + handle->fsid);
	for (done = 0;; done += part) {
		key.a = mix(key.a ^ word);
		key.b = mix(key.b + word);
		part = handle->len - done < sizeof(word) ? handle->len - done : sizeof(word);
		if (!part)
			break;
		word = 0;
		memcpy(&word, bytes + done, part);
	}
	key.b &= UINT64_MAX >> 1;
	return key;
}

void hw_handles_init(struct hw_handles *handles)
{
	*handles = (struct hw_handles){ 0 };
	/* Handles hold inode numbers, which writers can steer a little. Without a seed the table
	 * still works. */
	if (getrandom(handles->seed, sizeof(handles->seed), GRND_NONBLOCK) < 0)
		handles->seed[0] = (uintptr_t)handles;
}

void hw_handles_finish(struct hw_handles *handles)
{
	free(handles->entries);
	free(handles->index[BY_KEY]);
	free(handles->index[BY_TOKEN]);
	handles->entries = NULL;
	handles->index[BY_KEY] = handles->index[BY_TOKEN] = NULL;
	handles->capacity = handles->room = handles->count = handles->marked = 0;
}

static uint32_t home_of(const struct hw_handles *handles, int which, uint32_t number)
{
	const struct hw_handle_entry *entry = &handles->entries[number - 1];

	return (uint32_t)(which == BY_KEY ? entry->a : mix(entry->token)) & (handles->capacity - 1);
}

static uint32_t next_slot(const struct hw_handles *handles, uint32_t slot)
{
	return (slot + 1) & (handles->capacity - 1);
}

/* The entry's number, 0 when there is none. */
static uint32_t find_key(const struct hw_handles *handles, struct hw_handle_key key)
{
	const uint32_t *index = handles->index[BY_KEY];
	uint32_t slot;

	if (!handles->count)
		return 0;
	slot = (uint32_t)key.a & (handles->capacity - 1);
	for (; index[slot]; slot = next_slot(handles, slot)) {
		const struct hw_handle_entry *entry = &handles->entries[index[slot] - 1];

		if (entry->a == key.a && entry->b == key.b)
			break;
	}
	return index[slot];
}

static uint32_t find_token(const struct hw_handles *handles, hw_token token)
{
	const uint32_t *index = handles->index[BY_TOKEN];
	uint32_t slot;

	if (!handles->count)
		return 0;
	slot = (uint32_t)mix(token) & (handles->capacity - 1);
	while (index[slot] && handles->entries[index[slot] - 1].token != token)
		slot = next_slot(handles, slot);
	return index[slot];
}

/* The slot that holds this number, which is in the index; 0 finds the free slot for `home`. */
static uint32_t find_slot(const struct hw_handles *handles, int which, uint32_t home,
			  uint32_t number)
{
	while (handles->index[which][home] != number)
		home = next_slot(handles, home);
	return home;
}

static void insert_index(struct hw_handles *handles, int which, uint32_t number)
{
	uint32_t slot = find_slot(handles, which, home_of(handles, which, number), 0);

	handles->index[which][slot] = number;
}

/* Those behind the hole move up, unless that would put them before their home. */
static void remove_index(struct hw_handles *handles, int which, uint32_t number)
{
	uint32_t hole = find_slot(handles, which, home_of(handles, which, number), number);
	uint32_t mask = handles->capacity - 1, slot = next_slot(handles, hole);
	uint32_t *index = handles->index[which];

	for (; index[slot]; slot = next_slot(handles, slot)) {
		uint32_t home = home_of(handles, which, index[slot]);

		if (((slot - home) & mask) < ((slot - hole) & mask))
			continue;
		index[hole] = index[slot];
		hole = slot;
	}
	index[hole] = 0;
}

static int grow_index(struct hw_handles *handles)
{
	uint32_t capacity = handles->capacity ? handles->capacity * 2 : FIRST_CAPACITY;
	uint32_t *by_key, *by_token, number;

	if (handles->capacity >= LAST_CAPACITY)
		return -ENOMEM;
	by_key = calloc(capacity, sizeof(*by_key));
	by_token = calloc(capacity, sizeof(*by_token));
	if (!by_key || !by_token) {
		free(by_key);
		free(by_token);
		return -ENOMEM;
	}
	free(handles->index[BY_KEY]);
	free(handles->index[BY_TOKEN]);
	handles->index[BY_KEY] = by_key;
	handles->index[BY_TOKEN] = by_token;
	handles->capacity = capacity;
	for (number = 1; number <= handles->count; number++) {
		insert_index(handles, BY_KEY, number);
		insert_index(handles, BY_TOKEN, number);
	}
	return 0;
}

static int grow_entries(struct hw_handles *handles)
{
	uint32_t room = handles->room ? handles->room + handles->room / 2 : FIRST_CAPACITY;
	struct hw_handle_entry *entries =
		reallocarray(handles->entries, room, sizeof(*handles->entries));

	if (!entries)
		return -ENOMEM;
	handles->entries = entries;
	handles->room = room;
	return 0;
}

int hw_handles_add(struct hw_handles *handles, struct hw_handle_key key, hw_token token,
		   bool marked)
{
	int rc = 0;

	if (find_key(handles, key) || find_token(handles, token))
		return -EEXIST;
	if (handles->count == handles->room)
		rc = grow_entries(handles);
	if (rc == 0 && handles->count >= handles->capacity / 8 * 7)
		rc = grow_index(handles);
	if (rc < 0)
		return rc;
	handles->entries[handles->count++] = (struct hw_handle_entry){
		.a = key.a,
		.b = key.b & (UINT64_MAX >> 1),
		.marked = marked,
		.token = token,
	};
	handles->marked += marked;
	insert_index(handles, BY_KEY, handles->count);
	insert_index(handles, BY_TOKEN, handles->count);
	return 0;
}

hw_token hw_handles_token(const struct hw_handles *handles, struct hw_handle_key key)
{
	uint32_t number = find_key(handles, key);

	return number ? handles->entries[number - 1].token : HW_NO_DIR;
}

void hw_handles_remove(struct hw_handles *handles, hw_token token)
{
	uint32_t number = find_token(handles, token), last = handles->count;
	int which;

	if (!number)
		return;
	for (which = BY_KEY; which <= BY_TOKEN; which++) {
		remove_index(handles, which, number);
		if (number != last)
			remove_index(handles, which, last);
	}
	handles->marked -= handles->entries[number - 1].marked;
	handles->entries[number - 1] = handles->entries[last - 1];
	handles->count--;
	for (which = BY_KEY; number != last && which <= BY_TOKEN; which++)
		insert_index(handles, which, number);
}
