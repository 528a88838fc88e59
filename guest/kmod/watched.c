// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds watched objects. Most of them have a name in the cache, through which events find them. If
 * memory was short, a name may have been dropped, and only a walk over all inodes can detect this.
 * Long walks are rare: between them, their result is assumed, or the event is delayed.
 */
#include "hostwatch.h"

#include "compat.h"
#include <linux/ktime.h>

#define WALK_BURST_NS (100 * NSEC_PER_MSEC) /* total duration of walks without a pause */
#define WALK_PAUSE 16 /* a pause then lasts this many times as long as the walk */
#define ENDS_MAX 256u /* inodes that are checked on the server in one go */

/* Ignores the mark of this module. Another mark with a subset of its mask cannot be distinguished
 * from it; fanotify does not mark a FUSE file system as a whole. */
bool hw_sb_is_watched(struct super_block *sb)
{
	return READ_ONCE(sb->s_fsnotify_mask) & ALL_FSNOTIFY_EVENTS & ~HW_ECHO_MASK & ~FS_ISDIR &
	       ~FS_EVENT_ON_CHILD;
}

bool hw_is_watched(struct inode *inode)
{
	return READ_ONCE(inode->i_fsnotify_mask) || hw_sb_is_watched(inode->i_sb);
}

struct inode *hw_next_inode(struct super_block *sb, struct inode *last, bool watched)
{
	struct inode *inode = last, *ret = NULL;

	spin_lock(&sb->s_inode_list_lock);
	if (!inode)
		inode = list_entry(&sb->s_inodes, struct inode, i_sb_list);
	list_for_each_entry_continue(inode, &sb->s_inodes, i_sb_list) {
		if (watched && !READ_ONCE(inode->i_fsnotify_mask))
			continue;
		ret = igrab(inode);
		if (ret)
			break;
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
	cond_resched();
	return ret;
}

bool hw_is_reachable(struct dentry *dentry)
{
	bool ret = true;

	rcu_read_lock();
	while (ret && !IS_ROOT(dentry)) {
		ret = !d_unhashed(dentry);
		dentry = READ_ONCE(dentry->d_parent);
	}
	rcu_read_unlock();
	return ret;
}

/* A directory has only one name; for a file, one cached name is enough. */
static bool has_name(struct inode *inode)
{
	struct dentry *alias = d_find_any_alias(inode);
	bool ret = alias && hw_is_reachable(alias);

	dput(alias);
	return ret;
}

/* ---- frequency of walks ---- */

static u64 debt_ns(const struct hw_walk *walk, u64 now_ns)
{
	u64 paid_ns = (now_ns - walk->at_ns) / WALK_PAUSE;

	return walk->debt_ns > paid_ns ? walk->debt_ns - paid_ns : 0;
}

static bool is_due(const struct hw_walk *walk)
{
	return debt_ns(walk, ktime_get_ns()) <= WALK_BURST_NS;
}

static void walked(struct hw_walk *walk, u64 begin_ns)
{
	u64 now_ns = ktime_get_ns();

	walk->debt_ns = debt_ns(walk, begin_ns) + now_ns - begin_ns;
	walk->at_ns = now_ns;
}

bool hw_lost_watch(struct hw_file *f)
{
	struct super_block *sb = f->mnt->mnt_sb;
	struct inode *inode = NULL;
	u64 begin_ns = ktime_get_ns();
	bool ret = false;

	if (!hw_sb_has_watchers(sb))
		return false;
	if (!is_due(&f->lost))
		return true;
	while (!ret && (inode = hw_next_inode(sb, inode, true)))
		ret = inode->i_nlink != 0 && !has_name(inode);
	iput(inode);
	walked(&f->lost, begin_ns);
	return ret;
}

/* ---- deleted inodes ---- */

static void end_if_deleted(struct hw_file *f, struct inode *inode)
{
	struct dentry *dentry = d_obtain_alias(igrab(inode));

	if (IS_ERR(dentry))
		return;
	if (hw_is_deleted(f, dentry) && !d_is_dir(dentry))
		fsnotify_link_count(inode);
	dput(dentry);
}

static bool may_have_ended(const struct hw_file *f, struct inode *inode)
{
	return S_ISDIR(inode->i_mode) ? f->ends_dirs : f->ends_others;
}

/* Checks some of them, after those of the previous call. Returns false when all have been checked.
 * */
static bool end_some(struct hw_file *f)
{
	struct super_block *sb = f->mnt->mnt_sb;
	struct inode *inode = f->ends_at;
	unsigned int asked = 0;

	while (asked < ENDS_MAX && !READ_ONCE(f->closed) &&
	       (inode = hw_next_inode(sb, inode, true))) {
		if (!may_have_ended(f, inode) || has_name(inode))
			continue;
		end_if_deleted(f, inode);
		asked++;
	}
	f->ends_at = inode;
	return inode;
}

static void end_later(struct hw_file *f)
{
	u64 debt = debt_ns(&f->ends, ktime_get_ns());
	u64 pause_ns = debt > WALK_BURST_NS ? (debt - WALK_BURST_NS) * WALK_PAUSE : 0;

	queue_delayed_work(hw_workqueue, &f->ends_work, nsecs_to_jiffies(pause_ns) + 1);
}

static void end_now(struct hw_file *f)
{
	u64 begin_ns = ktime_get_ns();
	bool more = end_some(f);

	walked(&f->ends, begin_ns);
	if (more || f->ends_again) {
		if (!more)
			f->ends_again = false;
		end_later(f);
		return;
	}
	f->ends_dirs = false;
	f->ends_others = false;
}

static void work_on_ends(struct work_struct *work)
{
	struct hw_file *f = container_of(to_delayed_work(work), struct hw_file, ends_work);

	mutex_lock(&f->lock);
	if ((f->ends_dirs || f->ends_others) && f->mnt && hw_sb_has_watchers(f->mnt->mnt_sb)) {
		hw_echo_telling(f->echo, true);
		end_now(f);
		hw_echo_telling(f->echo, false);
	} else {
		hw_forget_ends(f);
	}
	mutex_unlock(&f->lock);
}

void hw_end_lost_watches(struct hw_file *f, u16 type)
{
	if (!hw_sb_has_watchers(f->mnt->mnt_sb))
		return;
	if (type != HW_TYPE_DIR)
		f->ends_others = true;
	if (type == HW_TYPE_DIR || type == HW_TYPE_NONE)
		f->ends_dirs = true;
	f->ends_again = f->ends_again || f->ends_at;
	if (delayed_work_pending(&f->ends_work))
		return;
	if (is_due(&f->ends))
		end_now(f);
	else
		end_later(f);
}

void hw_forget_ends(struct hw_file *f)
{
	iput(f->ends_at);
	f->ends_at = NULL;
	f->ends_dirs = false;
	f->ends_others = false;
	f->ends_again = false;
}

void hw_watched_init(struct hw_file *f)
{
	INIT_DELAYED_WORK(&f->ends_work, work_on_ends);
}
