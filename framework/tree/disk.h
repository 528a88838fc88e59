/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disk below a share's root: opens directories beneath it, looks at entries, knows the
 * filesystems. Nothing here follows a symlink or leaves the root. Functions that take a struct
 * hw_disk belong to the loop thread; the others are pure and used by listing threads too.
 */
#ifndef HW_DISK_H
#define HW_DISK_H

#include "identity.h"
#include "tree.h"
#include <sys/stat.h>
#include <sys/types.h>

#define HW_FILESYSTEMS_MAX 4096u
#define HW_DIRS_CACHE                                                                              \
	256u /* descriptors kept open, a power of two; all shares together a quarter of            \
		RLIMIT_NOFILE */

/* Is a listing cheap, or a request to a server? lock.h */
enum hw_listing_cost { HW_LISTING_UNKNOWN, HW_LISTING_FAST, HW_LISTING_SLOW };

/* One filesystem of the share. */
struct hw_filesystem {
	dev_t dev;
	int fd; /* owned: a directory on it, for open_by_handle_at(2); the root's filesystem only */
	uint8_t watcher; /* the first candidate that works on it, HW_WATCHER_NONE: not probed yet */
	uint8_t listing; /* enum hw_listing_cost */
	uint8_t identity; /* enum hw_identity; HW_UNIDENTIFIED: not determined yet */
	bool leases; /* F_SETLEASE has not failed for want of support */
};

struct hw_dir_slot {
	uint32_t id;
	uint32_t serial;
	int fd;
	bool foreign; /* of another mount than the root, which is not to be kept busy */
};

struct hw_disk {
	int root; /* owned: O_RDONLY | O_DIRECTORY, -1 while offline */
	bool generations; /* identify inodes by the generation in their file handle where the
			     birth time would do */
	const struct hw_tree *tree; /* borrowed */
	struct hw_filesystem *filesystems; /* owned */
	uint32_t filesystem_count;
	dev_t root_dev;
	uint64_t root_mount; /* STATX_MNT_ID; 0: not known */
	bool foreign; /* a descriptor in dirs is */
	unsigned hand; /* the next slot to give up when there are too many */
	struct hw_dir_slot dirs[HW_DIRS_CACHE];
};

void hw_disk_init(struct hw_disk *disk, const struct hw_tree *tree);
void hw_disk_free(struct hw_disk *disk);
/* Opens the root by its path; a symlink at its end is followed. -ENOENT, -ENOTDIR, -EACCES. */
int hw_disk_open_root(struct hw_disk *disk, const char *path);
void hw_disk_close_root(struct hw_disk *disk); /* and everything that was opened beneath it */

/* An O_PATH descriptor of a directory of the tree, borrowed until the next call. -ESTALE: what the
 * disk has at its place is another directory. -ENOENT, -ENOTDIR, -EACCES, ... */
int hw_disk_dir(struct hw_disk *disk, uint32_t dir);
/* Pins a descriptor (taken over) for a directory that the disk has elsewhere than the tree. */
void hw_disk_put_dir(struct hw_disk *disk, uint32_t dir, int fd);
void hw_disk_forget_dir(struct hw_disk *disk, uint32_t dir);
/* Closes what lies on other filesystems than the root: an open directory keeps its mount busy, and
 * who wants to unmount it is not told why. At the end of each turn. */
void hw_disk_release_foreign(struct hw_disk *disk);

/* openat(2) with O_CLOEXEC. When descriptors are short the cache gives up its own, but for dirfd.
 * -errno. */
int hw_disk_openat(struct hw_disk *disk, int dirfd, const char *name, int flags);
bool hw_disk_is_short(int error); /* is it about too many descriptors? */

/* What the disk says about a name. -ENOENT when there is none (also -ENOTDIR, -ESTALE for the
 * directory). */
int hw_disk_stat(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		 struct hw_stat *ret);
/* This very entry is at its name. */
bool hw_disk_has(struct hw_disk *disk, uint32_t id);
/* The same of an open directory. */
int hw_disk_stat_fd(struct hw_disk *disk, int fd, struct hw_stat *ret);
/* How hw_list_read() identifies the entries of a directory on this filesystem. `cheaply`: numbers
 * are comparable with those of the tree, and what identifies beyond them is not read if that costs
 * a system call. */
struct hw_identify hw_disk_identify(const struct hw_disk *disk, uint16_t fs, bool cheaply);
/* Index of the filesystem of this device; makes it known. `fd`: a directory on it. */
int hw_disk_filesystem(struct hw_disk *disk, dev_t dev, int fd);

/* Does nobody have this regular file open for writing? 1: nobody, 0: somebody, -EOPNOTSUPP: cannot
 * be known (no leases here, or not our file), -ENOENT: gone. Takes a read lease and gives it back
 * at once. Fills *stat when it returns 0 or 1, unless it has a type: then it is what was seen
 * under this name just now. */
int hw_disk_no_writer(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		      struct hw_stat *stat);
/* Is this inode, which lost its name here, still alive, and a file with at least so many links? 1:
 * it moved elsewhere, 0: no or not knowable (needs file handles and CAP_DAC_READ_SEARCH). */
int hw_disk_is_alive(struct hw_disk *disk, const struct hw_entry *entry, uint16_t links);

/* ---- pure ---- */
void hw_stat_from_statx(struct hw_stat *stat,
			const struct statx *stx); /* all but fs; ident from birth time */
/* Opens beneath a directory, paths longer than PATH_MAX too; flags as openat2(2). */
int hw_open_beneath(int root, const char *path, size_t len, int flags);
#define HW_STATX_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)
dev_t hw_statx_dev(const struct statx *stx);

#endif
