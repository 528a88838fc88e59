/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting until the operations on the names of a directory that are under way have ended. */
#ifndef HW_LOCK_H
#define HW_LOCK_H

#include "disk.h"

/*
 * Takes the lock of a directory of the tree and gives it back. The kernel changes the names of a
 * directory and queues the records about it while it holds this lock, so the record of a change
 * that was seen before this call is in the queue when it returns. getdents64(2) takes the lock
 * shared on every filesystem before it looks at the position (iterate_dir(), fs/readdir.c).
 * -EOPNOTSUPP where a listing is a request to a server or merges directories: FUSE, network
 * filesystems, overlayfs. Otherwise as hw_disk_dir(), or the error of open(2).
 */
int hw_disk_lock(struct hw_disk *disk, uint32_t dir);

#endif
