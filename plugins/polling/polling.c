/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The polling watcher: requests a scan at intervals. It decides when to scan; the host performs the
 * scan. */
#include "../common/filesystem.h"

#include <errno.h>
#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <string.h>

#define SOONEST_NS HW_MS
#define WAIT_PERCENT UINT64_C(50) /* of the time: scans that wait for a disk, a server or a CPU */

struct polling {
	uint64_t interval_ns;
	uint64_t idle_max_ns;
	uint64_t budget_percent;

	const struct hw_host *host; /* borrowed; NULL before open */
	void *ctx;
	struct hw_timer *timer; /* owned: starts the next scan */
	uint64_t pause_ns; /* from the start of one scan to the start of the next */
	uint64_t elapsed_ns; /* of the last scan; 0: there was none */
	uint64_t directories;
	bool scanning; /* a requested scan has not ended */
};

/* A request for the whole share cannot fail: the host queues a scan that it cannot start now. */
static void request_scan(struct polling *self)
{
	self->scanning = true;
	(void)self->host->scan(self->ctx, HW_NO_DIR);
}

static void on_timer(void *arg, struct hw_timer *timer)
{
	struct polling *self = arg;

	(void)timer;
	if (!self->scanning && self->directories)
		request_scan(self);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The CPU time of a scan may be at most the configured share of the time between two starts, and
 * the time of a scan that waits at most WAIT_PERCENT of it. */
static uint64_t fair_period(const struct polling *self, uint64_t pause_ns, uint64_t cpu_ns,
			    uint64_t scan_ns)
{
	uint64_t fair = cpu_ns / self->budget_percent * 100;
	uint64_t waiting = scan_ns / greater(self->budget_percent, WAIT_PERCENT) * 100;

	return greater(pause_ns, greater(fair, waiting));
}

/* The shorter of the last two scans counts: only one is as long as the time for which the program
 * was stopped, or a server did not answer. */
static uint64_t usual_ns(const struct polling *self, uint64_t elapsed_ns)
{
	return self->elapsed_ns && self->elapsed_ns < elapsed_ns ? self->elapsed_ns : elapsed_ns;
}

static uint64_t next_delay(const struct polling *self, const struct hw_scan_result *result)
{
	uint64_t elapsed_ns = result->elapsed_ns;
	uint64_t cpu_ns = HW_HAS(result, cpu_ns) ? result->cpu_ns : usual_ns(self, elapsed_ns);
	uint64_t period = fair_period(self, self->pause_ns, cpu_ns, usual_ns(self, elapsed_ns));

	return period > elapsed_ns + SOONEST_NS ? period - elapsed_ns : SOONEST_NS;
}

static void polling_scanned(void *arg, const struct hw_scan_result *result)
{
	struct polling *self = arg;

	self->scanning = false;
	if (!self->timer || !self->directories)
		return;
	if (result->changes || self->idle_max_ns <= self->interval_ns)
		self->pause_ns = self->interval_ns;
	else if (self->pause_ns < self->idle_max_ns / 2)
		self->pause_ns *= 2;
	else
		self->pause_ns = self->idle_max_ns;
	self->host->timer_set(self->ctx, self->timer, next_delay(self, result));
	self->elapsed_ns = result->elapsed_ns;
}

static int polling_probe(void *arg, int dirfd)
{
	struct polling *self = arg;

	/* Any other directory that can be listed can be polled. */
	if (hw_filesystem_is_kernel_made(dirfd))
		(void)self->host->fail(
			self->ctx, 0,
			"creations and deletions only: sizes and times of the files here do "
			"not reflect their contents");
	return 0;
}

static int polling_watch_dir(void *arg, hw_token dir, int dirfd)
{
	struct polling *self = arg;

	(void)dirfd;
	if (dir == HW_NO_DIR)
		return -EINVAL;
	if (self->directories++ == 0 && !self->scanning) {
		self->pause_ns = self->interval_ns;
		self->host->timer_set(self->ctx, self->timer, self->interval_ns);
	}
	return 0;
}

static void polling_forget_dir(void *arg, hw_token dir)
{
	struct polling *self = arg;

	(void)dir;
	if (self->directories && --self->directories == 0)
		self->host->timer_set(self->ctx, self->timer, 0);
}

/* The running scan may already have passed the latest change, so another scan follows it. */
static int polling_flush(void *arg)
{
	struct polling *self = arg;

	if (!self->directories)
		return 0;
	request_scan(self);
	return 1;
}

static void polling_stats(void *arg, struct hw_watcher_stats *ret)
{
	(void)arg;
	(void)ret; /* zero: there is no kernel queue */
}

static void polling_cost(void *arg, int dirfd, struct hw_watcher_cost *cost)
{
	const struct polling *self = arg;
	uint64_t idle =
		self->idle_max_ns > self->interval_ns ? self->idle_max_ns : self->interval_ns;

	uint64_t cpu_ns = HW_HAS(cost, cpu_ns) ? cost->cpu_ns : cost->scan_ns;

	(void)dirfd;
	cost->period_ns = fair_period(self, self->interval_ns, cpu_ns, cost->scan_ns);
	cost->idle_period_ns = fair_period(self, idle, cpu_ns, cost->scan_ns);
}

static int polling_open(void *arg, const struct hw_host *host, void *ctx)
{
	struct polling *self = arg;

	self->host = host;
	self->ctx = ctx;
	if (self->idle_max_ns && self->idle_max_ns < self->interval_ns)
		return host->fail_option(ctx, "idle_max,interval", NULL, EINVAL,
					 "must not be shorter than interval");
	return 0;
}

static int polling_start(void *arg)
{
	struct polling *self = arg;
	int rc = self->host->timer_add(self->ctx, on_timer, self, &self->timer);

	return rc < 0 ? self->host->fail(self->ctx, rc, "cannot start: %s", strerror(-rc)) : 0;
}

static void polling_stop(void *arg)
{
	struct polling *self = arg;

	if (self->timer)
		self->host->timer_del(self->ctx, self->timer);
	self->timer = NULL;
	self->directories = 0;
	self->scanning = false;
}

static const struct hw_option option_interval =
	HW_OPT_DURATION("interval", struct polling, interval_ns, "1s", 10 * HW_MS, 3600 * HW_SEC,
			"Time from the start of one scan to the start of the next");
static const struct hw_option option_idle_max =
	HW_OPT_DURATION("idle_max", struct polling, idle_max_ns, "0s", 0, 3600 * HW_SEC,
			"Longest interval: it doubles while nothing changes; 0s keeps it constant");
static const struct hw_option option_budget = HW_OPT_NUMBER(
	"budget", struct polling, budget_percent, "10", 1, 100,
	"Percentage of one CPU that scans may use; large trees are scanned less often");
static const struct hw_option *const options[] = { &option_interval, &option_idle_max,
						   &option_budget };

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct polling),
	.flags = HW_PLUGIN_SCANS,
	.option_count = sizeof(options) / sizeof(options[0]),
	.name = "polling",
	.version = HW_VERSION,
	.summary = "scans the share at intervals; works on every filesystem",
	.options = options,
	.open = polling_open,
	.start = polling_start,
	.stop = polling_stop,
	.close = polling_stop,
	.probe = polling_probe,
	.watch_dir = polling_watch_dir,
	.forget_dir = polling_forget_dir,
	.flush = polling_flush,
	.scanned = polling_scanned,
	.stats = polling_stats,
	.cost = polling_cost,
};
