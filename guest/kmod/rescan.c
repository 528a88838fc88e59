// SPDX-License-Identifier: GPL-2.0-only
/*
 * Applies rescans: events are missing, so all caches below the path are dropped, and every watched
 * object there is reported as modified. An overflow event would be more precise, but only the
 * kernel itself can queue one.
 */
#include "hostwatch.h"

#include "compat.h"
#include <linux/slab.h>

/* An inode without a name in the cache may be below the directory. A rescan of the root includes
 * it. A mark holds the inode but not its name. */
static struct dentry *find_below(struct inode *inode, struct dentry *top)
{
	struct dentry *dentry = d_find_any_alias(inode);

	if (!dentry)
		return top == inode->i_sb->s_root && hw_is_watched(inode)
			       ? d_obtain_alias(igrab(inode))
			       : NULL;
	if (is_subdir(dentry, top))
		return dentry;
	dput(dentry);
	return NULL;
}

/* Names of watched objects are not dropped with the rest of the cache. */
struct held {
	size_t count, max;
	struct dentry **dentries; /* owned */
};

static void hold_watched(struct hw_file *f, struct dentry *top, struct held *held)
{
	struct super_block *sb = f->mnt->mnt_sb;
	struct inode *inode = NULL;

	held->count = 0;
	held->max = hw_sb_count_watched(sb);
	held->dentries = kvmalloc_array(held->max, sizeof(*held->dentries), GFP_KERNEL_ACCOUNT);
	if (!held->dentries)
		return; /* their names are dropped in this case */
	while (held->count < held->max && (inode = hw_next_inode(sb, inode, true))) {
		struct dentry *dentry = d_find_any_alias(inode);

		if (dentry && is_subdir(dentry, top))
			held->dentries[held->count++] = dentry;
		else
			dput(dentry);
	}
	iput(inode);
}

static void let_go(struct held *held)
{
	while (held->count > 0)
		dput(held->dentries[--held->count]);
	kvfree(held->dentries);
}

/* An object in use stays cached only if the server still has it under that name. */
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

static void tell_watched(struct hw_file *f, struct inode *inode, struct dentry *top, bool ends_only)
{
	struct dentry *dentry = ends_only && inode->i_nlink ? NULL : find_below(inode, top);

	if (IS_ERR_OR_NULL(dentry))
		return;
	if (inode->i_nlink == 0 && !d_is_dir(dentry))
		fsnotify_link_count(inode);
	else if (inode->i_nlink != 0)
		fsnotify_inode(inode, FS_ATTRIB);
	hw_count(f, HW_TOLD);
	dput(dentry); /* dropping the last reference of a deleted object reports its deletion */
}

/* A refresh is for the program that has the device open. Other programs wait for a rescan. */
static bool is_over(struct hw_file *f, bool ends_only)
{
	return ends_only && READ_ONCE(f->closed);
}

static void rescan(struct hw_file *f, const char *path, u32 len, bool ends_only)
{
	struct super_block *sb = f->mnt->mnt_sb;
	bool watched = hw_sb_has_watchers(sb);
	struct dentry *top = hw_path_find(f, path, len, watched);
	struct inode *inode = NULL;
	struct held held = {};

	if (IS_ERR(top)) {
		hw_count(f, HW_IDLE);
		return;
	}
	/* drops all caches before the first event, because programs read the files when they
	 * receive it */
	if (watched)
		hold_watched(f, top, &held);
	shrink_dcache_parent(top);
	while (!is_over(f, ends_only) && (inode = hw_next_inode(sb, inode, false)))
		bring_up_to_date(f, inode, top);
	iput(inode);
	inode = NULL;
	while (watched && !is_over(f, ends_only) && (inode = hw_next_inode(sb, inode, true)))
		tell_watched(f, inode, top, ends_only);
	iput(inode);
	let_go(&held);
	dput(top);
}

void hw_apply_rescan(struct hw_file *f, const struct hw_told *told)
{
	rescan(f, told->path, told->path_len, false);
}

void hw_apply_refresh(struct hw_file *f, const char *path, u32 len)
{
	hw_echo_telling(f->echo, true);
	rescan(f, path, len, true);
	hw_echo_telling(f->echo, false);
}
