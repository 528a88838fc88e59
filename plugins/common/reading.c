/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reading.h"

#include <string.h>

void hw_reading_pause(const struct hw_host *host, void *ctx, struct hw_reading *reading, int error)
{
	host->log(ctx, reading->broken ? HW_LOG_DEBUG : HW_LOG_ERROR,
		  "cannot read events: %s; trying again every second", strerror(-error));
	host->io_set(ctx, reading->io, 0);
	host->timer_set(ctx, reading->backlog, HW_SEC);
	reading->broken = true;
	host->lost(ctx, HW_NO_DIR);
}

void hw_reading_resume(const struct hw_host *host, void *ctx, const struct hw_reading *reading)
{
	if (reading->broken)
		host->io_set(ctx, reading->io, HW_IO_READ);
}
