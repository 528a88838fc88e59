/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disk below a share's root: opens directories, stats entries, and manages the filesystems.
 * Never follows a symlink and never leaves the root. System calls that may wait for the filesystem
 * are between hw_away_begin() and hw_away_end(): see thread.h. Functions that take a struct hw_disk
 * belong to the loop thread; the others are pure, and also used by listing threads.
 */
#ifndef HW_DISK_H
#define HW_DISK_H

#include "apart.h"
#include "identity.h"
#include "tree.h"
#include "way.h"
#include <sys/stat.h>
#include <sys/types.h>

#define HW_FILESYSTEMS_MAX 4096u
#define HW_DIRS_CACHE                                                                              \
	256u /* descriptors kept open, a power of two; all shares use a quarter of RLIMIT_NOFILE   \
	      */

/* Whether a listing is cheap, or a request to a server: see lock.h. */
enum hw_listing_cost { HW_LISTING_UNKNOWN, HW_LISTING_FAST, HW_LISTING_SLOW };

/* One filesystem of the share. */
struct hw_filesystem {
	dev_t dev;
	uint8_t watcher; /* the first candidate that works on this filesystem, HW_WATCHER_NONE: not
			  * probed yet */
	uint8_t listing; /* enum hw_listing_cost */
	uint8_t identity; /* enum hw_identity; HW_UNIDENTIFIED: not determined yet */
	bool leases; /* F_SETLEASE has not failed as unsupported */
};

struct hw_dir_slot {
	uint32_t id;
	uint32_t serial;
	int fd;
	bool foreign; /* on another mount than the root; this mount must not be kept busy */
};

struct hw_disk {
	int root; /* owned: O_RDONLY | O_DIRECTORY, -1 while offline or released: hw_disk_root() */
	struct hw_way way; /* to the root, if it is released at the end of each iteration */
	bool left; /* the released root is not at its path any more */
	struct hw_aparts aparts; /* mounts below the root that may stop answering */
	bool generations; /* identify inodes by the generation in their file handle, even if they
			   * have a birth time */
	const struct hw_tree *tree; /* borrowed */
	struct hw_filesystem *filesystems; /* owned */
	uint32_t filesystem_count;
	dev_t root_dev;
	uint64_t root_mount; /* STATX_MNT_ID; 0: unknown */
	bool foreign; /* dirs contains a descriptor of another filesystem */
	unsigned hand; /* the next slot to close if there are too many descriptors */
	struct hw_dir_slot dirs[HW_DIRS_CACHE];
	char path[HW_PATH_MAX + 1]; /* of a directory that is being opened */
};

void hw_disk_init(struct hw_disk *disk, const struct hw_tree *tree);
void hw_disk_free(struct hw_disk *disk);
/* Opens the root as openat(2) does; "." opens the directory of an O_PATH descriptor. -ENOENT,
 * -ENOTDIR, -EACCES. */
int hw_disk_open_root(struct hw_disk *disk, int dirfd, const char *path);
void hw_disk_close_root(struct hw_disk *disk); /* also closes every descriptor below it */
/* From now on hw_disk_release() closes an open root that is a mount point, where the kernel permits
 * it, so that it can be unmounted. */
void hw_disk_share_root(struct hw_disk *disk);
/* Returns the descriptor of the root, borrowed until hw_disk_release(). -ENOENT: offline; -ESTALE:
 * after it was released, it left its path (disk->left); others if it cannot be opened now. */
int hw_disk_root(struct hw_disk *disk);

/* Returns an O_PATH descriptor of a directory of the tree, borrowed until the next call. -ESTALE:
 * another directory is at its place on the disk. -ENOENT, -ENOTDIR, -EACCES, ... */
int hw_disk_dir(struct hw_disk *disk, uint32_t dir);
/* Pins a descriptor (taken over) for a directory whose place on the disk differs from the tree. */
void hw_disk_put_dir(struct hw_disk *disk, uint32_t dir, int fd);
void hw_disk_forget_dir(struct hw_disk *disk, uint32_t dir);
/* Closes descriptors on other mounts than that of the root, and on the latter if
 * hw_disk_share_root() was called: an open directory keeps its mount busy, and umount(8) would fail
 * without an apparent reason. Call at the end of each iteration. */
void hw_disk_release(struct hw_disk *disk);

/* Opens "." or a name (with O_NOFOLLOW), as openat(2) with O_CLOEXEC does. If descriptors run out,
 * closes cached ones other than dirfd. Returns the descriptor or -errno. */
int hw_disk_openat(struct hw_disk *disk, int dirfd, const char *name, int flags);
bool hw_disk_is_short(int error); /* no more descriptors are available */
/* Returns whether an error does not say if the entry exists. False for 0 and for errors that mean
 * that it is gone or elsewhere. */
bool hw_disk_is_refusal(int error);

/* Stats a name. Returns -ENOENT if it does not exist (-ENOTDIR or -ESTALE if its directory does
 * not). */
int hw_disk_stat(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		 struct hw_stat *ret);
/* Returns whether the name of the entry still refers to its inode. */
bool hw_disk_has(struct hw_disk *disk, uint32_t id);
/* Reads the generation of the inode that has this name, from its file handle. -ENOENT: the name
 * does not exist; -EOPNOTSUPP: it has another inode number, or such handles are not supported. */
int hw_disk_generation(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		       uint64_t ino, uint32_t *ret);
/* Stats an open descriptor. */
int hw_disk_stat_fd(struct hw_disk *disk, int fd, struct hw_stat *ret);
/* Returns how hw_list_read() identifies the entries of a directory on this filesystem. `cheaply`:
 * inode numbers must be comparable with those of the tree, and further identification that costs a
 * system call is skipped. */
struct hw_identify hw_disk_identify(const struct hw_disk *disk, uint16_t fs, bool cheaply);
/* Returns the index of the filesystem with this device number, and adds it if it is new. */
int hw_disk_filesystem(struct hw_disk *disk, dev_t dev);
/* Entries refer to this number of filesystems, whose device numbers are not known: no entry on the
 * disk is on one of them until it is bound. 0, -ENOMEM or -E2BIG. */
int hw_disk_expect(struct hw_disk *disk, uint32_t count);
bool hw_disk_is_bound(const struct hw_disk *disk, uint16_t fs);
void hw_disk_bind(struct hw_disk *disk, uint16_t fs, dev_t dev);

/* Checks that no process has this regular file open for writing. Returns 1: no process; 0: at least
 * one; -EOPNOTSUPP: unknown (leases are not supported, or the file has another owner); -ENOENT: the
 * file is gone. Takes a read lease and releases it at once. On 0 or 1, fills *stat. */
int hw_disk_no_writer(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
		      struct hw_stat *stat);
/* Checks whether an inode that lost its name here still exists, as a file with at least this many
 * links. Returns 1: it was moved elsewhere; 0: no, or unknown (needs file handles and
 * CAP_DAC_READ_SEARCH). */
int hw_disk_is_alive(struct hw_disk *disk, const struct hw_entry *entry, uint16_t links);

/* ---- pure ---- */
void hw_stat_from_statx(struct hw_stat *stat,
			const struct statx *stx); /* sets all members except fs; ident from birth
						   * time */
/* Opens a path beneath a directory, which may exceed PATH_MAX; flags as for openat2(2). */
int hw_open_beneath(int root, const char *path, size_t len, int flags);
#define HW_STATX_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)
dev_t hw_statx_dev(const struct statx *stx);

#endif
