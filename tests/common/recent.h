/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The newest events of a receiver, to find out where they were. */
#ifndef HW_TESTS_RECENT_H
#define HW_TESTS_RECENT_H

#include <hostwatch/event.h>

#define HW_RECENT_EVENTS 4096u

struct hw_recent_event {
	uint64_t seq;
	char path[256], from[256];
};

struct hw_recent {
	struct hw_recent_event ring[HW_RECENT_EVENTS];
};

void hw_recent_add(struct hw_recent *recent, const struct hw_event *event);
/* Returns a path that an event after this number is about and that is not below the directory;
 * NULL: none. */
const char *hw_recent_elsewhere(const struct hw_recent *recent, uint64_t after, const char *dir,
				uint32_t len);

#endif
