/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Detects filesystems whose changes the kernel does not report, or reports only in part. */
#ifndef HW_PLUGIN_FILESYSTEM_H
#define HW_PLUGIN_FILESYSTEM_H

#include <hostwatch/plugin.h>
#include <stdbool.h>

/* For probe() of a watcher that reads a kernel queue. Returns 0 if the queue reports every change
 * on the filesystem of dirfd, as far as is known. Otherwise returns -EOPNOTSUPP, with the reason in
 * fail(). `remote`: accept network and FUSE filesystems. */
int hw_filesystem_check(const struct hw_host *host, void *ctx, int dirfd, bool remote);

/* Returns whether this is procfs or sysfs, whose files the kernel creates and changes without
 * reporting it. False if statfs(2) fails. */
bool hw_filesystem_is_kernel_made(int dirfd);

#endif
