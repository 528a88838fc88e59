// SPDX-License-Identifier: GPL-2.0-only
/* Who wants to know: where nobody watches, nothing is asked from the host. */
#include "hostwatch.h"

#include "compat.h"

/* By others than us. A mark for nothing but what ours is for is not told from it; fanotify does not
 * mark a FUSE file system as a whole. */
static bool sb_is_watched(struct super_block *sb)
{
	return READ_ONCE(sb->s_fsnotify_mask) & ALL_FSNOTIFY_EVENTS & ~HW_ECHO_MASK & ~FS_ISDIR &
	       ~FS_EVENT_ON_CHILD;
}

bool hw_is_watched(struct inode *inode)
{
	return READ_ONCE(inode->i_fsnotify_mask) || sb_is_watched(inode->i_sb);
}

struct inode *hw_next_watched(struct super_block *sb, struct inode *last)
{
	struct inode *inode = last, *ret = NULL;

	spin_lock(&sb->s_inode_list_lock);
	if (!inode)
		inode = list_entry(&sb->s_inodes, struct inode, i_sb_list);
	list_for_each_entry_continue(inode, &sb->s_inodes, i_sb_list)
	{
		if (!READ_ONCE(inode->i_fsnotify_mask))
			continue;
		ret = igrab(inode);
		if (ret)
			break;
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
	return ret;
}

/* A directory's only name is in the cache or it is not; of a file one is enough. */
static bool has_name(struct inode *inode)
{
	struct dentry *alias = d_find_any_alias(inode);
	bool ret = alias && (IS_ROOT(alias) || !d_unhashed(alias));

	dput(alias);
	return ret;
}

bool hw_lost_watch(struct hw_file *f)
{
	struct super_block *sb = f->mnt->mnt_sb;
	struct inode *inode = NULL;

	if (!hw_sb_has_watchers(sb))
		return false;
	while ((inode = hw_next_watched(sb, inode))) {
		if (inode->i_nlink != 0 && !has_name(inode)) {
			iput(inode);
			return true;
		}
		cond_resched();
	}
	return false;
}

void hw_end_lost_watches(struct hw_file *f)
{
	struct super_block *sb = f->mnt->mnt_sb;
	struct inode *inode = NULL;

	if (!hw_sb_has_watchers(sb))
		return;
	while ((inode = hw_next_watched(sb, inode))) {
		struct dentry *dentry;

		if (has_name(inode))
			continue;
		dentry = d_obtain_alias(igrab(inode));
		if (IS_ERR(dentry))
			continue;
		if (hw_is_deleted(f, dentry) && !d_is_dir(dentry))
			fsnotify_link_count(inode);
		dput(dentry);
		cond_resched();
	}
}

int hw_event_place(struct hw_file *f, const char *path, u32 len, struct hw_place *ret)
{
	int r = hw_place_find(f, path, len, false, ret);

	if (r != -EAGAIN)
		return r;
	if (!sb_is_watched(f->mnt->mnt_sb) && !hw_lost_watch(f))
		return -EAGAIN;
	return hw_place_find(f, path, len, true, ret);
}

static void apply(struct hw_file *f, const struct hw_told *told)
{
	switch (told->kind) {
	case HW_CREATE:
		return hw_apply_create(f, told);
	case HW_DELETE:
		return hw_apply_delete(f, told);
	case HW_MOVE:
		return hw_apply_move(f, told);
	case HW_RESCAN:
		return hw_apply_rescan(f, told);
	default:
		return hw_apply_change(f, told);
	}
}

void hw_apply(struct hw_file *f, const struct hw_told *told)
{
	hw_echo_telling(f->echo, true);
	apply(f, told);
	hw_echo_telling(f->echo, false);
}
