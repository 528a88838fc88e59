/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A watcher with one flaw at a time, which the conformance kit must find. Without a flaw it is
 * correct, except for the symbol that it exports. */
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/plugin.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum flaw {
	NONE,
	LEAKS_FD,
	LEAKS_MEMORY,
	LEAKS_WHEN_IT_FAILS,
	BLOCKS,
	HANGS,
	CRASHES,
	NEVER_CHECKS_MALLOC,
	KEEPS_TIMER,
	NO_REASON,
	DEAF,
	BAD_HINT,
	SHARED_STATE,
};

struct watcher {
	uint32_t flaw;
	uint64_t level;
	const struct hw_host *host; /* borrowed */
	void *ctx;
	struct hw_timer *timer; /* owned */
	char *memory; /* owned */
	bool wanted;
};

static const struct hw_option *const options[] = {
	&(const struct hw_option)
		HW_OPT_ENUM("flaw", struct watcher, flaw, "none",
			    "none|leaks_fd|leaks_memory|leaks_when_it_fails|blocks|hangs|crashes|"
			    "never_checks_malloc|keeps_timer|no_reason|deaf|bad_hint|shared_state",
			    "What is wrong with it"),
	&(const struct hw_option)HW_OPT_NUMBER("level", struct watcher, level, "1", 0, 100,
					       "Not used, but 100 is refused"),
};

static struct watcher *shared;

static void on_timer(void *self, struct hw_timer *timer)
{
	struct watcher *watcher = self;

	watcher->wanted = false;
	if (watcher->host->scan(watcher->ctx, HW_NO_DIR) == 0)
		return;
	watcher->wanted = true;
	watcher->host->timer_set(watcher->ctx, timer, HW_MS);
}

static void watcher_scanned(void *self, const struct hw_scan_result *result)
{
	(void)self, (void)result;
}

static int watcher_flush(void *self)
{
	struct watcher *watcher = self;

	if (watcher->flaw == DEAF)
		return 0;
	watcher->wanted = true;
	watcher->host->timer_set(watcher->ctx, watcher->timer, HW_MS);
	return 1;
}

static int watcher_watch_dir(void *self, hw_token dir, int dirfd)
{
	struct watcher *watcher = self;
	struct hw_hint hint = { .struct_size = sizeof(hint), .what = HW_HINT_CREATED, .dir = dir };

	if (watcher->flaw == BLOCKS)
		(void)poll(NULL, 0, 400);
	if (watcher->flaw == LEAKS_FD)
		(void)fcntl(dirfd, F_DUPFD_CLOEXEC, 0); /* leaked: this is the flaw */
	hint.name = "a/b";
	hint.name_len = 3;
	if (watcher->flaw == BAD_HINT)
		watcher->host->hint(watcher->ctx, &hint);
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
	if (watcher->level < 100)
		return 0;
	return watcher->flaw == NO_REASON
		       ? -EINVAL
		       : host->fail_option(ctx, "level", "100", EINVAL, "reserved");
}

static int watcher_start(void *self)
{
	struct watcher *watcher = self;
	int r;

	watcher->memory = malloc(100);
	if (watcher->memory || watcher->flaw == NEVER_CHECKS_MALLOC)
		memset(watcher->memory, 1, 100);
	else
		return -ENOMEM;
	if (watcher->flaw == SHARED_STATE) {
		free(shared ? shared->memory : NULL);
		shared = watcher;
	}
	r = watcher->host->timer_add(watcher->ctx, on_timer, watcher, &watcher->timer);
	if (r < 0 && watcher->flaw == LEAKS_WHEN_IT_FAILS)
		watcher->memory = NULL; /* leaked: this is the flaw */
	return r < 0 ? watcher->host->fail(watcher->ctx, r, "no timer") : 0;
}

static void watcher_stop(void *self)
{
	struct watcher *watcher = self;

	if (watcher->flaw == CRASHES && !watcher->timer)
		abort();
	while (watcher->flaw == HANGS && watcher->timer)
		(void)poll(NULL, 0, -1);
	if (watcher->flaw != KEEPS_TIMER && watcher->timer)
		watcher->host->timer_del(watcher->ctx, watcher->timer);
	watcher->timer = NULL;
	if (watcher->flaw != LEAKS_MEMORY)
		free(watcher->memory);
	watcher->memory = NULL;
}

__attribute__((visibility("default"))) int flawed_symbol;

HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = {
	HW_PLUGIN_HEADER(HW_PLUGIN_WATCHER, struct watcher),
	.flags = HW_PLUGIN_SCANS,
	.name = "flawed",
	.version = "1",
	.summary = "has a flaw",
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
