// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data and attributes after changes by programs of this guest: after each change of a watched file,
 * its times and size are read from the server, before watchers receive the event. When the host
 * reports a change, the state on the server is local if it is the last recorded one, or one
 * recorded since the server was asked. Two changes do not have the same times: data changes differ
 * in mtime, attribute changes in ctime.
 */
#include "echo.h"

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/magic.h>
#include <linux/percpu-rwsem.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#define ANSWER_TIMEOUT (HZ / 4)
#define NOTE_TIMEOUT (HZ / 20)
#define HANDLER_TIMEOUT HZ
#define ASKING_MAX 4u /* requests for one inode at the same time */
#define TRIES 5

static struct hlist_head *bucket_of(struct hw_states *states, u64 inode)
{
	return &states->buckets[hash_64(inode, HW_ECHO_BITS)];
}

static struct hw_state *find_state(struct hw_states *states, u64 inode)
{
	struct hw_state *s;

	hlist_for_each_entry(s, bucket_of(states, inode), node) {
		if (s->inode == inode)
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

/* Drops up to two of the oldest records that are not needed any more, or that have no space. */
static void drop_oldest(struct hw_states *states)
{
	struct hw_state *s, *next;
	unsigned int tries = 2;

	list_for_each_entry_safe(s, next, &states->order, order) {
		bool full = states->count >= states->max;

		if (tries-- == 0 || states->count < min(HW_STATES_KEPT, states->max))
			break;
		if (s->asking || (!full && time_before(jiffies, s->at + HW_ECHO_EXPIRES)))
			continue;
		if (full)
			atomic64_inc(states->forgotten);
		drop_state(states, s);
	}
}

static struct hw_state *new_state(struct hw_states *states, u64 inode)
{
	struct hw_state *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s) {
		atomic64_inc(states->forgotten);
		return NULL;
	}
	s->inode = inode;
	return s;
}

static void add_state(struct hw_states *states, struct hw_state *s)
{
	drop_oldest(states);
	hlist_add_head(&s->node, bucket_of(states, s->inode));
	list_add_tail(&s->order, &states->order);
	states->count++;
}

void hw_states_init(struct hw_states *states, atomic64_t *forgotten)
{
	spin_lock_init(&states->lock);
	init_waitqueue_head(&states->answered);
	INIT_LIST_HEAD(&states->order);
	states->serial = 1;
	states->forgotten = forgotten;
	states->max = hw_echo_max();
}

void hw_states_finish(struct hw_states *states)
{
	struct hw_state *s, *next;

	list_for_each_entry_safe(s, next, &states->order, order)
		drop_state(states, s);
}

bool hw_is_known(struct hw_states *states, u64 inode)
{
	bool ret;

	spin_lock(&states->lock);
	ret = find_state(states, inode);
	spin_unlock(&states->lock);
	return ret;
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

enum change { CHANGE_STATE, CHANGE_MOVED, CHANGE_NEW };

/* FUSE answers an attribute change with the resulting attributes, which are then valid in the
 * cache, and the creation of a file with those of the file. For other changes, FUSE marks the
 * cached attributes as invalid, and asks the server. */
static unsigned int how_to_ask(struct inode *inode, enum change change)
{
	if (inode->i_sb->s_magic != FUSE_SUPER_MAGIC || !IS_NOCMTIME(inode))
		return AT_STATX_FORCE_SYNC;
	return change == CHANGE_NEW ? AT_STATX_DONT_SYNC : AT_STATX_SYNC_AS_STAT;
}

/* Returns NULL if only a name changed and no state is recorded: then there is nothing to update.
 * Also if the server does not answer. */
static struct hw_state *begin_asking(struct hw_states *states, u64 inode, enum change change,
				     u64 *ret_since)
{
	bool adds = change != CHANGE_MOVED && !hw_is_known(states, inode);
	struct hw_state *new = adds ? new_state(states, inode) : NULL, *s;

	spin_lock(&states->lock);
	s = find_state(states, inode);
	if (!s && new) {
		add_state(states, new);
		swap(s, new);
	}
	if (change == CHANGE_MOVED && s && !s->seen[0].serial)
		s = NULL;
	if (s && s->asking >= ASKING_MAX) {
		atomic64_inc(states->forgotten);
		s = NULL;
	}
	if (s && change == CHANGE_NEW)
		memset(s->seen, 0, sizeof(s->seen));
	if (s) {
		s->asking++;
		s->at = jiffies;
		list_move_tail(&s->order, &states->order);
	}
	*ret_since = states->serial;
	spin_unlock(&states->lock);
	kfree(new);
	return s;
}

/* A request for the state of an inode. */
struct ask {
	struct work_struct work;
	struct completion answered;
	refcount_t refs; /* of the handler and of the work */
	struct hw_echo *echo; /* borrowed: it waits for its work */
	struct hw_state *state; /* borrowed: it is not dropped while `asking` counts this */
	struct dentry *dentry; /* owned */
	const struct cred *cred; /* owned: of the program that made the change */
	enum change change;
	unsigned int how;
	u64 since;
};

static void put_ask(struct ask *a)
{
	if (!refcount_dec_and_test(&a->refs))
		return;
	dput(a->dentry);
	put_cred(a->cred);
	kfree(a);
}

/* The host event may arrive before the server's answer, so it has to wait for that. After a move, a
 * simultaneous change by another machine must not be recorded as local. */
static void ask(struct ask *a)
{
	struct path path = { .mnt = a->echo->mnt, .dentry = a->dentry };
	struct hw_states *states = &a->echo->states;
	struct hw_state *s = a->state;
	struct kstat stat;
	struct hw_seen seen;
	int r = vfs_getattr(&path, &stat, STATX_BASIC_STATS, a->how);

	spin_lock(&states->lock);
	s->asking--;
	if (r == 0) {
		seen = seen_of(&stat);
		if (a->change != CHANGE_MOVED || is_moved_only(&s->seen[0], &seen))
			add_seen(states, s, &seen, a->since);
	}
	spin_unlock(&states->lock);
	wake_up(&states->answered);
}

static void work_on_ask(struct work_struct *work)
{
	struct ask *a = container_of(work, struct ask, work);
	const struct cred *cred = override_creds(a->cred);

	ask(a);
	revert_creds(cred);
	complete(&a->answered);
	put_ask(a);
}

static struct ask *new_ask(struct hw_echo *e, struct dentry *dentry, enum change change)
{
	struct ask *a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);

	if (!a) {
		atomic64_inc(e->states.forgotten);
		return NULL;
	}
	INIT_WORK(&a->work, work_on_ask);
	init_completion(&a->answered);
	refcount_set(&a->refs, 1);
	a->echo = e;
	a->dentry = dget(dentry);
	a->cred = get_current_cred();
	a->change = change;
	a->how = how_to_ask(d_inode(dentry), change);
	return a;
}

/* Programs whose change is handled, and those that end a watch, wait for the handler. It waits for
 * the work: watchers may change the file as soon as they are notified. */
static void wait_for_work(struct ask *a)
{
	refcount_inc(&a->refs);
	queue_work(a->echo->asks, &a->work);
	(void)wait_for_completion_killable_timeout(&a->answered, HANDLER_TIMEOUT);
}

static void ask_state(struct hw_echo *e, struct dentry *dentry, enum change change)
{
	struct ask *a = new_ask(e, dentry, change);

	if (!a)
		return;
	a->state = begin_asking(&e->states, d_inode(dentry)->i_ino, change, &a->since);
	if (a->state && a->how == AT_STATX_DONT_SYNC)
		ask(a);
	else if (a->state)
		wait_for_work(a);
	put_ask(a);
}

void hw_note_state(struct hw_echo *e, struct dentry *dentry)
{
	if (!has_watchers(dentry))
		return;
	hw_note_changed(&e->names, dentry);
	ask_state(e, dentry, CHANGE_STATE);
}

void hw_note_new(struct hw_echo *e, struct dentry *dentry)
{
	if (has_watchers(dentry))
		ask_state(e, dentry, CHANGE_NEW);
}

void hw_note_moved(struct hw_echo *e, struct inode *inode, bool all)
{
	bool known = hw_is_known(&e->states, inode->i_ino);
	struct dentry *dentry = known || all ? d_find_alias(inode) : NULL;

	if (dentry)
		ask_state(e, dentry, known ? CHANGE_MOVED : CHANGE_STATE);
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
static bool is_own(struct hw_echo *e, u64 inode, const struct kstat *stat, u64 since, bool data)
{
	const struct hw_seen now = seen_of(stat);
	struct hw_state *s;
	bool hidden, ret = false;
	unsigned int i;

	spin_lock(&e->states.lock);
	s = find_state(&e->states, inode);
	hidden = s && hides_changes(stat, &now) && time_before(jiffies, s->at + HW_ECHO_EXPIRES);
	for (i = 0; s && !ret && i < HW_SEEN && s->seen[i].serial; i++) {
		ret = is_as_left(&s->seen[i], &now, data, hidden);
		if (s->seen[i].serial < since)
			break;
	}
	spin_unlock(&e->states.lock);
	return ret;
}

static u64 last_seen(struct hw_echo *e, u64 inode, unsigned int *ret_asking)
{
	struct hw_state *s;
	u64 ret;

	spin_lock(&e->states.lock);
	s = find_state(&e->states, inode);
	ret = s ? s->seen[0].serial : 0;
	*ret_asking = s ? s->asking : 0;
	spin_unlock(&e->states.lock);
	return ret;
}

static bool is_asked_for(struct hw_echo *e, u64 inode)
{
	unsigned int asking;

	(void)last_seen(e, inode, &asking);
	return asking;
}

static bool is_noted_since(struct hw_echo *e, u64 inode, u64 noted)
{
	unsigned int asking;

	return last_seen(e, inode, &asking) != noted;
}

/* Waits until the local changes made so far are recorded. */
static void wait_for_notes(struct hw_echo *e, struct inode *inode, struct inode *dir)
{
	hw_wait_for_changes(inode);
	if (dir)
		hw_wait_for_changes(dir);
	wait_event_timeout(e->states.answered, !is_asked_for(e, inode->i_ino), ANSWER_TIMEOUT);
}

/* Returns whether a program may be inside a call that writes the inode: the local event is part of
 * such calls, which protect the file system from being frozen until they return. */
static bool may_be_in_write(struct inode *inode)
{
	struct percpu_rw_semaphore *writes = &inode->i_sb->s_writers.rw_sem[SB_FREEZE_WRITE - 1];

	return inode_is_open_for_write(inode) && percpu_is_read_locked(writes);
}

/* Returns whether the cause may be a local program whose change is not recorded yet. */
static bool may_be_noted(struct hw_echo *e, struct inode *inode, u64 noted)
{
	unsigned long end = jiffies + NOTE_TIMEOUT;

	while (may_be_in_write(inode) && time_before(jiffies, end)) {
		if (wait_event_timeout(e->states.answered, is_noted_since(e, inode->i_ino, noted),
				       1))
			break;
	}
	return is_noted_since(e, inode->i_ino, noted);
}

/* Returns whether no program of this guest can be the cause: what it changes is recorded before
 * those locks are released and before its write ends. */
static bool is_foreign(struct hw_echo *e, struct inode *inode, struct inode *dir)
{
	hw_wait_for_changes(inode);
	if (dir)
		hw_wait_for_changes(dir);
	return !may_be_in_write(inode) && !hw_is_known(&e->states, inode->i_ino);
}

/* Asks the server first, and compares its answer again after all changes that may have caused it
 * are recorded: asking later would include changes made meanwhile. */
bool hw_echo_of_state(struct hw_echo *e, struct inode *dir, struct dentry *dentry, bool data)
{
	struct path path = { .mnt = e->mnt, .dentry = dentry };
	struct inode *inode = d_inode(dentry);
	struct kstat stat;
	unsigned int asking;
	u64 since, noted;
	int i;

	if (is_foreign(e, inode, dir))
		return false;
	/* with programs that write without a pause, the limit ends this, and the event is reported
	 * twice */
	for (i = 0; i < TRIES; i++) {
		noted = last_seen(e, inode->i_ino, &asking);
		since = READ_ONCE(e->states.serial);
		if (vfs_getattr(&path, &stat, STATX_BASIC_STATS, AT_STATX_FORCE_SYNC) < 0)
			return false;
		if (is_own(e, inode->i_ino, &stat, since, data))
			return true;
		wait_for_notes(e, inode, dir);
		if (is_own(e, inode->i_ino, &stat, since, data))
			return true;
		if (!may_be_noted(e, inode, noted))
			return false;
	}
	return false;
}
