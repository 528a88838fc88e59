/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "feeder.h"

#include <stdio.h>

#define TURN_EVENTS 1000u

struct feeder {
	const struct hw_host *host; /* borrowed */
	void *ctx;
	struct hw_timer *timer; /* owned */
	hw_token root;
};

static struct feeder *running; /* the only instance */
static unsigned left, next;

static void tell(struct feeder *feeder, uint32_t what, unsigned file)
{
	char name[16];
	struct hw_hint hint = { .struct_size = sizeof(hint), .what = what, .dir = feeder->root };

	hint.name_len = (uint32_t)snprintf(name, sizeof(name), "f%u", file);
	hint.name = name;
	hint.type = HW_TYPE_FILE;
	feeder->host->hint(feeder->ctx, &hint);
}

static void on_timer(void *self, struct hw_timer *timer)
{
	struct feeder *feeder = self;

	/* Reports a modify and a close_write for each: two events, whatever was reported for the
	 * file before. */
	for (unsigned i = 0; left && i < HW_FEEDER_FILES && i < TURN_EVENTS / 2; i++) {
		tell(feeder, HW_HINT_MODIFIED, next % HW_FEEDER_FILES);
		tell(feeder, HW_HINT_CLOSE_WRITE, next++ % HW_FEEDER_FILES);
		left -= left < 2 ? left : 2;
	}
	if (left)
		feeder->host->timer_set(feeder->ctx, timer, HW_MS);
}

void hw_feeder_tell(unsigned count)
{
	left += count;
	if (running)
		running->host->timer_set(running->ctx, running->timer, HW_MS);
}

static int feeder_open(void *self, const struct hw_host *host, void *ctx)
{
	struct feeder *feeder = self;

	feeder->host = host;
	feeder->ctx = ctx;
	return 0;
}

static int feeder_start(void *self)
{
	running = self;
	left = 0;
	return running->host->timer_add(running->ctx, on_timer, running, &running->timer);
}

static void feeder_stop(void *self)
{
	struct feeder *feeder = self;

	feeder->host->timer_del(feeder->ctx, feeder->timer);
	feeder->timer = NULL;
	running = NULL;
}

static void feeder_close(void *self)
{
	(void)self;
}

static int feeder_watch_dir(void *self, hw_token dir, int dirfd)
{
	struct feeder *feeder = self;

	(void)dirfd;
	if (!feeder->root)
		feeder->root = dir;
	return 0;
}

static void feeder_forget_dir(void *self, hw_token dir)
{
	(void)self, (void)dir;
}

static int feeder_probe(void *self, int dirfd)
{
	(void)self, (void)dirfd;
	return 0;
}

static int feeder_flush(void *self)
{
	(void)self;
	return 0;
}

static void feeder_stats(void *self, struct hw_watcher_stats *ret)
{
	(void)self, (void)ret;
}

const struct hw_plugin hw_feeder = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct feeder),
	.flags = HW_PLUGIN_ORDERED,
	.name = "feeder",
	.version = "1",
	.summary = "reports the hints of a script",
	.open = feeder_open,
	.start = feeder_start,
	.stop = feeder_stop,
	.close = feeder_close,
	.probe = feeder_probe,
	.watch_dir = feeder_watch_dir,
	.forget_dir = feeder_forget_dir,
	.flush = feeder_flush,
	.stats = feeder_stats,
};
