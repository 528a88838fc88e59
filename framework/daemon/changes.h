/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shares and sinks that a reload started, stopped and kept. Loop thread only. */
#ifndef HW_CHANGES_H
#define HW_CHANGES_H

#include <stddef.h>
#include <stdint.h>

struct hw_core;

/* One running share or sink. */
struct hw_running {
	const char *kind; /* "share" or "sink" */
	char *name; /* owned */
	uint64_t serial; /* differs from that of any other share or sink, also of the same name */
};

/* All shares and sinks that run at one time. Zeroed before use, freed by hw_roster_free(). */
struct hw_roster {
	struct hw_running *items; /* owned */
	size_t count;
};

int hw_roster_take(const struct hw_core *core, struct hw_roster *ret); /* -ENOMEM */
void hw_roster_free(struct hw_roster *roster);

/* Calls fn for each item of either roster: `change` is "started", "stopped", "restarted" or "kept".
 * */
typedef void hw_change_fn(void *arg, const struct hw_running *running, const char *change);
void hw_roster_compare(const struct hw_roster *before, const struct hw_roster *after,
		       hw_change_fn *fn, void *arg);

#endif
