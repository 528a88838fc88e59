/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which inode is it? Inode numbers are used again, so a second fact belongs to each. Which one it
 * is depends on the filesystem and is determined once for each. Pure functions, for any thread.
 */
#ifndef HW_IDENTITY_H
#define HW_IDENTITY_H

#include "tree.h"
#include <sys/stat.h>
#include <sys/types.h>

/* How the entries of a directory are identified. */
struct hw_identify {
	enum hw_identity by;
	dev_t dev; /* the directory's; 0: any */
};

/* What holds on the filesystem of an entry: `name` in dirfd, or dirfd itself when it is NULL. */
enum hw_identity hw_identity_find(int dirfd, const char *name, const struct statx *stx);
/* Completes what hw_stat_from_statx() made of an entry. Costs a system call, but for HW_BY_BIRTH
 * and HW_BY_NUMBER. Falls back to the birth time when there is no file handle of the expected kind.
 */
void hw_identity_take(struct hw_stat *stat, enum hw_identity by, int dirfd, const char *name);

/* The generation of an inode from its file handle; 0 or -EOPNOTSUPP. `name` NULL: fd itself. */
int hw_stat_generation(int dirfd, const char *name, uint64_t ino, uint32_t *ret);
/* The number that struct hw_stat has of the inode of a file handle; 0 when it cannot be derived. */
uint64_t hw_handle_ino(int type, const void *handle, uint32_t len);
/* Is the inode of an entry with HW_BY_GENERATION alive, with at least so many links if it is not a
 * directory? `on`: a descriptor of its filesystem, not O_PATH. 1, 0: no or not knowable. */
int hw_identity_is_alive(int on, const struct hw_entry *entry, uint16_t links);

/* STATX_MNT_ID of a descriptor; 0: not known, Linux 5.8 supplies it. A bind mount is another mount
 * on the same device. */
uint64_t hw_mount_of(int fd);

#endif
