/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Identifies inodes. Inode numbers are reused, so each is stored with a second fact. The kind of
 * fact depends on the filesystem and is determined once for each filesystem. Pure functions, for
 * any thread.
 */
#ifndef HW_IDENTITY_H
#define HW_IDENTITY_H

#include "tree.h"
#include <sys/stat.h>
#include <sys/types.h>

/* How the entries of a directory are identified. */
struct hw_identify {
	enum hw_identity by;
	dev_t dev; /* device of the directory; 0: any */
};

/* Determines the kind for the filesystem of an entry: `name` in dirfd, or dirfd itself if name is
 * NULL. HW_UNIDENTIFIED: it does not answer. */
enum hw_identity hw_identity_find(int dirfd, const char *name, const struct statx *stx);
/* Completes the result of hw_stat_from_statx() for an entry. Needs a system call, except for
 * HW_BY_BIRTH and HW_BY_NUMBER. Falls back to the birth time if there is no file handle of the
 * expected kind. Returns 0; -ETIMEDOUT: see apart.h. */
int hw_identity_take(struct hw_stat *stat, enum hw_identity by, int dirfd, const char *name);

/* Reads the generation of an inode from its file handle. Returns 0 or -EOPNOTSUPP. `name` NULL: fd
 * itself. */
int hw_stat_generation(int dirfd, const char *name, uint64_t ino, uint32_t *ret);
/* Returns the ino that struct hw_stat has for the inode of a file handle; 0 if it cannot be
 * derived. */
uint64_t hw_handle_ino(int type, const void *handle, uint32_t len);
/* Returns the generation in a file handle, which hw_stat_generation() also reads; 0 if it has
 * none. */
uint32_t hw_handle_generation(int type, const void *handle, uint32_t len);
/* Returns 1 if the inode of an entry with HW_BY_GENERATION exists, with at least this many links if
 * it is not a directory; 0: it does not, or this is unknown. `on`: a descriptor of its filesystem,
 * not O_PATH. */
int hw_identity_is_alive(int on, const struct hw_entry *entry, uint16_t links);

/* Returns STATX_MNT_ID of a descriptor; 0: unknown (it needs Linux 5.8). A bind mount is another
 * mount on the same device. */
uint64_t hw_mount_of(int fd);

#endif
