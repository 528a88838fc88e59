/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lock.h"

#include "thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CIFS_MAGIC UINT32_C(0xff534d42)
#define NFSD_MAGIC UINT32_C(0x6e667364)
#define LUSTRE_MAGIC UINT32_C(0x0bd00bd0)
#define GFS2_MAGIC UINT32_C(0x01161970)

static const uint32_t slow[] = {
	FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,
	CIFS_MAGIC,       SMB2_SUPER_MAGIC, V9FS_MAGIC,
	AFS_SUPER_MAGIC,  AFS_FS_MAGIC,     OVERLAYFS_SUPER_MAGIC,
	CEPH_SUPER_MAGIC, LUSTRE_MAGIC,     CODA_SUPER_MAGIC,
	NFSD_MAGIC,       GFS2_MAGIC,       OCFS2_SUPER_MAGIC,
};

static bool is_slow(int fd)
{
	int64_t type = hw_apart_type(fd);

	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
		if (type == slow[i])
			return true;
	return type < 0;
}

static int open_for_reading(struct hw_disk *disk, int path_fd)
{
	int fd = hw_disk_openat(disk, path_fd, ".", O_RDONLY | O_DIRECTORY | O_NOATIME);

	/* O_NOATIME is refused for directories of other owners. */
	return fd == -EPERM ? hw_disk_openat(disk, path_fd, ".", O_RDONLY | O_DIRECTORY) : fd;
}

int hw_disk_lock(struct hw_disk *disk, uint32_t dir)
{
	struct hw_filesystem *fs = &disk->filesystems[hw_tree_entry(disk->tree, dir)->fs];
	char entry[512];
	int path_fd = hw_disk_dir(disk, dir);

	if (path_fd < 0)
		return path_fd;
	if (fs->listing == HW_LISTING_UNKNOWN)
		fs->listing = is_slow(path_fd) ? HW_LISTING_SLOW : HW_LISTING_FAST;
	if (fs->listing == HW_LISTING_SLOW)
		return -EOPNOTSUPP;
	int fd = open_for_reading(disk, path_fd);

	if (fd < 0)
		return fd;
	hw_away_begin();
	/* Seeks to the end, so that as little as possible is read. The results do not matter. */
	(void)lseek(fd, LLONG_MAX, SEEK_SET);
	(void)syscall(SYS_getdents64, fd, entry, sizeof(entry));
	hw_away_end();
	close(fd);
	return 0;
}
