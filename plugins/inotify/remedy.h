/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an error of inotify means here, and what helps: the texts behind fail(). */
#ifndef HW_INOTIFY_REMEDY_H
#define HW_INOTIFY_REMEDY_H

#include <hostwatch/plugin.h>
#include <stdbool.h>

/* inotify_init1(2) and inotify_add_watch(2) failed. Return error, a negative errno. */
int hw_remedy_instance(const struct hw_host *host, void *ctx, int error);
int hw_remedy_watch(const struct hw_host *host, void *ctx, int error);

/* The limit of watches for all programs of this user, and the sysctl that sets it (static). 0 when
 * it cannot be read. */
uint64_t hw_remedy_watch_limit(const char **ret_name);

/* The name of a filesystem that others change without this kernel knowing; NULL for any other, or
 * when not known. */
const char *hw_remedy_remote(int dirfd);
/* /proc, /sys: files that the kernel makes as it goes, and tells nobody of. */
bool hw_remedy_is_kernel_made(int dirfd);

#endif
