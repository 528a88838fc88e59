// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs of this guest do comes back from the host. Their own kernel has told of it already,
 * so a group of our own on the file system takes down what it tells, and the host's word of the
 * same is used for the caches only.
 *
 * Names: each change answers for one word of the same kind about the same name, the oldest first.
 * What the name stands for now has to be of a program here as well. Data and attributes: after each
 * change of a watched file its times and size are taken from the server, before watchers are told;
 * as long as the server still has these (time of modification and size for data, of change for
 * attributes), nobody else has changed it since. What is gone has no times: then the name of what
 * was changed answers.
 */
#include "hostwatch.h"

#include "compat.h"
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/wait.h>

#define RECORDS 4096u /* the oldest is forgotten */
#define BUCKET_BITS 10
#define NAME_EXPIRES (30 * HZ)
#define ANSWER_TIMEOUT (HZ / 4)
#define NOTE_TIMEOUT (HZ / 20)
#define TRIES 5
#define APPEARED (FS_CREATE | FS_MOVED_TO)

enum kind { RECORD_NAME, RECORD_CHANGED, RECORD_STATE };

struct record {
	struct hlist_node node; /* the newest is first */
	enum kind kind;
	u32 mask; /* of RECORD_NAME */
	u32 name; /* hash; 0 of RECORD_STATE, whose inode is known */
	u64 dir, inode; /* numbers; inode 0: not known */
	u64 serial;
	unsigned long at; /* jiffies */
	struct timespec64 ctime, mtime; /* of RECORD_STATE */
	loff_t size;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

struct hw_echo {
	struct fsnotify_mark mark; /* owns this struct */
	struct fsnotify_group *group; /* owned */
	struct vfsmount *mnt; /* borrowed from the open device, which ends us first */
	struct task_struct *teller; /* who tells events of the host just now; only compared */
	atomic_t asking; /* programs that wait for the state of what they just changed */
	unsigned int noted; /* how many have */
	wait_queue_head_t answered;
	spinlock_t lock; /* what follows */
	u64 serial; /* of the next record */
	u64 telling; /* of the next record when the event in hand came */
	struct hlist_head buckets[1 << BUCKET_BITS];
	struct record records[RECORDS];
};

static struct hlist_head *bucket_of(struct hw_echo *e, u64 number, u32 name)
{
	return &e->buckets[hash_64(number ^ ((u64)name << 32), BUCKET_BITS)];
}

/* A record that nobody needs any more, or the oldest; hashed by what it is about. */
static struct record *add_record(struct hw_echo *e, const struct record *init)
{
	struct record *r = &e->records[e->serial % RECORDS];

	if (!hlist_unhashed(&r->node))
		hlist_del_init(&r->node);
	*r = *init;
	r->serial = e->serial++;
	r->at = jiffies;
	INIT_HLIST_NODE(&r->node);
	hlist_add_head(&r->node,
		       bucket_of(e, r->kind == RECORD_STATE ? r->inode : r->dir, r->name));
	return r;
}

static struct record *find_state(struct hw_echo *e, u64 inode)
{
	struct record *r;

	hlist_for_each_entry(r, bucket_of(e, inode, 0), node)
	{
		if (r->kind == RECORD_STATE && r->inode == inode)
			return r;
	}
	return NULL;
}

static bool is_about(const struct record *r, enum kind kind, u64 dir, u32 name)
{
	return r->kind == kind && r->dir == dir && r->name == name &&
	       time_before(jiffies, r->at + NAME_EXPIRES);
}

static struct record *find_changed(struct hw_echo *e, u64 dir, u32 name)
{
	struct record *r;

	hlist_for_each_entry(r, bucket_of(e, dir, name), node)
	{
		if (is_about(r, RECORD_CHANGED, dir, name))
			return r;
	}
	return NULL;
}

static u32 hash_of(const struct qstr *name)
{
	return full_name_hash(NULL, name->name, name->len);
}

/* A new directory may have the number of an old one. */
static void forget_dir(struct hw_echo *e, u64 dir)
{
	unsigned int i;

	for (i = 0; i < RECORDS; i++)
		if (e->records[i].dir == dir && !hlist_unhashed(&e->records[i].node))
			hlist_del_init(&e->records[i].node);
}

static void note_name(struct hw_echo *e, u32 mask, struct inode *dir, const struct qstr *name,
		      struct inode *inode)
{
	const struct record r = {
		.kind = RECORD_NAME,
		.mask = mask,
		.name = hash_of(name),
		.dir = dir->i_ino,
		.inode = inode ? inode->i_ino : 0,
	};

	spin_lock(&e->lock);
	if ((mask & FS_CREATE) && inode && S_ISDIR(inode->i_mode))
		forget_dir(e, inode->i_ino);
	add_record(e, &r);
	spin_unlock(&e->lock);
}

/* Its name, in case that it is gone when the host speaks of it. */
static void note_changed(struct hw_echo *e, struct dentry *dentry)
{
	struct name_snapshot name;
	struct record init = { .kind = RECORD_CHANGED }, *r;

	take_dentry_name_snapshot(&name, dentry);
	init.name = hash_of(&name.name);
	release_dentry_name_snapshot(&name);
	spin_lock(&dentry->d_lock);
	init.dir = d_inode(dentry->d_parent)->i_ino;
	spin_unlock(&dentry->d_lock);
	spin_lock(&e->lock);
	r = find_changed(e, init.dir, init.name);
	if (r)
		r->at = jiffies;
	else
		add_record(e, &init);
	spin_unlock(&e->lock);
}

static bool has_watchers(struct dentry *dentry)
{
	return hw_is_watched(d_inode(dentry)) || (dentry->d_flags & DCACHE_FSNOTIFY_PARENT_WATCHED);
}

/* Only the time of change is another. */
static bool is_moved_only(const struct record *r, const struct kstat *stat)
{
	return r->size == stat->size && timespec64_equal(&r->mtime, &stat->mtime) &&
	       r->mode == stat->mode && uid_eq(r->uid, stat->uid) && gid_eq(r->gid, stat->gid);
}

/* After a move what others changed at the same moment is not taken for the program's. */
static void ask_state(struct hw_echo *e, struct dentry *dentry, bool moved)
{
	struct path path = { .mnt = e->mnt, .dentry = dentry };
	struct record init = { .kind = RECORD_STATE, .inode = d_inode(dentry)->i_ino }, *r;
	struct kstat stat;

	if (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC) < 0)
		return;
	spin_lock(&e->lock);
	r = find_state(e, init.inode);
	if (!r && !moved)
		r = add_record(e, &init);
	if (r && (!moved || is_moved_only(r, &stat))) {
		r->ctime = stat.ctime;
		r->mtime = stat.mtime;
		r->size = stat.size;
		r->mode = stat.mode;
		r->uid = stat.uid;
		r->gid = stat.gid;
	}
	e->noted++;
	spin_unlock(&e->lock);
}

/* The host may speak before the server's answer is here: it has to wait. */
static void note_state(struct hw_echo *e, struct dentry *dentry, bool moved)
{
	if (!has_watchers(dentry))
		return;
	atomic_inc(&e->asking);
	note_changed(e, dentry);
	ask_state(e, dentry, moved);
	atomic_dec(&e->asking);
	wake_up(&e->answered);
}

/* The time of change moves with the name. */
static void note_moved(struct hw_echo *e, struct inode *inode)
{
	struct dentry *dentry;
	bool known;

	spin_lock(&e->lock);
	known = find_state(e, inode->i_ino);
	spin_unlock(&e->lock);
	dentry = known ? d_find_alias(inode) : NULL;
	if (dentry)
		note_state(e, dentry, true);
	dput(dentry);
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
	if ((mask & HW_NAME_MASK) && dir && name) {
		struct inode *inode = fsnotify_data_inode(data, data_type);

		note_name(e, mask & HW_NAME_MASK, dir, name, inode);
		if (inode && !S_ISDIR(inode->i_mode))
			note_moved(e, inode);
	} else if ((mask & HW_STATE_MASK) && dentry && d_is_positive(dentry)) {
		note_state(e, dentry, false);
	}
	return 0;
}

static void free_mark(struct fsnotify_mark *mark)
{
	kvfree(container_of(mark, struct hw_echo, mark));
}

static const struct fsnotify_ops ops = {
	.handle_event = handle_event,
	.free_mark = free_mark,
};

struct hw_echo *hw_echo_start(struct vfsmount *mnt)
{
	struct hw_echo *e = kvzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	struct fsnotify_group *group;
	int r;

	if (!e)
		return ERR_PTR(-ENOMEM);
	group = fsnotify_alloc_group(&ops, 0);
	if (IS_ERR(group)) {
		kvfree(e);
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
	spin_lock(&e->lock);
	e->telling = e->serial;
	spin_unlock(&e->lock);
}

/* What a program changes, and its kernel's word of it, are under this lock: the host's word of it
 * may be here before. */
static void wait_for_changes(struct inode *inode)
{
	inode_lock_shared(inode);
	inode_unlock_shared(inode);
}

static bool is_like(u32 mask, const struct record *r)
{
	return !(mask & APPEARED) == !(r->mask & APPEARED);
}

/*
 * The record that answers, or NULL: one of the same kind, or where the host saw several changes as
 * one, one that had the same effect. Who made and removed a name again before the host was looked
 * at has records left that the host never speaks of: a name that is there although the last that a
 * program here did was to remove it is of somebody else; so is the removal of one that a program
 * here has put there last, unless a removal of just that kind was taken down.
 */
static struct record *find_name(struct hw_echo *e, u32 mask, u64 dir, u32 name, u64 inode)
{
	struct record *r, *newest = NULL, *same = NULL, *like = NULL;
	bool known = false;

	hlist_for_each_entry(r, bucket_of(e, dir, name), node)
	{
		if (!is_about(r, RECORD_NAME, dir, name))
			continue;
		if (!newest && r->serial < e->telling)
			newest = r;
		if (!is_like(mask, r))
			continue;
		like = r;
		if (r->mask == mask)
			same = r;
		known = known || !r->inode || !inode || r->inode == inode;
	}
	if (!known || ((mask & APPEARED) && inode && newest && !(newest->mask & APPEARED)))
		return NULL;
	if (!same && !(mask & APPEARED) && newest && (newest->mask & APPEARED))
		return NULL;
	return same ?: like;
}

/* The host speaks in order: with one answered, older ones of that name have had their time. */
static void forget_until(struct hw_echo *e, const struct record *last)
{
	struct hlist_head *bucket = bucket_of(e, last->dir, last->name);
	struct hlist_node *next;
	struct record *r;

	hlist_for_each_entry_safe(r, next, bucket, node)
	{
		if (r->kind == RECORD_NAME && r->dir == last->dir && r->name == last->name &&
		    r->serial <= last->serial)
			hlist_del_init(&r->node);
	}
}

bool hw_echo_of_name(struct hw_echo *e, u32 mask, struct hw_place *place, struct inode *inode)
{
	u32 name = hash_of(&place->name);
	u64 dir = d_inode(place->dir)->i_ino;
	struct record *r, *changed;

	wait_for_changes(d_inode(place->dir));
	spin_lock(&e->lock);
	r = find_name(e, mask, dir, name, inode ? inode->i_ino : 0);
	changed = r ? NULL : find_changed(e, dir, name);
	if (r)
		forget_until(e, r);
	/* from now on the name is of somebody else */
	if (changed && (mask & APPEARED))
		hlist_del_init(&changed->node);
	if (!r && (mask & FS_CREATE) && inode && S_ISDIR(inode->i_mode))
		forget_dir(e, inode->i_ino);
	spin_unlock(&e->lock);
	return r;
}

static bool is_as_left(struct hw_echo *e, u64 inode, const struct kstat *stat, bool data)
{
	struct record *r;
	bool ret = false;

	spin_lock(&e->lock);
	r = find_state(e, inode);
	if (r && data)
		ret = r->size == stat->size && timespec64_equal(&r->mtime, &stat->mtime);
	else if (r)
		ret = timespec64_equal(&r->ctime, &stat->ctime);
	spin_unlock(&e->lock);
	return ret;
}

/* Whether a program that has changed the file, but not yet been noted, may be the reason. */
static bool may_be_noted(struct hw_echo *e, struct inode *inode, unsigned int noted)
{
	if (READ_ONCE(e->noted) != noted)
		return true;
	return inode_is_open_for_write(inode) &&
	       wait_event_timeout(e->answered, READ_ONCE(e->noted) != noted, NOTE_TIMEOUT);
}

bool hw_echo_of_state(struct hw_echo *e, struct dentry *dentry, bool data)
{
	struct path path = { .mnt = e->mnt, .dentry = dentry };
	struct inode *inode = d_inode(dentry);
	struct kstat stat;
	unsigned int noted;
	int i;

	/* without end only where programs write without end; then told twice */
	for (i = 0; i < TRIES; i++) {
		wait_for_changes(inode);
		wait_event_timeout(e->answered, !atomic_read(&e->asking), ANSWER_TIMEOUT);
		noted = READ_ONCE(e->noted);
		if (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC) < 0)
			return false;
		if (is_as_left(e, inode->i_ino, &stat, data))
			return true;
		if (!may_be_noted(e, inode, noted))
			return false;
	}
	return false;
}

bool hw_echo_of_gone(struct hw_echo *e, struct hw_place *place)
{
	bool ret;

	spin_lock(&e->lock);
	ret = find_changed(e, d_inode(place->dir)->i_ino, hash_of(&place->name));
	spin_unlock(&e->lock);
	return ret;
}
