// SPDX-License-Identifier: GPL-2.0-only
/* Reports to the program that has the device open: which objects are watched, and what was seen of
 * the entries of the events that it wrote. */
#include "hostwatch.h"

#include "compat.h"
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* ---- entries of events ---- */

void hw_see(struct hw_file *f, struct dentry *dentry)
{
	struct path path = { .mnt = f->mnt, .dentry = dentry };
	struct kstat stat;

	/* the answer of the server is in the cache */
	if (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_DONT_SYNC) < 0)
		return;
	f->seen[f->seen_count] = (struct hw_guest_seen){
		.ino = stat.ino,
		.size = stat.size,
		.mtime_ns = timespec64_to_ns(&stat.mtime),
		.ctime_ns = timespec64_to_ns(&stat.ctime),
		.mode = stat.mode,
		.uid = from_kuid_munged(current_user_ns(), stat.uid),
		.gid = from_kgid_munged(current_user_ns(), stat.gid),
		.nlink = stat.nlink,
	};
}

long hw_copy_seen(struct hw_file *f, const struct hw_guest_buffer *buffer)
{
	const struct hw_jobs *jobs = &f->jobs;
	u32 count = min_t(u32, jobs->seen_count, buffer->size / sizeof(*jobs->seen));

	if (jobs->seen_of != jobs->added)
		return 0; /* the last write is not finished */
	if (copy_to_user(u64_to_user_ptr(buffer->data), jobs->seen, count * sizeof(*jobs->seen)))
		return -EFAULT;
	return count;
}

/* ---- watched objects ---- */

struct list {
	char __user *to;
	u32 size, len;
	char *page; /* owned: of PATH_MAX bytes, for a path */
	char *root_page; /* owned: has the path of the root of the mount */
	const char *root; /* in root_page */
};

static const char *path_of(struct dentry *dentry, char *page)
{
	const char *path = dentry_path_raw(dentry, page, PATH_MAX);

	/* both begin with a slash, and that of the filesystem's root has nothing else */
	return IS_ERR(path) ? NULL : path + 1;
}

/* Returns the path below the root of the mount; NULL if there is none. */
static const char *path_below(const struct list *list, struct dentry *dentry)
{
	const char *path = path_of(dentry, list->page);
	size_t len = strlen(list->root);

	if (!path || len == 0)
		return path;
	if (strncmp(path, list->root, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path[len] ? path + len + 1 : path + len;
}

static int put_object(struct list *list, struct inode *inode, const char *path)
{
	u32 path_len = path ? strlen(path) : 0;
	u32 size = sizeof(struct hw_guest_object) + ALIGN(path_len, 8);
	struct hw_guest_object object = {
		.ino = inode->i_ino,
		.mode = inode->i_mode,
		.path_len = path ? path_len : HW_GUEST_NO_PATH,
	};

	if (size > list->size - list->len)
		return -ENOSPC;
	if (copy_to_user(list->to + list->len, &object, sizeof(object)) ||
	    copy_to_user(list->to + list->len + sizeof(object), path, path_len))
		return -EFAULT;
	list->len += size;
	return 0;
}

static int list_object(struct hw_file *f, struct list *list, struct inode *inode)
{
	struct dentry *dentry = d_find_any_alias(inode);
	int r = 0;

	if (inode->i_nlink == 0)
		; /* deleted: its watches end soon */
	else if (!dentry || !hw_is_reachable(dentry))
		r = put_object(list, inode, NULL);
	else if (is_subdir(dentry, f->mnt->mnt_root))
		r = put_object(list, inode, path_below(list, dentry));
	dput(dentry);
	return r;
}

static int list_all(struct hw_file *f, struct list *list)
{
	struct super_block *sb = f->mnt->mnt_sb;
	struct inode *inode = NULL;
	int r = 0;

	list->page = kmalloc(PATH_MAX, GFP_KERNEL_ACCOUNT);
	list->root_page = kmalloc(PATH_MAX, GFP_KERNEL_ACCOUNT);
	if (!list->page || !list->root_page)
		return -ENOMEM;
	list->root = path_of(f->mnt->mnt_root, list->root_page);
	if (!list->root)
		return -ENAMETOOLONG;
	while (r == 0 && (inode = hw_next_inode(sb, inode, true))) {
		r = list_object(f, list, inode);
		if (fatal_signal_pending(current))
			r = -EINTR;
	}
	iput(inode);
	return r;
}

long hw_copy_watched(struct hw_file *f, struct hw_guest_watched *watched)
{
	struct super_block *sb = f->mnt->mnt_sb;
	struct list list = { .to = u64_to_user_ptr(watched->data), .size = watched->size };
	int r = 0;

	watched->count = hw_sb_count_watched(sb);
	watched->everything = hw_sb_is_watched(sb);
	if (watched->size)
		r = list_all(f, &list);
	kfree(list.page);
	kfree(list.root_page);
	return r < 0 ? r : list.len;
}
