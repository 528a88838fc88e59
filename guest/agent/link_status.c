/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a link, for the log and for poll(2). */
#include "link.h"

#include <inttypes.h>

static const char *status_of(const struct hw_link *link)
{
	if (!link->inject)
		return "waiting for the mount";
	return link->state == HW_LINK_UP && link->told_epoch ? "connected" : "waiting for the host";
}

void hw_link_log_status(const struct hw_link *link)
{
	char text[HW_INJECT_WHY_MAX] = "";

	if (link->inject && link->inject->ops->describe)
		link->inject->ops->describe(link->inject, text, sizeof(text));
	hw_info("[mount %s] %s, event %" PRIu64 " of epoch %016" PRIx64 "%s%s", link->mount->name,
		status_of(link), link->seen->seq, link->seen->epoch, *text ? "; " : "", text);
}

uint64_t hw_link_prepare(const struct hw_link *link, struct pollfd *pollfd)
{
	bool write = link->state == HW_LINK_CONNECTING || link->out_at < link->out_len;

	pollfd->events = POLLIN;
	pollfd->revents = 0;
	pollfd->fd = link->fd;
	if (link->state == HW_LINK_DOWN)
		pollfd->fd = link->due_ms == UINT64_MAX ? link->on.fd : -1;
	else if (write)
		pollfd->events = POLLIN | POLLOUT;
	if (link->state == HW_LINK_UP && link->told_epoch != 0)
		return link->work_ms;
	return link->due_ms < link->work_ms ? link->due_ms : link->work_ms;
}
