/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void hw_recent_add(struct hw_recent *recent, const struct hw_event *event)
{
	struct hw_recent_event *to = &recent->ring[event->seq % HW_RECENT_EVENTS];

	to->seq = event->seq;
	(void)snprintf(to->path, sizeof(to->path), "%.*s", (int)event->path_len,
		       event->path ? event->path : "");
	(void)snprintf(to->from, sizeof(to->from), "%.*s", (int)event->from_len,
		       event->from ? event->from : "");
}

static bool is_below(const char *path, const char *dir, uint32_t len)
{
	return !*path || (strncmp(path, dir, len) == 0 && path[len] == '/');
}

const char *hw_recent_elsewhere(const struct hw_recent *recent, uint64_t after, const char *dir,
				uint32_t len)
{
	for (unsigned i = 0; i < HW_RECENT_EVENTS; i++) {
		const struct hw_recent_event *event = &recent->ring[i];

		if (event->seq <= after)
			continue;
		if (!is_below(event->path, dir, len))
			return event->path;
		if (!is_below(event->from, dir, len))
			return event->from;
	}
	return NULL;
}
