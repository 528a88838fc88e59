/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems whose changes the kernel does not report, or not all of them. */
#ifndef HW_PLUGIN_FILESYSTEM_H
#define HW_PLUGIN_FILESYSTEM_H

#include <hostwatch/plugin.h>
#include <stdbool.h>

/* For probe() of a watcher that reads a queue of the kernel. 0 if the queue reports every change on
 * the filesystem of dirfd, as far as is known. Otherwise -EOPNOTSUPP, with the reason in fail().
 * `remote`: accept network and FUSE filesystems. */
int hw_filesystem_check(const struct hw_host *host, void *ctx, int dirfd, bool remote);

/* Returns whether this is procfs or sysfs, whose files the kernel makes and changes without
 * reporting it. False if the filesystem cannot be examined. */
bool hw_filesystem_is_kernel_made(int dirfd);

#endif
