/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "auto.h"

/* The only place in the core that names watchers. fanotify: one mark for a whole filesystem and
 * renames told as one. inotify: works unprivileged nearly everywhere. polling: works on everything,
 * network filesystems included. */
const char *const hw_auto_watchers[] = { "fanotify", "inotify", "polling" };
const size_t hw_auto_watcher_count = sizeof(hw_auto_watchers) / sizeof(hw_auto_watchers[0]);
