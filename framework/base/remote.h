/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems that a server provides, and that may stop answering: then every system call about
 * them waits. */
#ifndef HW_REMOTE_H
#define HW_REMOTE_H

#include <stdbool.h>

/* `type`: as in proc(5), mountinfo, for example "ext4" or "fuse.sshfs". Unknown ones may hang. */
bool hw_remote_may_hang(const char *type);

/* Returns whether such a filesystem is mounted anywhere. */
bool hw_remote_any(void);

/* Checks that a path leads to a directory. Returns 0, -ENOTDIR, another -errno; or -ETIMEDOUT: the
 * filesystem does not answer for a moment. */
int hw_remote_check_dir(const char *path);

#endif
