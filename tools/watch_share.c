/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "candidates.h"
#include "errors.h"
#include "log.h"
#include "watch.h"
#include <hostwatch/filter.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for the differences that one scan finds: half a million events. Pages are allocated when
 * used. */
#define JOURNAL_BYTES (UINT64_C(64) << 20)
#define INTERVAL_TEXT 32

/* Returns 0, or an exit status. */
static int check_watchers(const struct watch *w)
{
	struct hw_errors errors = { 0 };
	int r = hw_candidates_load(w->loader, w->settings.watchers, &errors), status = 0;
	const char *text = errors.count ? errors.lines[0] : strerror(-r);

	if (r == -ENOENT)
		status = hw_args_mistake(w->line, "--watcher: %s", text);
	else if (r < 0)
		status = hw_args_failure(w->line, "--watcher: %s", text);
	hw_errors_free(&errors);
	return status;
}

static int create_share(struct watched *watched)
{
	struct watch *w = watched->watch;
	struct hw_share_config config = {
		.name = watched->name,
		.path = watched->target->dir,
		.interval_ns = w->settings.interval_ns,
		.settle_ns = w->settings.settle_ns,
		.journal_bytes = JOURNAL_BYTES,
		.explicit_watcher = strcmp(w->settings.watchers, "auto") != 0,
	};
	const char **excludes =
		hw_target_excludes(watched->target, w->settings.select.patterns,
				   w->settings.select.pattern_count, &config.exclude_count);
	int r = -ENOMEM;

	config.excludes = excludes;
	if (excludes)
		r = hw_share_create(w->loop, &config, &watched->share);
	free(excludes);
	return r;
}

static int add_watchers(struct watched *watched)
{
	const struct watch *w = watched->watch;
	char interval[INTERVAL_TEXT];

	(void)snprintf(interval, sizeof(interval), "%luus",
		       (unsigned long)(w->settings.interval_ns / 1000));
	return hw_candidates_add(watched->share, w->loop, w->loader, w->settings.watchers,
				 w->settings.interval_ns ? interval : NULL);
}

static int start_share(struct watched *watched, hw_share_ready_fn *ready)
{
	const struct watch *w = watched->watch;
	struct hw_share_status status;
	int r = create_share(watched);

	if (r == 0)
		r = hw_share_listen(watched->share, ready, watched);
	if (r == 0)
		r = add_watchers(watched);
	if (r < 0)
		return hw_args_failure(w->line, "cannot start: %s", strerror(-r));
	r = hw_share_start(watched->share);
	hw_share_get_status(watched->share, &status);
	return r < 0 ? hw_args_failure(w->line, "%s", status.why) : 0;
}

static int check_counts(const struct watch *w)
{
	size_t patterns = w->settings.select.pattern_count;

	for (size_t i = 0; i < w->targets.count; i++) {
		size_t files = w->targets.items[i].files.count;

		if (files && files + patterns + 1 > HW_FILTER_PATTERNS_MAX)
			return hw_args_mistake(w->line,
					       "more than %u files of one directory: watch it "
					       "instead",
					       HW_FILTER_PATTERNS_MAX - 1);
	}
	return 0;
}

int hw_watch_start_shares(struct watch *w, hw_share_ready_fn *ready)
{
	size_t count = w->targets.count;
	int status = check_counts(w);

	if (status)
		return status;
	w->shares = calloc(count, sizeof(*w->shares));
	if (!w->shares || hw_loader_create(&w->loader) < 0 ||
	    hw_loader_add_defaults(w->loader, NULL) < 0)
		return hw_args_failure(w->line, "out of memory");
	status = check_watchers(w);
	for (size_t i = 0; i < count && !status; i++) {
		struct watched *watched = &w->shares[i];

		watched->watch = w;
		watched->target = &w->targets.items[i];
		(void)snprintf(watched->name, sizeof(watched->name),
			       count > 1 ? "watch-%zu" : "watch", i + 1);
		status = start_share(watched, ready);
	}
	return status;
}

void hw_watch_stop_shares(struct watch *w)
{
	for (size_t i = 0; w->shares && i < w->targets.count; i++)
		hw_share_destroy(w->shares[i].share);
	free(w->shares);
	hw_loader_destroy(w->loader);
}
