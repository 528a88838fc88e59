// SPDX-License-Identifier: GPL-2.0-only
/* Updates the caches before an event is reported, so that a program that receives it finds the new
 * state. */
#include "hostwatch.h"

#include "compat.h"
#include <linux/pagemap.h>

int hw_refresh(struct hw_file *f, struct dentry *dentry)
{
	struct path path = { .mnt = f->mnt, .dentry = dentry };
	struct kstat stat;

	hw_count(f, HW_GETATTRS);
	return vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC);
}

void hw_forget_data(struct inode *inode)
{
	/* Pages that cannot be invalidated are being written by a local program: their data is
	 * newer. */
	if (inode->i_mapping->nrpages)
		(void)invalidate_inode_pages2(inode->i_mapping);
}

void hw_forget_entry(struct hw_file *f, struct dentry *dentry, bool data)
{
	if (d_is_negative(dentry)) {
		d_drop(dentry);
		return;
	}
	if (data)
		hw_forget_data(d_inode(dentry));
	if (hw_in_use(dentry))
		(void)hw_refresh(f, dentry); /* on failure the cached attributes stay */
	else
		d_invalidate(dentry);
}

/* -ESTALE does not mean that: a server that was restarted may have forgotten the handle. The lock
 * is that under which file systems change the link count of an inode that they remove. */
bool hw_is_deleted(struct hw_file *f, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);

	if (hw_refresh(f, dentry) == -ENOENT) {
		inode_lock(inode);
		if (inode->i_nlink)
			clear_nlink(inode);
		inode_unlock(inode);
	}
	return inode->i_nlink == 0;
}
