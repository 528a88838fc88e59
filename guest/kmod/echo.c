// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs of this guest do comes back from the host. Their own kernel has told of it already,
 * so a group of our own on the file system takes down what it tells, and the host's word of the
 * same is used for the caches only.
 *
 * Names: the first word of the same kind about the same name and inode is the echo. Data and
 * attributes: after each change of a watched file its times and size are taken from the server,
 * before watchers are told; as long as the server still has these, nobody else has changed it
 * since.
 */
#include "hostwatch.h"

#include "compat.h"
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/wait.h>

#define RECORDS 256u /* the oldest is forgotten */
#define NAME_EXPIRES (30 * HZ)
#define ANSWER_TIMEOUT (HZ / 4)

struct record {
	u32 mask; /* 0: none */
	u32 name; /* hash */
	u64 dir, inode; /* numbers; inode 0: not known */
	unsigned long at; /* jiffies */
	struct timespec64 ctime, mtime; /* of states of files */
	loff_t size;
};

struct hw_echo {
	struct fsnotify_mark mark; /* owns this struct */
	struct fsnotify_group *group; /* owned */
	struct vfsmount *mnt; /* borrowed from the open device, which ends us first */
	struct task_struct *teller; /* who tells events of the host just now; only compared */
	atomic_t asking; /* programs that wait for the state of what they just changed */
	wait_queue_head_t answered;
	spinlock_t lock;
	unsigned int next;
	struct record records[RECORDS];
};

static struct record *find_state(struct hw_echo *e, u64 inode)
{
	unsigned int i;

	for (i = 0; i < RECORDS; i++)
		if (e->records[i].mask == HW_STATE_MASK && e->records[i].inode == inode)
			return &e->records[i];
	return NULL;
}

static u32 hash_of(const struct qstr *name)
{
	return full_name_hash(NULL, name->name, name->len);
}

static void note_name(struct hw_echo *e, u32 mask, struct inode *dir, const struct qstr *name,
		      struct inode *inode)
{
	struct record r = {
		.mask = mask,
		.name = hash_of(name),
		.dir = dir->i_ino,
		.inode = inode ? inode->i_ino : 0,
		.at = jiffies,
	};

	spin_lock(&e->lock);
	e->records[e->next++ % RECORDS] = r;
	spin_unlock(&e->lock);
}

static bool has_watchers(struct dentry *dentry)
{
	return hw_is_watched(d_inode(dentry)) || (dentry->d_flags & DCACHE_FSNOTIFY_PARENT_WATCHED);
}

static u64 parent_number(struct dentry *dentry)
{
	u64 ret;

	spin_lock(&dentry->d_lock);
	ret = d_inode(dentry->d_parent)->i_ino;
	spin_unlock(&dentry->d_lock);
	return ret;
}

static void ask_state(struct hw_echo *e, struct dentry *dentry)
{
	struct path path = { .mnt = e->mnt, .dentry = dentry };
	struct name_snapshot name;
	struct record *r;
	struct kstat stat;

	if (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC) < 0)
		return;
	take_dentry_name_snapshot(&name, dentry);
	spin_lock(&e->lock);
	r = find_state(e, d_inode(dentry)->i_ino);
	if (!r)
		r = &e->records[e->next++ % RECORDS];
	*r = (struct record){
		.mask = HW_STATE_MASK,
		.name = hash_of(&name.name),
		.dir = parent_number(dentry),
		.inode = d_inode(dentry)->i_ino,
		.ctime = stat.ctime,
		.mtime = stat.mtime,
		.size = stat.size,
	};
	spin_unlock(&e->lock);
	release_dentry_name_snapshot(&name);
}

/* The host may speak before the server's answer is here: it has to wait. */
static void note_state(struct hw_echo *e, struct dentry *dentry)
{
	if (!has_watchers(dentry))
		return;
	atomic_inc(&e->asking);
	ask_state(e, dentry);
	if (atomic_dec_and_test(&e->asking))
		wake_up(&e->answered);
}

static struct dentry *dentry_of(const void *data, int data_type)
{
	switch (data_type) {
	case FSNOTIFY_EVENT_DENTRY:
		return (struct dentry *)data;
	case FSNOTIFY_EVENT_PATH:
		return ((const struct path *)data)->dentry;
	default:
		return NULL;
	}
}

/* On behalf of the program that did it; of ourselves it is what we tell. */
static int handle_event(struct fsnotify_group *group, u32 mask, const void *data, int data_type,
			struct inode *dir, const struct qstr *name, u32 cookie,
			struct fsnotify_iter_info *iter_info)
{
	struct fsnotify_mark *mark = iter_info->marks[FSNOTIFY_ITER_TYPE_SB];
	struct dentry *dentry = dentry_of(data, data_type);
	struct hw_echo *e;

	if (!mark)
		return 0;
	e = container_of(mark, struct hw_echo, mark);
	if (READ_ONCE(e->teller) == current)
		return 0;
	if ((mask & HW_NAME_MASK) && dir && name)
		note_name(e, mask & HW_NAME_MASK, dir, name, fsnotify_data_inode(data, data_type));
	else if ((mask & HW_STATE_MASK) && dentry && d_is_positive(dentry))
		note_state(e, dentry);
	return 0;
}

static void free_mark(struct fsnotify_mark *mark)
{
	kfree(container_of(mark, struct hw_echo, mark));
}

static const struct fsnotify_ops ops = {
	.handle_event = handle_event,
	.free_mark = free_mark,
};

struct hw_echo *hw_echo_start(struct vfsmount *mnt)
{
	struct hw_echo *e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	struct fsnotify_group *group;
	int r;

	if (!e)
		return ERR_PTR(-ENOMEM);
	group = fsnotify_alloc_group(&ops, 0);
	if (IS_ERR(group)) {
		kfree(e);
		return ERR_CAST(group);
	}
	spin_lock_init(&e->lock);
	init_waitqueue_head(&e->answered);
	e->group = group;
	e->mnt = mnt;
	fsnotify_init_mark(&e->mark, group);
	e->mark.mask = HW_ECHO_MASK;
	r = hw_add_sb_mark(&e->mark, mnt->mnt_sb);
	if (r < 0) {
		fsnotify_put_mark(&e->mark);
		fsnotify_put_group(group);
		fsnotify_wait_marks_destroyed();
		return ERR_PTR(r);
	}
	return e;
}

void hw_echo_stop(struct hw_echo *e)
{
	struct fsnotify_group *group;

	if (!e)
		return;
	group = e->group;
	fsnotify_destroy_mark(&e->mark, group);
	fsnotify_put_mark(&e->mark);
	fsnotify_put_group(group);
	/* whoever is in the handler has left it then */
	fsnotify_wait_marks_destroyed();
}

void hw_echo_telling(struct hw_echo *e, bool telling)
{
	WRITE_ONCE(e->teller, telling ? current : NULL);
}

/* What a program changes, and its kernel's word of it, are under this lock: the host's word of it
 * may be here before. */
static void wait_for_changes(struct inode *inode)
{
	inode_lock_shared(inode);
	inode_unlock_shared(inode);
}

static bool is_same(const struct record *r, const struct record *told)
{
	return r->mask == told->mask && r->name == told->name && r->dir == told->dir &&
	       (!r->inode || !told->inode || r->inode == told->inode) &&
	       time_before(told->at, r->at + NAME_EXPIRES);
}

bool hw_echo_of_name(struct hw_echo *e, u32 mask, struct hw_place *place, struct inode *inode)
{
	struct record told = {
		.mask = mask,
		.name = full_name_hash(NULL, place->text, place->name.len),
		.dir = d_inode(place->dir)->i_ino,
		.inode = inode ? inode->i_ino : 0,
		.at = jiffies,
	};
	bool ret = false;
	unsigned int i;

	wait_for_changes(d_inode(place->dir));
	spin_lock(&e->lock);
	for (i = 0; i < RECORDS && !ret; i++) {
		struct record *r = &e->records[(e->next + i) % RECORDS]; /* oldest first */

		ret = is_same(r, &told);
		if (ret)
			r->mask = 0;
	}
	spin_unlock(&e->lock);
	return ret;
}

bool hw_echo_of_state(struct hw_echo *e, struct dentry *dentry)
{
	struct path path = { .mnt = e->mnt, .dentry = dentry };
	struct record *r;
	struct kstat stat;
	bool ret;

	wait_for_changes(d_inode(dentry));
	/* without end only where programs write without end; then told twice */
	wait_event_timeout(e->answered, !atomic_read(&e->asking), ANSWER_TIMEOUT);
	spin_lock(&e->lock);
	ret = find_state(e, d_inode(dentry)->i_ino);
	spin_unlock(&e->lock);
	if (!ret || vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC) < 0)
		return false;
	spin_lock(&e->lock);
	r = find_state(e, d_inode(dentry)->i_ino);
	ret = r && r->size == stat.size && timespec64_equal(&r->ctime, &stat.ctime) &&
	      timespec64_equal(&r->mtime, &stat.mtime);
	spin_unlock(&e->lock);
	return ret;
}

bool hw_echo_of_gone(struct hw_echo *e, struct hw_place *place)
{
	u32 name = hash_of(&place->name);
	u64 dir = d_inode(place->dir)->i_ino;
	bool ret = false;
	unsigned int i;

	spin_lock(&e->lock);
	for (i = 0; i < RECORDS && !ret; i++)
		ret = e->records[i].mask == HW_STATE_MASK && e->records[i].name == name &&
		      e->records[i].dir == dir;
	spin_unlock(&e->lock);
	return ret;
}
