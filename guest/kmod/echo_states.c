// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data and attributes after changes by programs of this guest. When the host reports a change, the
 * state on the server is local if it is the last recorded one, or one recorded since the server was
 * asked. Two changes do not have the same times: data changes differ in mtime, attribute changes in
 * ctime.
 *
 * A state may include a change of the host. It is read before watchers receive the local event, so
 * that a program that examines the file then finds that change. A program that wrote or closed a
 * file asks the server for the state: it holds no lock then. Other changes are made under locks of
 * the inodes. There, FUSE has just received the state with the server's reply, and a work reads it
 * later if it has not. Then it records a state only if nothing but ctime has changed since, unless
 * open() truncated the file.
 */
#include "echo.h"

#include <linux/lockdep.h>
#include <linux/percpu-rwsem.h>
#include <linux/slab.h>

#define NOTE_TIMEOUT (HZ / 20)
#define TRIES 5
#define LATE (HZ / 10) /* after that, the state may be that of a later change */

static struct hlist_head *bucket_of(struct hw_states *states, const struct hw_object *object)
{
	return &states->buckets[hw_object_hash(object) >> (32 - HW_ECHO_BITS)];
}

static struct hw_state *find_state(struct hw_states *states, const struct hw_object *object)
{
	struct hw_state *s;

	hlist_for_each_entry(s, bucket_of(states, object), node) {
		if (hw_is_same(&s->object, object))
			return s;
	}
	return NULL;
}

/* ---- storage ---- */

static void drop_state(struct hw_states *states, struct hw_state *s)
{
	hlist_del(&s->node);
	list_del(&s->order);
	states->count--;
	kfree(s);
}

static bool is_used(const struct hw_state *s)
{
	return s->asking || s->inode;
}

/* Drops up to two of the oldest records that are not needed any more, or that have no space. */
static void drop_oldest(struct hw_states *states)
{
	struct hw_state *s, *next;
	unsigned int tries = 2;

	list_for_each_entry_safe(s, next, &states->order, order) {
		bool full = states->count >= states->max;

		if (tries-- == 0 || states->count < min(HW_STATES_KEPT, states->max))
			break;
		if (is_used(s) || (!full && time_before(jiffies, s->at + HW_ECHO_EXPIRES)))
			continue;
		if (full)
			atomic64_inc(states->owner.forgotten);
		drop_state(states, s);
	}
}

static struct hw_state *new_state(struct hw_states *states, const struct hw_object *object)
{
	struct hw_state *s = hw_new_record(&states->owner, sizeof(*s));

	if (!s)
		return NULL;
	s->object = *object;
	INIT_LIST_HEAD(&s->pending);
	return s;
}

static void add_state(struct hw_states *states, struct hw_state *s)
{
	drop_oldest(states);
	hlist_add_head(&s->node, bucket_of(states, &s->object));
	list_add_tail(&s->order, &states->order);
	states->count++;
}

static bool has_watchers(struct dentry *dentry)
{
	return hw_is_watched(d_inode(dentry)) || (dentry->d_flags & DCACHE_FSNOTIFY_PARENT_WATCHED);
}

/* ---- recording ---- */

static struct hw_seen seen_of(const struct kstat *stat)
{
	return (struct hw_seen){
		.ctime_ns = timespec64_to_ns(&stat->ctime),
		.mtime_ns = timespec64_to_ns(&stat->mtime),
		.size = S_ISDIR(stat->mode) ? 0 : stat->size,
		.mode = stat->mode,
		.uid = stat->uid,
		.gid = stat->gid,
	};
}

static bool has_same_data(const struct hw_seen *a, const struct hw_seen *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns;
}

static bool has_same_owner(const struct hw_seen *a, const struct hw_seen *b)
{
	return a->mode == b->mode && uid_eq(a->uid, b->uid) && gid_eq(a->gid, b->gid);
}

/* Returns whether only the ctime differs. A directory with other entries also has another mtime. */
static bool is_moved_only(const struct hw_seen *a, const struct hw_seen *b)
{
	return has_same_owner(a, b) && (S_ISDIR(a->mode) || has_same_data(a, b));
}

/* If two programs ask at the same time, the first may be answered last. */
static void add_seen(struct hw_states *states, struct hw_state *s, struct hw_seen *seen, u64 since)
{
	bool late = s->seen[0].serial >= since && seen->ctime_ns < s->seen[0].ctime_ns;

	seen->serial = states->serial++;
	memmove(&s->seen[1 + late], &s->seen[late], (HW_SEEN - 1 - late) * sizeof(s->seen[0]));
	s->seen[late] = *seen;
	if (late)
		swap(s->seen[0].serial, s->seen[1].serial);
	s->at = jiffies;
}

/* Records the state that the server returned for a request that began after `noted` changes and
 * before `since`. After a move, a simultaneous change by another machine must not be recorded as
 * local. */
static void take_answer(struct hw_states *states, struct hw_state *s, u64 noted,
			const struct kstat *stat, u64 since)
{
	bool changed = s->known < s->changed && s->changed <= noted;
	struct hw_seen seen = seen_of(stat);

	lockdep_assert_held(&states->lock);
	if (s->known >= noted)
		return;
	s->known = noted;
	if (changed || (s->seen[0].serial && is_moved_only(&s->seen[0], &seen)))
		add_seen(states, s, &seen, since);
}

/* Returns a pending record, and its inode, owned. */
static struct hw_state *next_pending(struct hw_states *states, struct inode **ret_inode)
{
	struct hw_state *s;

	s = list_first_entry_or_null(&states->pending, struct hw_state, pending);
	if (!s)
		return NULL;
	list_del_init(&s->pending);
	*ret_inode = s->inode;
	s->inode = NULL;
	return s;
}

static int ask(struct hw_echo *e, struct inode *inode, struct kstat *ret)
{
	struct path path = { .mnt = e->mnt, .dentry = d_find_any_alias(inode) };
	int r = path.dentry ? vfs_getattr(&path, ret, STATX_BASIC_STATS, hw_how_to_ask(inode))
			    : -ENOENT;

	dput(path.dentry);
	return r;
}

/* Returns false if nothing is pending. */
static bool ask_one(struct hw_echo *e)
{
	struct hw_states *states = &e->states;
	struct inode *inode = NULL;
	struct hw_state *s;
	struct kstat stat;
	unsigned long at = 0;
	u64 noted = 0, since;
	int r;

	spin_lock(&states->lock);
	s = next_pending(states, &inode);
	if (s) {
		s->asking++;
		noted = s->noted;
		at = s->at;
	}
	since = states->serial;
	spin_unlock(&states->lock);
	if (!s)
		return false;
	r = ask(e, inode, &stat);
	spin_lock(&states->lock);
	s->asking--;
	if (r == 0 && time_before(jiffies, at + LATE))
		take_answer(states, s, noted, &stat, since);
	else
		s->known = max(s->known, noted);
	spin_unlock(&states->lock);
	iput(inode);
	return true;
}

static void work_on_pending(struct work_struct *work)
{
	struct hw_echo *e = container_of(work, struct hw_echo, states.ask);

	while (ask_one(e))
		cond_resched();
}

void hw_states_init(struct hw_states *states, const struct hw_echo_owner *owner)
{
	spin_lock_init(&states->lock);
	init_waitqueue_head(&states->changed);
	INIT_LIST_HEAD(&states->order);
	INIT_LIST_HEAD(&states->pending);
	INIT_WORK(&states->ask, work_on_pending);
	states->serial = 1;
	states->owner = *owner;
	states->max = hw_echo_max();
}

void hw_states_finish(struct hw_states *states)
{
	struct hw_state *s, *next;

	cancel_work_sync(&states->ask);
	list_for_each_entry_safe(s, next, &states->order, order) {
		iput(s->inode);
		drop_state(states, s);
	}
}

bool hw_is_known(struct hw_states *states, const struct hw_object *object)
{
	bool ret;

	spin_lock(&states->lock);
	ret = find_state(states, object);
	spin_unlock(&states->lock);
	return ret;
}

static struct hw_state *new_if_unknown(struct hw_states *states, const struct hw_object *object)
{
	return hw_is_known(states, object) ? NULL : new_state(states, object);
}

static void set_changed(struct hw_states *states, struct hw_state *s, bool moved)
{
	s->noted++;
	if (!moved)
		s->changed = s->noted;
	s->at = jiffies;
	list_move_tail(&s->order, &states->order);
}

/* Returns the record of the inode; if there is none, adds and consumes `new`, which may be NULL. */
static struct hw_state *get_state(struct hw_states *states, const struct hw_object *object,
				  struct hw_state **new)
{
	struct hw_state *s;

	lockdep_assert_held(&states->lock);
	s = find_state(states, object);
	if (!s && *new) {
		add_state(states, *new);
		swap(s, *new);
	}
	return s;
}

/* Returns whether a work is to be started. */
static bool set_pending(struct hw_states *states, struct hw_state *s, struct inode *inode)
{
	lockdep_assert_held(&states->lock);
	if (!s->inode)
		s->inode = igrab(inode);
	if (!s->inode || !list_empty(&s->pending))
		return false;
	list_add_tail(&s->pending, &states->pending);
	return true;
}

static struct hw_state *begin_asking(struct hw_states *states, const struct hw_object *object,
				     u64 *ret_noted, u64 *ret_since)
{
	struct hw_state *s, *new = new_if_unknown(states, object);

	spin_lock(&states->lock);
	s = get_state(states, object, &new);
	if (s) {
		set_changed(states, s, false);
		s->asking++;
		*ret_noted = s->noted;
		*ret_since = states->serial;
	}
	spin_unlock(&states->lock);
	kfree(new);
	wake_up(&states->changed);
	return s;
}

/* Asks at once. */
static void note_written(struct hw_echo *e, struct dentry *dentry)
{
	struct path path = { .mnt = e->mnt, .dentry = dentry };
	struct hw_object object = hw_object_of(d_inode(dentry));
	struct hw_states *states = &e->states;
	u64 noted = 0, since = 0;
	struct hw_state *s = begin_asking(states, &object, &noted, &since);
	struct kstat stat;
	int r;

	if (!s)
		return;
	r = vfs_getattr(&path, &stat, STATX_BASIC_STATS, hw_how_to_ask(d_inode(dentry)));
	spin_lock(&states->lock);
	s->asking--;
	if (r == 0)
		take_answer(states, s, noted, &stat, since);
	else
		s->known = max(s->known, noted);
	spin_unlock(&states->lock);
}

/* Returns whether the attributes that FUSE has cached are those of its reply for this change. */
static bool is_replied(const struct hw_state *s, const struct kstat *stat)
{
	return timespec64_to_ns(&stat->ctime) > s->seen[0].ctime_ns ||
	       timespec64_to_ns(&stat->mtime) != s->seen[0].mtime_ns;
}

/*
 * Records the attributes that FUSE has cached, and returns whether the server is to be asked. They
 * may be older than the change: FUSE has no reply with attributes for a file that is truncated when
 * it is opened, nor for names and extended attributes, which change only ctime.
 */
static bool take_cached(struct hw_states *states, struct hw_state *s, enum hw_change change,
			const struct kstat *stat)
{
	bool replied = change != HW_CHANGE_NAME && is_replied(s, stat);
	struct hw_seen seen = seen_of(stat);

	if (!replied && change == HW_CHANGE_SIZE) {
		add_seen(states, s, &seen, states->serial);
		return true;
	}
	take_answer(states, s, s->noted, stat, states->serial);
	if (!replied)
		set_changed(states, s, true);
	return !replied;
}

static void note_replied(struct hw_echo *e, struct dentry *dentry, enum hw_change change)
{
	struct path path = { .mnt = e->mnt, .dentry = dentry };
	struct inode *inode = d_inode(dentry);
	struct hw_object object = hw_object_of(inode);
	struct hw_states *states = &e->states;
	struct hw_state *s, *new;
	struct kstat stat;
	bool starts = false;

	if (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_DONT_SYNC) < 0)
		return;
	new = new_if_unknown(states, &object);
	spin_lock(&states->lock);
	s = get_state(states, &object, &new);
	if (s) {
		if (change == HW_CHANGE_NEW)
			memset(s->seen, 0, sizeof(s->seen));
		set_changed(states, s, false);
		if (hw_how_to_ask(inode) == AT_STATX_FORCE_SYNC ||
		    take_cached(states, s, change, &stat))
			starts = set_pending(states, s, inode);
	}
	spin_unlock(&states->lock);
	kfree(new);
	if (starts)
		queue_work(hw_workqueue, &states->ask);
}

void hw_note_state(struct hw_echo *e, struct dentry *dentry, enum hw_change change)
{
	if (!has_watchers(dentry))
		return;
	if (change != HW_CHANGE_NEW)
		hw_note_changed(&e->names, dentry);
	if (change == HW_CHANGE_WRITTEN)
		note_written(e, dentry);
	else
		note_replied(e, dentry, change);
}

/* A name that changed matters only if a state is recorded, which needs an update. */
void hw_note_moved(struct hw_echo *e, struct inode *inode, bool all)
{
	struct hw_object object = hw_object_of(inode);
	struct hw_states *states = &e->states;
	struct dentry *dentry;
	struct hw_state *s;
	bool starts = false;

	spin_lock(&states->lock);
	s = find_state(states, &object);
	if (s) {
		set_changed(states, s, true);
		starts = set_pending(states, s, inode);
	}
	spin_unlock(&states->lock);
	if (starts)
		queue_work(hw_workqueue, &states->ask);
	dentry = all && !s ? d_find_any_alias(inode) : NULL;
	if (dentry)
		note_replied(e, dentry, HW_CHANGE_NAME);
	dput(dentry);
}

/* ---- matching ---- */

/* When the last name is removed, and when a directory gains or loses an entry, ctime is the time of
 * that change and hides earlier changes. */
static bool hides_changes(const struct kstat *stat, const struct hw_seen *now)
{
	return stat->nlink == 0 || (S_ISDIR(now->mode) && now->mtime_ns == now->ctime_ns);
}

static bool is_as_left(const struct hw_seen *left, const struct hw_seen *now, bool data,
		       bool hidden)
{
	if (data)
		return has_same_data(left, now);
	return hidden ? is_moved_only(left, now)
		      : left->ctime_ns == now->ctime_ns && has_same_owner(left, now);
}

/* `since`: states recorded after it may have been current when the server was asked. */
static bool is_as_noted(const struct hw_state *s, const struct kstat *stat, u64 since, bool data)
{
	const struct hw_seen now = seen_of(stat);
	bool hidden = hides_changes(stat, &now) && time_before(jiffies, s->at + HW_ECHO_EXPIRES);
	unsigned int i;

	for (i = 0; i < HW_SEEN && s->seen[i].serial; i++) {
		if (is_as_left(&s->seen[i], &now, data, hidden))
			return true;
		if (s->seen[i].serial < since)
			break;
	}
	return false;
}

static u64 count_noted(struct hw_states *states, const struct hw_object *object, u64 *ret_since)
{
	struct hw_state *s;
	u64 ret;

	spin_lock(&states->lock);
	s = find_state(states, object);
	ret = s ? s->noted : 0;
	*ret_since = states->serial;
	spin_unlock(&states->lock);
	return ret;
}

static bool is_noted_since(struct hw_states *states, const struct hw_object *object, u64 noted)
{
	u64 since;

	return count_noted(states, object, &since) != noted;
}

static bool is_own(struct hw_states *states, const struct hw_object *object, u64 noted,
		   const struct kstat *stat, u64 since, bool data)
{
	struct hw_state *s;
	bool ret;

	spin_lock(&states->lock);
	s = find_state(states, object);
	if (s)
		take_answer(states, s, min(noted, s->noted), stat, since);
	ret = s && is_as_noted(s, stat, since, data);
	spin_unlock(&states->lock);
	return ret;
}

/* Waits until the local changes made so far are recorded, unless they are writes. */
static void wait_for_changes(struct inode *inode, struct inode *dir)
{
	hw_wait_for_changes(inode);
	if (dir)
		hw_wait_for_changes(dir);
}

/* Returns whether a program may be inside a call that writes the inode: the local event is part of
 * such calls, which protect the file system from being frozen until they return. */
static bool may_be_in_write(struct inode *inode)
{
	struct percpu_rw_semaphore *writes = &inode->i_sb->s_writers.rw_sem[SB_FREEZE_WRITE - 1];

	return inode_is_open_for_write(inode) && percpu_is_read_locked(writes);
}

/* Returns whether the cause may be a local program whose change was not recorded yet. */
static bool may_be_noted(struct hw_states *states, struct inode *inode,
			 const struct hw_object *object, u64 noted)
{
	unsigned long end = jiffies + NOTE_TIMEOUT;

	while (may_be_in_write(inode) && time_before(jiffies, end)) {
		if (wait_event_timeout(states->changed, is_noted_since(states, object, noted), 1))
			break;
	}
	return is_noted_since(states, object, noted);
}

/* Returns whether no program of this guest can be the cause: what it changes is recorded before
 * those locks are released and before its write ends. */
static bool is_foreign(struct hw_states *states, struct inode *inode,
		       const struct hw_object *object, struct inode *dir)
{
	wait_for_changes(inode, dir);
	return !may_be_in_write(inode) && !hw_is_known(states, object);
}

/* Asks the server first, and compares its answer after all changes that may have caused it are
 * recorded. Asks again if there were any: the answer may not include them. With programs that write
 * without a pause, the limit ends this, and the event is reported twice. */
bool hw_echo_of_state(struct hw_echo *e, struct inode *dir, struct dentry *dentry, bool data)
{
	struct path path = { .mnt = e->mnt, .dentry = dentry };
	struct inode *inode = d_inode(dentry);
	struct hw_object object = hw_object_of(inode);
	struct hw_states *states = &e->states;
	struct kstat stat;
	u64 since, noted;
	int i;

	if (is_foreign(states, inode, &object, dir))
		return false;
	for (i = 0; i < TRIES; i++) {
		noted = count_noted(states, &object, &since);
		if (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC) < 0)
			return false;
		if (is_own(states, &object, noted, &stat, since, data))
			return true;
		wait_for_changes(inode, dir);
		if (is_own(states, &object, noted, &stat, since, data))
			return true;
		if (!may_be_noted(states, inode, &object, noted))
			return false;
	}
	return false;
}
