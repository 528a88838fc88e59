/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "auto.h"

/* The core names watchers only here. fanotify: one mark for a whole filesystem, and renames
 * reported as one record. inotify: works without privileges on most systems. polling: works on
 * every filesystem, including network filesystems. */
const char *const hw_auto_watchers[] = { "fanotify", "inotify", "polling" };
const size_t hw_auto_watcher_count = sizeof(hw_auto_watchers) / sizeof(hw_auto_watchers[0]);
