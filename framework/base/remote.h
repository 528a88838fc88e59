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
/* Calls fn(arg) in a child if a filesystem may hang. Returns its result, 0 or -errno; or
 * -ETIMEDOUT. The child has a copy of the memory. */
int hw_remote_call(int (*fn)(void *arg), void *arg);

/* The close(2) of this descriptor would wait for a filesystem that does not answer. */
void hw_remote_leave_open(int fd);
/* Closes all descriptors but these, before the process ends while a child shares them (thread.h).
 */
void hw_remote_close_others(void);

#endif
