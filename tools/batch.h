/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events to be passed to a command, with their names as displayed. */
#ifndef HW_BATCH_H
#define HW_BATCH_H

#include "target.h"

#include <hostwatch/wire.h>

#define HW_BATCH_MAX (64u << 20) /* bytes of text; beyond them, the changes become one rescan */

/* One event. Offsets into the batch's texts. */
struct hw_change {
	size_t line; /* of its JSON line, in lines */
	size_t line_len;
	size_t path, from; /* in names, NUL-terminated; SIZE_MAX: absent */
	uint8_t kind;
	uint16_t flags;
};

/* Zeroed by hw_batch_init(). */
struct hw_batch {
	struct hw_change *changes; /* owned */
	size_t count, room;
	struct hw_buf lines, names;
	bool overflow; /* changes were dropped: any entry may have changed */
};

void hw_batch_init(struct hw_batch *batch);
void hw_batch_free(struct hw_batch *batch);
void hw_batch_clear(struct hw_batch *batch);
/* Drops the changes: any entry may have changed. */
void hw_batch_overflow(struct hw_batch *batch);
bool hw_batch_is_empty(const struct hw_batch *batch);

/* Adds an event of a share; overflows if it does not fit. */
void hw_batch_add(struct hw_batch *batch, const struct hw_target *target, const char *share,
		  const struct hw_event *event);
/* Adds change `index` of another batch, and the overflow flag of that batch. */
void hw_batch_add_from(struct hw_batch *batch, const struct hw_batch *from, size_t index);
/* Returns the name, NULL if it is absent. */
const char *hw_batch_name(const struct hw_batch *batch, size_t offset);

/* A command line: argv is one block with its strings, to be freed. lines: the events. */
struct hw_batch_command {
	char **argv; /* owned */
	struct hw_buf lines; /* owned */
};

/*
 * Creates a command line: replaces each argument "{}" of `command` by the names in the changes,
 * without duplicates, the oldest first; as many as fit into max_bytes, but at least those of one
 * change. Removes the changes of these names from the batch. After an overflow, or if the batch is
 * empty, the names are `all`. Returns 0 or -ENOMEM.
 */
int hw_batch_take(struct hw_batch *batch, char *const *command, char *const *all, size_t max_bytes,
		  struct hw_batch_command *ret);
void hw_batch_command_free(struct hw_batch_command *command);

#endif
