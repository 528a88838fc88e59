/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watcher-minimal: a watcher that has no source of events. It requests a scan at an interval, and
 * the host finds the changes. A watcher with a source of events passes them on with host->hint().
 * It calls host->lost() to request a scan if events were lost. hostwatch-plugin(3) has the contract
 * of every callback.
 */
#include <hostwatch/plugin.h>
#include <string.h>

/* The host allocates and zeroes one instance for each share, and writes the options into it. */
struct watcher {
	uint64_t interval_ns;

	const struct hw_host *host; /* borrowed */
	void *ctx;
	struct hw_timer *timer; /* owned: NULL until start() */
};

static const struct hw_option option_interval =
	HW_OPT_DURATION("interval", struct watcher, interval_ns, "1s", 10 * HW_MS, 3600 * HW_SEC,
			"Time from the end of one scan to the start of the next");
static const struct hw_option *const options[] = { &option_interval };

static void on_timer(void *self, struct hw_timer *timer)
{
	struct watcher *watcher = self;

	(void)timer;
	/* A request for the whole share cannot fail: the host queues it if it is busy. */
	(void)watcher->host->scan(watcher->ctx, HW_NO_DIR);
}

static void watcher_scanned(void *self, const struct hw_scan_result *result)
{
	struct watcher *watcher = self;

	(void)result;
	if (watcher->timer)
		watcher->host->timer_set(watcher->ctx, watcher->timer, watcher->interval_ns);
}

/* A running scan may have passed the latest change. The host then runs another one after it. */
static int watcher_flush(void *self)
{
	struct watcher *watcher = self;

	(void)watcher->host->scan(watcher->ctx, HW_NO_DIR);
	return 1;
}

static int watcher_watch_dir(void *self, hw_token dir, int dirfd)
{
	(void)self, (void)dir, (void)dirfd; /* other watchers register the directory here */
	return 0;
}

static void watcher_forget_dir(void *self, hw_token dir)
{
	(void)self, (void)dir;
}

static int watcher_open(void *self, const struct hw_host *host, void *ctx)
{
	struct watcher *watcher = self;

	watcher->host = host;
	watcher->ctx = ctx;
	return 0;
}

static int watcher_start(void *self)
{
	struct watcher *watcher = self;
	int r = watcher->host->timer_add(watcher->ctx, on_timer, watcher, &watcher->timer);

	if (r < 0)
		return watcher->host->fail(watcher->ctx, r, "no timer: %s", strerror(-r));
	watcher->host->timer_set(watcher->ctx, watcher->timer, watcher->interval_ns);
	return 0;
}

/* Also called after start() has failed. */
static void watcher_stop(void *self)
{
	struct watcher *watcher = self;

	if (watcher->timer)
		watcher->host->timer_del(watcher->ctx, watcher->timer);
	watcher->timer = NULL;
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct watcher),
	.flags = HW_PLUGIN_SCANS,
	.name = "watcher-minimal",
	.version = "1",
	.summary = "scans the share at an interval",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.open = watcher_open,
	.start = watcher_start,
	.stop = watcher_stop,
	.watch_dir = watcher_watch_dir,
	.forget_dir = watcher_forget_dir,
	.flush = watcher_flush,
	.scanned = watcher_scanned,
};
