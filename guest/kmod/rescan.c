// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events are missing: caches below are emptied, and every watched object there is told of as
 * changed. An overflow of the queue would say it better, but only the kernel itself can queue one.
 */
#include "hostwatch.h"

#include "compat.h"

/* What has no name in the cache may be below. A mark holds the inode and not its name. */
static struct dentry *find_below(struct inode *inode, struct dentry *top)
{
	struct dentry *dentry = d_find_any_alias(inode);

	if (!dentry)
		return d_obtain_alias(igrab(inode));
	if (is_subdir(dentry, top))
		return dentry;
	dput(dentry);
	return NULL;
}

static void tell_watched(struct hw_file *f, struct inode *inode, struct dentry *top)
{
	struct dentry *dentry = find_below(inode, top);

	if (IS_ERR_OR_NULL(dentry))
		return;
	if (!hw_is_deleted(f, dentry)) {
		hw_forget_data(inode);
		fsnotify_inode(inode, FS_ATTRIB);
		hw_count(f, HW_TOLD);
	} else if (!d_is_dir(dentry)) {
		fsnotify_link_count(inode);
	}
	dput(dentry);
}

void hw_apply_rescan(struct hw_file *f, const struct hw_told *told)
{
	struct super_block *sb = f->mnt->mnt_sb;
	struct dentry *top = hw_path_find(f, told->path, told->path_len, hw_sb_has_watchers(sb));
	struct inode *inode = NULL;

	if (IS_ERR(top)) {
		hw_count(f, HW_IDLE);
		return;
	}
	/* names go first: what is told leads programs to look */
	shrink_dcache_parent(top);
	if (hw_sb_has_watchers(sb)) {
		while ((inode = hw_next_watched(sb, inode))) {
			tell_watched(f, inode, top);
			cond_resched();
		}
	}
	dput(top);
}
