/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a watcher reads its kernel queue. */
#ifndef HW_PLUGIN_READING_H
#define HW_PLUGIN_READING_H

#include <hostwatch/plugin.h>
#include <stdbool.h>

struct hw_reading {
	struct hw_io *io; /* owned: the descriptor of the queue */
	struct hw_timer *backlog; /* owned: runs while records are in the buffer, because the
				   * descriptor need not become readable again */
	bool broken; /* the descriptor could not be read, and is read again later */
};

/* The queue cannot be read: tries again every second. Until it can be read, the host compares
 * everything at each attempt. */
void hw_reading_pause(const struct hw_host *host, void *ctx, struct hw_reading *reading, int error);
/* The timer has fired. */
void hw_reading_resume(const struct hw_host *host, void *ctx, const struct hw_reading *reading);

#endif
