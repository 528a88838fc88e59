/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scans at an interval, and gives a hint before each scan from a structure at the edge of memory.
 */
#include <hostwatch/plugin.h>

#include "edge.h"

struct edge_watcher {
	uint64_t interval_ns;
	const struct hw_host *host; /* borrowed */
	void *ctx;
	struct hw_timer *timer; /* owned */
	struct hw_hint *hint; /* owned */
	struct hw_location *location; /* owned */
	hw_token dir; /* one that is watched; 0: none */
};

static const struct hw_option interval_option =
	HW_OPT_DURATION("interval", struct edge_watcher, interval_ns, "1s", 10 * HW_MS,
			3600 * HW_SEC, "Time from the end of one scan to the start of the next");
static const struct hw_option *const options[] = { &interval_option };

static void scan(struct edge_watcher *watcher)
{
	if (watcher->host->locate(watcher->ctx, "a/b", 3, watcher->location) >= 0) {
		edge_check(watcher->location, sizeof(*watcher->location));
		EDGE_CHECK_GROWN(watcher->location);
	}
	if (watcher->dir) {
		watcher->hint->dir = watcher->dir;
		watcher->host->hint(watcher->ctx, watcher->hint);
	}
	(void)watcher->host->scan(watcher->ctx, HW_NO_DIR);
}

static void on_timer(void *self, struct hw_timer *timer)
{
	(void)timer;
	scan(self);
}

static void edge_scanned(void *self, const struct hw_scan_result *result)
{
	struct edge_watcher *watcher = self;

	if (!HW_HAS(result, elapsed_ns))
		abort();
	if (watcher->timer)
		watcher->host->timer_set(watcher->ctx, watcher->timer, watcher->interval_ns);
}

static int edge_flush(void *self)
{
	scan(self);
	return 1;
}

static int edge_watch_dir(void *self, hw_token dir, int dirfd)
{
	struct edge_watcher *watcher = self;

	(void)dirfd;
	watcher->dir = dir;
	return 0;
}

static void edge_forget_dir(void *self, hw_token dir)
{
	struct edge_watcher *watcher = self;

	if (watcher->dir == dir)
		watcher->dir = HW_NO_DIR;
}

static void edge_stats(void *self, struct hw_watcher_stats *ret)
{
	(void)self;
	if (HW_HAS(ret, overflows))
		ret->overflows = 0;
}

static void edge_cost(void *self, int dirfd, struct hw_watcher_cost *cost)
{
	const struct edge_watcher *watcher = self;

	(void)dirfd;
	if (HW_HAS(cost, idle_period_ns))
		cost->idle_period_ns = cost->period_ns = watcher->interval_ns;
}

static int edge_open(void *self, const struct hw_host *host, void *ctx)
{
	struct edge_watcher *watcher = self;

	watcher->host = host;
	watcher->ctx = ctx;
	return 0;
}

static int edge_start(void *self)
{
	struct edge_watcher *watcher = self;
	int r = watcher->host->timer_add(watcher->ctx, on_timer, watcher, &watcher->timer);

	if (r < 0)
		return watcher->host->fail(watcher->ctx, r, "no timer");
	watcher->hint = edge_alloc(sizeof(*watcher->hint));
	watcher->location = edge_alloc(sizeof(*watcher->location));
	if (!watcher->hint || !watcher->location)
		return watcher->host->fail(watcher->ctx, 12, "no memory");
	*watcher->hint = (struct hw_hint){
		.struct_size = sizeof(*watcher->hint),
		.what = HW_HINT_LOOK,
		.name = "a name that is not there",
		.name_len = 24,
	};
	watcher->host->timer_set(watcher->ctx, watcher->timer, watcher->interval_ns);
	return 0;
}

static void edge_stop(void *self)
{
	struct edge_watcher *watcher = self;

	if (watcher->timer)
		watcher->host->timer_del(watcher->ctx, watcher->timer);
	edge_free(watcher->hint);
	edge_free(watcher->location);
	watcher->timer = NULL;
	watcher->hint = NULL;
	watcher->location = NULL;
	watcher->dir = HW_NO_DIR;
}

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct edge_watcher),
	.flags = HW_PLUGIN_SCANS,
	.option_count = 1,
	.name = "edge-watcher",
	.version = "1",
	.summary = "keeps structures at the edge of memory",
	.options = options,
	.open = edge_open,
	.start = edge_start,
	.stop = edge_stop,
	.close = edge_stop,
	.watch_dir = edge_watch_dir,
	.forget_dir = edge_forget_dir,
	.flush = edge_flush,
	.scanned = edge_scanned,
	.stats = edge_stats,
	.cost = edge_cost,
};
