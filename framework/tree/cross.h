/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths that lead to another mount, on a thread that must not wait: that of the loop. A filesystem
 * may have been mounted since the loop last looked, and may never answer. To cross a mount point
 * asks nobody (9p is an exception), nor does statx(2) with AT_STATX_DONT_SYNC. So a directory is
 * opened with O_PATH first, and used only if mountinfo says that its filesystem is local.
 */
#ifndef HW_CROSS_H
#define HW_CROSS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* From now on, this thread must not wait; or it may. At first it may. */
void hw_cross_guard(bool on);
/* Returns whether this thread must not wait. On others, the caller needs none of the following. */
bool hw_cross_is_guarded(void);

/* Opens a path beneath a directory whose filesystem answers, without following symbolic links;
 * flags as for openat2(2), of a directory unless they contain O_PATH. -ETIMEDOUT: it leads to a
 * mount that may not answer; others as openat2(2). Loop thread only, like the next two. */
int hw_cross_open(int dirfd, const char *path, int flags);
/* The same as statx(2) for an absolute path without symbolic links. */
int hw_cross_statx(const char *path, unsigned mask, struct statx *ret);
/* Returns 0 if the filesystem of a mount answers, otherwise -ETIMEDOUT. `from`: the mount of the
 * path that leads there, 0: unknown. Both are STATX_MNT_ID. */
int hw_cross_check(uint64_t from, uint64_t mount);

#endif
