// SPDX-License-Identifier: GPL-2.0-only
/* An inode in a file system of its own, without a path: nothing can be watching it. */
#include "hostwatch.h"

#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/pseudo_fs.h>

#define NOBODY_MAGIC 0x68777462

struct inode *hw_nobody;
static struct vfsmount *nobody_mnt;

static int init_context(struct fs_context *fc)
{
	return init_pseudo(fc, NOBODY_MAGIC) ? 0 : -ENOMEM;
}

/* Without an owner: its superblock would keep the module from being unloaded. */
static struct file_system_type nobody_fs = {
	.name = "hostwatch",
	.init_fs_context = init_context,
	.kill_sb = kill_anon_super,
};

int hw_nobody_start(void)
{
	nobody_mnt = kern_mount(&nobody_fs);
	if (IS_ERR(nobody_mnt))
		return PTR_ERR(nobody_mnt);
	hw_nobody = alloc_anon_inode(nobody_mnt->mnt_sb);
	if (!IS_ERR(hw_nobody))
		return 0;
	kern_unmount(nobody_mnt);
	return PTR_ERR(hw_nobody);
}

void hw_nobody_stop(void)
{
	iput(hw_nobody);
	kern_unmount(nobody_mnt);
}
