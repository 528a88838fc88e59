/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watchers.h"

#include "share_private.h"

#include <stdlib.h>

static struct hw_watcher *free_place(struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		if (share->watchers.list[i].state != HW_WATCHER_ABSENT)
			continue;
		share->watchers.list[i] = (struct hw_watcher){ .index = i };
		return &share->watchers.list[i];
	}
	return NULL;
}

struct hw_watcher *hw_watcher_install(struct hw_share *share, struct hw_instance *instance)
{
	struct hw_watcher *watcher = free_place(share);

	if (!watcher)
		return NULL;
	watcher->share = share;
	watcher->instance = instance;
	watcher->plugin = instance->plugin;
	watcher->state = HW_WATCHER_IDLE;
	watcher->serial = ++share->watchers.serial;
	watcher->polled_ns = share->settle.since_ns;
	watcher->stats.struct_size = sizeof(watcher->stats);
	instance->watcher = watcher;
	instance->watcher_services = share->watchers.services;
	instance->slices = &share->work;
	return watcher;
}

void hw_watcher_get_stats(struct hw_watcher *watcher, struct hw_watcher_stats *ret)
{
	*ret = (struct hw_watcher_stats){ .struct_size = sizeof(*ret) };
	/* The work may be in a call of this plugin. */
	if (hw_slices_away_since(&watcher->share->work))
		*ret = watcher->stats;
	else if (watcher->state == HW_WATCHER_RUNNING && watcher->plugin->stats)
		watcher->plugin->stats(watcher->instance->self, ret);
	watcher->stats = *ret;
}

void hw_watcher_destroy(struct hw_watcher *watcher)
{
	struct hw_watcher_stats stats;

	hw_watcher_get_stats(watcher, &stats);
	watcher->share->watchers.past_events += stats.kernel_events;
	watcher->share->watchers.past_overflows += stats.overflows;
	hw_instance_destroy(watcher->instance);
	free(watcher->tops);
	*watcher = (struct hw_watcher){ .index = watcher->index };
}

int64_t hw_watchers_since(const struct hw_share *share)
{
	int64_t since = share->settle.since_ns;

	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++)
		if (share->watchers.list[i].scan_running &&
		    share->watchers.list[i].polled_ns > since)
			since = share->watchers.list[i].polled_ns;
	return since;
}

bool hw_watchers_have_unread(const struct hw_share *share)
{
	for (uint8_t i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers.list[i];

		if (watcher->state != HW_WATCHER_RUNNING)
			continue;
		for (unsigned j = 0; j < HW_INPUTS_MAX; j++)
			if (watcher->instance->inputs[j] &&
			    hw_io_is_readable(watcher->instance->inputs[j]))
				return true;
	}
	return false;
}
