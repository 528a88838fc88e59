/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filesystems, and the state of an entry as the tree compares it. */
#include "cross.h"
#include "disk_private.h"
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#define XXH_INLINE_ALL /* a call would take as long as this hash of 16 bytes */
#include <xxhash.h>

static const uint8_t type_of[16] = {
	[S_IFREG >> 12] = HW_TYPE_FILE,    [S_IFDIR >> 12] = HW_TYPE_DIR,
	[S_IFLNK >> 12] = HW_TYPE_SYMLINK, [S_IFIFO >> 12] = HW_TYPE_OTHER,
	[S_IFCHR >> 12] = HW_TYPE_OTHER,   [S_IFBLK >> 12] = HW_TYPE_OTHER,
	[S_IFSOCK >> 12] = HW_TYPE_OTHER,
};

/* File times can be set to values that 64 bits of nanoseconds do not hold: they wrap, and still
 * differ. */
static int64_t nanoseconds(const struct statx_timestamp *t)
{
	return (int64_t)((uint64_t)t->tv_sec * UINT64_C(1000000000) + t->tv_nsec);
}

static uint32_t mix(uint64_t a, uint64_t b)
{
	uint64_t words[2] = { a, b };
	uint32_t hash = (uint32_t)XXH3_64bits(words, sizeof(words));

	return hash == HW_ATTR_UNKNOWN ? ~hash : hash;
}

dev_t hw_statx_dev(const struct statx *stx)
{
	return makedev(stx->stx_dev_major, stx->stx_dev_minor);
}

void hw_stat_from_statx(struct hw_stat *stat, const struct statx *stx)
{
	stat->ino = stx->stx_ino;
	stat->mtime_ns = nanoseconds(&stx->stx_mtime);
	stat->ctime_ns = nanoseconds(&stx->stx_ctime);
	stat->atime_ns = nanoseconds(&stx->stx_atime);
	stat->btime_ns = stx->stx_mask & STATX_BTIME ? nanoseconds(&stx->stx_btime) : 0;
	stat->size = stx->stx_size;
	stat->attr = mix(stx->stx_mode, (uint64_t)stx->stx_uid << 32 | stx->stx_gid);
	stat->ident = (uint32_t)((uint64_t)stat->btime_ns ^ ((uint64_t)stat->btime_ns >> 32));
	stat->nlink = stx->stx_nlink;
	stat->fs = 0;
	stat->identity = HW_BY_BIRTH;
	stat->type = type_of[(stx->stx_mode & S_IFMT) >> 12];
}

/* ---- filesystems ---- */

int hw_disk_filesystem(struct hw_disk *disk, dev_t dev)
{
	uint32_t i;

	for (i = 0; i < disk->filesystem_count && disk->filesystems[i].dev != dev; i++)
		;
	if (i == disk->filesystem_count) {
		if (i == HW_FILESYSTEMS_MAX)
			return -E2BIG;
		struct hw_filesystem *list = realloc(disk->filesystems, (i + 1) * sizeof(*list));

		if (!list)
			return -ENOMEM;
		disk->filesystems = list;
		list[i] = (struct hw_filesystem){ .dev = dev,
						  .watcher = UINT8_MAX,
						  .identity = HW_UNIDENTIFIED,
						  .leases = true };
		disk->filesystem_count++;
	}
	return (int)i;
}

/* No filesystem has these numbers: the major number has 32 bits only in its type. */
#define UNBOUND(i) ((dev_t)UINT64_MAX - (i))

int hw_disk_expect(struct hw_disk *disk, uint32_t count)
{
	int r = 0;

	for (uint32_t i = disk->filesystem_count; i < count && r >= 0; i++)
		r = hw_disk_filesystem(disk, UNBOUND(i));
	return r < 0 ? r : 0;
}

bool hw_disk_is_bound(const struct hw_disk *disk, uint16_t fs)
{
	return disk->filesystems[fs].dev != UNBOUND(fs);
}

void hw_disk_bind(struct hw_disk *disk, uint16_t fs, dev_t dev)
{
	disk->filesystems[fs].dev = dev;
}

/* ---- entries ---- */

/* An overlayfs may report the device number of the layer for a file (overlayfs.rst, xino). */
static bool is_of_layer(struct hw_disk *disk, const struct hw_spot *at, const struct statx *stx)
{
	const struct hw_filesystem *fs;

	if (at->parent < 0 || S_ISDIR(stx->stx_mode))
		return false;
	fs = &disk->filesystems[hw_tree_entry(disk->tree, at->dir)->fs];
	return fs->identity == HW_BY_HANDLE && fs->dev != hw_statx_dev(stx) &&
	       stx->stx_mask & STATX_MNT_ID && stx->stx_mnt_id == hw_mount_of(at->parent);
}

static enum hw_identity identity_on(const struct hw_disk *disk, uint16_t fs)
{
	enum hw_identity by = disk->filesystems[fs].identity;

	return disk->generations && by == HW_BY_BIRTH ? HW_BY_GENERATION : by;
}

/* Returns whether the name is a mount point whose filesystem may not answer: then its server was
 * not asked, and the result is only what the kernel knows. A descriptor was opened before, and so
 * was the directory. */
static bool is_unasked(const struct hw_disk *disk, const struct hw_spot *at,
		       const struct statx *stx)
{
	if (!hw_cross_is_guarded() || !*at->name ||
	    disk->filesystems[hw_tree_entry(disk->tree, at->dir)->fs].dev == hw_statx_dev(stx))
		return false;
	return hw_cross_check(disk->root_mount, stx->stx_mnt_id) < 0;
}

/* On a thread that must not wait, another filesystem may have been mounted at the name since. */
static enum hw_identity find_identity(const struct hw_spot *at, const char *name,
				      const struct statx *stx)
{
	enum hw_identity by;
	int fd;

	if (!name || !hw_cross_is_guarded())
		return hw_identity_find(at->fd, name, stx);
	fd = hw_cross_open(at->fd, name, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return HW_UNIDENTIFIED;
	by = hw_identity_find(fd, NULL, stx);
	(void)close(fd); /* O_PATH */
	return by;
}

int hw_disk_stat_at(struct hw_disk *disk, const struct hw_spot *at, struct hw_stat *ret)
{
	const char *name = *at->name ? at->name : NULL;
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name ? 0 : AT_EMPTY_PATH);
	struct statx stx;
	struct hw_stat stat;
	int fs, r;

	HW_STAGE(HW_STAGE_LOOK);
	HW_PROBE1(look_begin, at->name);
	r = hw_apart_statx(at->fd, at->name, flags, HW_STATX_MASK, &stx);
	HW_PROBE1(look_end, r);
	if (r < 0)
		return r;
	if (stx.stx_mnt_id != disk->root_mount && is_unasked(disk, at, &stx))
		return -ETIMEDOUT;
	hw_stat_from_statx(&stat, &stx);
	if (is_of_layer(disk, at, &stx))
		fs = hw_tree_entry(disk->tree, at->dir)->fs;
	else
		fs = hw_disk_filesystem(disk, hw_statx_dev(&stx));
	if (fs < 0)
		return fs;
	if (disk->filesystems[fs].identity == HW_UNIDENTIFIED)
		disk->filesystems[fs].identity = (uint8_t)find_identity(at, name, &stx);
	if (disk->filesystems[fs].identity == HW_UNIDENTIFIED)
		return -ETIMEDOUT;
	r = hw_identity_take(&stat, identity_on(disk, (uint16_t)fs), at->fd, name);
	if (r < 0)
		return r;
	stat.fs = (uint16_t)fs;
	*ret = stat;
	return 0;
}

int hw_disk_stat_fd(struct hw_disk *disk, int fd, struct hw_stat *ret)
{
	const struct hw_spot at = { .fd = fd, .name = "", .parent = -1 };

	return hw_disk_stat_at(disk, &at, ret);
}

struct hw_identify hw_disk_identify(const struct hw_disk *disk, uint16_t fs, bool cheaply)
{
	enum hw_identity by = identity_on(disk, fs);

	/* It is enough if the inode numbers are comparable. */
	if (cheaply && by == HW_BY_GENERATION)
		by = HW_BY_BIRTH;
	return (struct hw_identify){ .by = by, .dev = disk->filesystems[fs].dev };
}
