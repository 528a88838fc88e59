/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * watcher-minimal: a watcher that knows nothing. It asks the host to compare the share with the
 * disk now and then; the host finds out what happened. A watcher with a source of events of its own
 * tells what it hears with host->hint() and asks for a scan only when it lost something, with
 * host->lost(). hostwatch-plugin(3) has the contract of every callback.
 */
#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <string.h>

#define SOON_NS HW_MS

/* The host allocates and zeroes one for each share, and writes the options into it. */
struct watcher {
	uint64_t interval_ns;

	const struct hw_host *host; /* borrowed */
	void *ctx;
	struct hw_timer *timer; /* owned: NULL until start() */
	bool wanted; /* a scan that begins after now */
};

static const struct hw_option option_interval =
	HW_OPT_DURATION("interval", struct watcher, interval_ns, "1s", 10 * HW_MS, 3600 * HW_SEC,
			"From the end of one comparison with the disk to the start of the next");
static const struct hw_option *const options[] = { &option_interval };

static void on_timer(void *self, struct hw_timer *timer)
{
	struct watcher *watcher = self;

	watcher->wanted = false; /* before the call: the end of a short scan may come inside it */
	if (watcher->host->scan(watcher->ctx, HW_NO_DIR) == 0)
		return;
	/* A scan is running, or the share is not complete yet. */
	watcher->wanted = true;
	watcher->host->timer_set(watcher->ctx, timer, SOON_NS);
}

static void watcher_scanned(void *self, const struct hw_scan_result *result)
{
	struct watcher *watcher = self;

	(void)result;
	if (watcher->timer && !watcher->wanted)
		watcher->host->timer_set(watcher->ctx, watcher->timer, watcher->interval_ns);
}

/* All that happened until now shall be told: by a scan that has not begun yet. */
static int watcher_flush(void *self)
{
	struct watcher *watcher = self;

	watcher->wanted = true;
	watcher->host->timer_set(watcher->ctx, watcher->timer, SOON_NS);
	return 1;
}

static int watcher_watch_dir(void *self, hw_token dir, int dirfd)
{
	(void)self, (void)dir, (void)dirfd; /* here one would ask the kernel to tell */
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

/* Also after a start() that failed. */
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
	.summary = "compares with the disk at an interval",
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
