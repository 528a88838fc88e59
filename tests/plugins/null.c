/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The smallest watcher: accepts every directory, and never reports anything. `refuse` makes its
 * probe() fail. */
#include <errno.h>
#include <hostwatch/plugin.h>

struct null_watcher {
	const struct hw_host *host; /* borrowed */
	void *ctx;
	uint64_t interval_ns;
	uint32_t refuse;
};

static const struct hw_option *const options[] = {
	&(const struct hw_option)HW_OPT_BOOL("refuse", struct null_watcher, refuse, "no",
					     "Watch nothing at all"),
	&(const struct hw_option)HW_OPT_DURATION("interval", struct null_watcher, interval_ns, "1s",
						 100 * HW_MS, 60 * HW_SEC, "Not used"),
};

static int null_open(void *self, const struct hw_host *host, void *ctx)
{
	struct null_watcher *watcher = self;

	watcher->host = host;
	watcher->ctx = ctx;
	return 0;
}

static int null_probe(void *self, int dirfd)
{
	struct null_watcher *watcher = self;

	(void)dirfd;
	if (watcher->refuse)
		return watcher->host->fail(watcher->ctx, EOPNOTSUPP, "refuse = yes");
	return 0;
}

static int null_watch_dir(void *self, hw_token dir, int dirfd)
{
	(void)self, (void)dir, (void)dirfd;
	return 0;
}

static void null_forget_dir(void *self, hw_token dir)
{
	(void)self, (void)dir;
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct null_watcher),
	.flags = HW_PLUGIN_ORDERED,
	.name = "null",
	.version = HW_VERSION,
	.summary = "sees nothing",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.open = null_open,
	.probe = null_probe,
	.watch_dir = null_watch_dir,
	.forget_dir = null_forget_dir,
};
