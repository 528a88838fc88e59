/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running watcher plugin of one share: connects the plugin's instance with the share. Loop thread
 * only. */
#ifndef HW_WATCHER_H
#define HW_WATCHER_H

#include "instance.h"

struct hw_share;

/* Services for watchers: host.c calls them for the functions of the same name in plugin.h. */
void hw_watcher_hint(struct hw_watcher *watcher,
		     const struct hw_hint *hint); /* hw_hint_fault() finds nothing */
void hw_watcher_lost(struct hw_watcher *watcher, hw_token dir);
int hw_watcher_scan(struct hw_watcher *watcher, hw_token dir);
int hw_watcher_locate(struct hw_watcher *watcher, const char *path, size_t len,
		      struct hw_location *ret);

/* Reads the counters of the watcher; all are zero unless it runs and has counters. */
void hw_watcher_get_stats(struct hw_watcher *watcher, struct hw_watcher_stats *ret);

#endif
