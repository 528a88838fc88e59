// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events are missing: caches below are emptied, and every watched object there is told of as
 * changed. An overflow of the queue would say it better, but only the kernel itself can queue one.
 */
#include "hostwatch.h"

#include "compat.h"
#include <linux/sched/signal.h>

/* What has no name in the cache may be below. A mark holds the inode and not its name. */
static struct dentry *find_below(struct inode *inode, struct dentry *top)
{
	struct dentry *dentry = d_find_any_alias(inode);

	if (!dentry)
		return hw_is_watched(inode) ? d_obtain_alias(igrab(inode)) : NULL;
	if (is_subdir(dentry, top))
		return dentry;
	dput(dentry);
	return NULL;
}

/* What is in use keeps its place in the cache only where the server still has it under that name.
 */
static void ask_name(struct hw_file *f, struct dentry *dentry)
{
	struct dentry *parent = dget_parent(dentry);
	struct name_snapshot name;
	struct path path;

	take_dentry_name_snapshot(&name, dentry);
	hw_count(f, HW_LOOKUPS);
	if (vfs_path_lookup(parent, f->mnt, (const char *)name.name.name,
			    LOOKUP_REVAL | LOOKUP_NO_XDEV, &path) == 0)
		path_put(&path);
	release_dentry_name_snapshot(&name);
	dput(parent);
}

static void bring_up_to_date(struct hw_file *f, struct inode *inode, struct dentry *top)
{
	struct dentry *dentry = find_below(inode, top);

	if (IS_ERR_OR_NULL(dentry))
		return;
	if (!IS_ROOT(dentry) && dentry != top && !d_unhashed(dentry))
		ask_name(f, dentry);
	if (!hw_is_deleted(f, dentry))
		hw_forget_data(inode);
	dput(dentry);
}

static void tell_watched(struct hw_file *f, struct inode *inode, struct dentry *top)
{
	struct dentry *dentry = find_below(inode, top);

	if (IS_ERR_OR_NULL(dentry))
		return;
	if (inode->i_nlink == 0 && !d_is_dir(dentry))
		fsnotify_link_count(inode);
	else if (inode->i_nlink != 0)
		fsnotify_inode(inode, FS_ATTRIB);
	hw_count(f, HW_TOLD);
	dput(dentry); /* the last one of what is gone tells its end */
}

void hw_apply_rescan(struct hw_file *f, const struct hw_told *told)
{
	struct super_block *sb = f->mnt->mnt_sb;
	bool watched = hw_sb_has_watchers(sb);
	struct dentry *top = hw_path_find(f, told->path, told->path_len, watched);
	struct inode *inode = NULL;

	if (IS_ERR(top)) {
		hw_count(f, HW_IDLE);
		return;
	}
	/* all caches before anybody is told: that leads programs to look */
	shrink_dcache_parent(top);
	while (!fatal_signal_pending(current) && (inode = hw_next_inode(sb, inode, false)))
		bring_up_to_date(f, inode, top);
	iput(inode);
	inode = NULL;
	while (watched && !fatal_signal_pending(current) &&
	       (inode = hw_next_inode(sb, inode, true)))
		tell_watched(f, inode, top);
	iput(inode);
	dput(top);
}
