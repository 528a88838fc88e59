/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entries of a tree that have changed since the list was emptied, each once. */
#ifndef HW_CHANGED_H
#define HW_CHANGED_H

#include "ids.h"

#include <stdbool.h>
#include <stdint.h>

/* All zero is an empty list. */
struct hw_changed {
	uint64_t *marks; /* owned: a bit for each id */
	uint32_t room; /* number of ids that have a bit */
	struct hw_ids list; /* owned */
	bool lost; /* memory was short: the list is incomplete */
	bool unmarked; /* set with each change; the user clears it */
};

void hw_changed_add(struct hw_changed *changed, uint32_t id);
void hw_changed_clear(struct hw_changed *changed);
void hw_changed_free(struct hw_changed *changed);

#endif
