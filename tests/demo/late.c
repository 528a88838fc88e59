/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A watcher that reports nothing until a barrier asks for it: whatever it reports is late. */
#include <hostwatch/plugin.h>

#include <stddef.h>

struct late {
	const struct hw_host *host; /* borrowed */
	void *ctx;
};

static int late_open(void *arg, const struct hw_host *host, void *ctx)
{
	*(struct late *)arg = (struct late){ host, ctx };
	return 0;
}

static int late_watch_dir(void *self, hw_token dir, int dirfd)
{
	(void)self;
	(void)dir;
	(void)dirfd;
	return 0;
}

static void late_forget_dir(void *self, hw_token dir)
{
	(void)self;
	(void)dir;
}

static int late_flush(void *arg)
{
	struct late *self = arg;

	(void)self->host->scan(self->ctx, HW_NO_DIR); /* of the whole share: cannot fail */
	return 1;
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct late),
	.flags = HW_PLUGIN_SCANS,
	.name = "late",
	.version = "1",
	.summary = "Reports everything late",
	.open = late_open,
	.watch_dir = late_watch_dir,
	.forget_dir = late_forget_dir,
	.flush = late_flush,
};
