/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits until pending operations on the names of a directory have ended. */
#ifndef HW_LOCK_H
#define HW_LOCK_H

#include "disk.h"

/*
 * Takes and releases the kernel's lock of a directory of the tree. The kernel changes the names of
 * a directory and queues the records about it while it holds this lock. So if a change was seen
 * before this call, its record is in the queue when the call returns. On every filesystem,
 * getdents64(2) takes the lock shared before it examines the position (iterate_dir(),
 * fs/readdir.c). Returns -EOPNOTSUPP if a listing is a request to a server or merges directories:
 * FUSE, network filesystems, overlayfs. Otherwise as hw_disk_dir(), or the error of open(2).
 */
int hw_disk_lock(struct hw_disk *disk, uint32_t dir);

#endif
