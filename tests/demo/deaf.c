/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A watcher that starts, accepts every directory, and never reports anything. */
#include <hostwatch/plugin.h>

#include <stddef.h>

struct deaf {
	char nothing;
};

static int deaf_watch_dir(void *self, hw_token dir, int dirfd)
{
	(void)self;
	(void)dir;
	(void)dirfd;
	return 0;
}

static void deaf_forget_dir(void *self, hw_token dir)
{
	(void)self;
	(void)dir;
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct deaf),
	.name = HW_DEAF_NAME,
	.version = HW_VERSION,
	.summary = "Sees nothing",
	.watch_dir = deaf_watch_dir,
	.forget_dir = deaf_forget_dir,
};
