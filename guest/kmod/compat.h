/* SPDX-License-Identifier: GPL-2.0-only */
/* Differences between the supported kernels: Linux 6.1 and later. */
#ifndef HOSTWATCH_COMPAT_H
#define HOSTWATCH_COMPAT_H

#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/namei.h>
#include <linux/version.h>

/* Exported by all of them, but declared in <linux/namei.h> of some only. */
int vfs_path_lookup(struct dentry *dentry, struct vfsmount *mnt, const char *name,
		    unsigned int flags, struct path *path);

/* Returns the number of watched objects on the superblock, including itself. */
static inline long hw_sb_count_watched(struct super_block *sb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return fsnotify_sb_has_watchers(sb) ? atomic_long_read(fsnotify_sb_watched_objects(sb)) : 0;
#else
	return atomic_long_read(&sb->s_fsnotify_connectors);
#endif
}

/* Returns whether an object is watched, other than the superblock by this module. */
static inline bool hw_sb_has_watchers(struct super_block *sb)
{
	return hw_sb_count_watched(sb) > 1;
}

static inline int hw_add_sb_mark(struct fsnotify_mark *mark, struct super_block *sb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return fsnotify_add_mark(mark, sb, FSNOTIFY_OBJ_TYPE_SB, 0);
#else
	return fsnotify_add_mark(mark, &sb->s_fsnotify_marks, FSNOTIFY_OBJ_TYPE_SB, 0, NULL);
#endif
}

/* Returns whether the file system revalidates names: a name that is dropped from the cache is
 * looked up again. */
static inline bool hw_sb_revalidates(struct super_block *sb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	const struct dentry_operations *ops = sb->__s_d_op;
#else
	const struct dentry_operations *ops = sb->s_d_op;
#endif

	return ops && ops->d_revalidate;
}

#endif
