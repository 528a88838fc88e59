/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "outputs.h"

#include <string.h>

/* The value of a name in the table. */
struct record {
	uint32_t last_run; /* the last run in which it changed without being known */
	uint16_t runs; /* number of such runs since it last changed outside a run */
	uint8_t known; /* it is written by the command */
	uint8_t spare;
};
_Static_assert(sizeof(struct record) == sizeof(((struct hw_hash *)NULL)->value), "it fits");

static struct record load(const struct hw_hash *slot)
{
	struct record record;

	memcpy(&record, slot->value.bytes, sizeof(record));
	return record;
}

static void store(struct hw_hash *slot, struct record record)
{
	memcpy(slot->value.bytes, &record, sizeof(record));
}

static struct hw_hash *get(struct hw_outputs *outputs, const char *name)
{
	if (outputs->names.count >= HW_OUTPUTS_MAX)
		hw_hashes_free(&outputs->names);
	return hw_hashes_get(&outputs->names, hw_hash_bytes(name, strlen(name), 0));
}

void hw_outputs_free(struct hw_outputs *outputs)
{
	hw_hashes_free(&outputs->names);
}

void hw_outputs_begin(struct hw_outputs *outputs)
{
	outputs->run++;
}

bool hw_outputs_changed(struct hw_outputs *outputs, const char *name, bool appeared)
{
	struct hw_hash *slot = get(outputs, name);
	struct record record;

	if (!slot)
		return false; /* an unnecessary run is better than a missing one */
	record = load(slot);
	if (record.known)
		return true;
	if (record.runs && record.last_run == outputs->run)
		return false; /* it was deleted and created again */
	record.known = appeared || ++record.runs >= HW_OUTPUTS_RUNS;
	record.last_run = outputs->run;
	store(slot, record);
	return record.known;
}

void hw_outputs_changed_outside(struct hw_outputs *outputs, const char *name)
{
	struct hw_hash *slot =
		hw_hashes_find(&outputs->names, hw_hash_bytes(name, strlen(name), 0));
	struct record record;

	if (!slot)
		return;
	record = load(slot);
	record.runs = 0;
	store(slot, record);
}
