// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names changed by programs of this guest. Each change matches one host event of the same kind
 * about the same name, the oldest change first, if the current inode of the name results from a
 * local change. The match is not exact, because the host reports names that have changed again,
 * merges several changes into one event, and does not report some at all.
 */
#include "echo.h"

#include <linux/jhash.h>
#include <linux/slab.h>

#define APPEARED (FS_CREATE | FS_MOVED_TO)
#define REMOVED (FS_DELETE | FS_MOVED_FROM)
#define AGAIN HZ /* host events within this time may come from one examination */

/* Identifies a name in a directory. */
struct name_key {
	struct hw_object dir;
	const char *text;
	u32 len, hash;
	u64 since; /* serial of the first record that may be about it */
	u32 depth; /* of its newest record */
};

static struct name_key key_of(struct inode *dir, const struct qstr *name)
{
	struct name_key ret = {
		.dir = hw_object_of(dir),
		.text = (const char *)name->name,
		.len = name->len,
	};

	ret.hash = jhash(ret.text, ret.len, hw_object_hash(&ret.dir));
	return ret;
}

/* The record that the directory was created has an empty name. */
static struct name_key key_of_birth(const struct hw_object *dir)
{
	return (struct name_key){ .dir = *dir, .text = "", .hash = hw_object_hash(dir) };
}

static struct hlist_head *bucket_of(struct hw_names *names, const struct name_key *k)
{
	return &names->buckets[k->hash >> (32 - HW_ECHO_BITS)];
}

/* ---- storage ---- */

static void drop_name(struct hw_names *names, struct hw_own_name *n)
{
	hlist_del(&n->node);
	list_del(&n->order);
	names->count--;
	kfree(n);
}

static bool is_expired(const struct hw_own_name *n)
{
	return time_after_eq(jiffies, n->at + HW_ECHO_EXPIRES);
}

static void drop_expired(struct hw_names *names)
{
	struct hw_own_name *n, *next;

	list_for_each_entry_safe(n, next, &names->order, order) {
		if (!is_expired(n))
			break;
		drop_name(names, n);
	}
}

static void work_on_expired(struct work_struct *work)
{
	struct hw_names *names = container_of(to_delayed_work(work), struct hw_names, expire);
	bool more;

	spin_lock(&names->lock);
	drop_expired(names);
	more = names->count;
	spin_unlock(&names->lock);
	if (more)
		queue_delayed_work(hw_workqueue, &names->expire, HW_ECHO_EXPIRES);
}

void hw_names_init(struct hw_names *names, atomic64_t *forgotten)
{
	spin_lock_init(&names->lock);
	INIT_LIST_HEAD(&names->order);
	INIT_DELAYED_WORK(&names->expire, work_on_expired);
	names->forgotten = forgotten;
	names->max = hw_echo_max();
}

void hw_names_finish(struct hw_names *names)
{
	struct hw_own_name *n, *next;

	cancel_delayed_work_sync(&names->expire);
	list_for_each_entry_safe(n, next, &names->order, order)
		drop_name(names, n);
}

/* Returns NULL, after counting that, if memory is short. */
static struct hw_own_name *new_name(struct hw_names *names, const struct name_key *k)
{
	struct hw_own_name *n = kzalloc(struct_size(n, text, k->len), GFP_KERNEL_ACCOUNT);

	if (!n) {
		atomic64_inc(names->forgotten);
		return NULL;
	}
	n->dir = k->dir;
	n->hash = k->hash;
	n->len = k->len;
	memcpy(n->text, k->text, k->len);
	return n;
}

static void add_name(struct hw_names *names, struct hw_own_name *n, const struct name_key *k)
{
	if (names->count >= names->max) {
		drop_name(names, list_first_entry(&names->order, struct hw_own_name, order));
		atomic64_inc(names->forgotten);
	}
	n->depth = k->depth + 1;
	if (n->depth > HW_NAMES_SAME)
		atomic64_inc(names->forgotten);
	n->serial = names->serial++;
	n->at = jiffies;
	hlist_add_head(&n->node, bucket_of(names, k));
	list_add_tail(&n->order, &names->order);
	if (names->count++ == 0)
		queue_delayed_work(hw_workqueue, &names->expire, HW_ECHO_EXPIRES);
}

/* ---- search ---- */

static bool is_about(const struct hw_own_name *n, const struct name_key *k)
{
	return n->hash == k->hash && n->len == k->len && hw_is_same(&n->dir, &k->dir) &&
	       memcmp(n->text, k->text, k->len) == 0 && !is_expired(n);
}

static bool is_valid(const struct hw_own_name *n, const struct name_key *k)
{
	return n->serial >= k->since && (s32)(k->depth - n->depth) < (s32)HW_NAMES_SAME;
}

/* Returns the record of the name after `n`; with NULL, the newest one. */
static struct hw_own_name *next_name(struct hw_names *names, const struct name_key *k,
				     struct hw_own_name *n)
{
	struct hlist_node *node = n ? n->node.next : bucket_of(names, k)->first;

	for (; node; node = node->next) {
		n = hlist_entry(node, struct hw_own_name, node);
		if (is_about(n, k))
			return is_valid(n, k) ? n : NULL;
	}
	return NULL;
}

#define for_each_name(n, names, k)                                                                 \
	for ((n) = next_name(names, k, NULL); (n); (n) = next_name(names, k, n))

static u32 depth_of(struct hw_names *names, const struct name_key *k)
{
	struct hw_own_name *n;

	hlist_for_each_entry(n, bucket_of(names, k), node) {
		if (is_about(n, k))
			return n->depth;
	}
	return 0;
}

/* To be called once the lock is held. Records of a directory with the same numbers that was removed
 * before this one was created are not about this one. */
static void begin(struct hw_names *names, struct name_key *k)
{
	const struct name_key birth = key_of_birth(&k->dir);
	struct hw_own_name *n = next_name(names, &birth, NULL);

	k->since = n ? n->serial : 0;
	k->depth = depth_of(names, k);
}

static struct hw_own_name *find_changed(struct hw_names *names, const struct name_key *k)
{
	struct hw_own_name *n;

	for_each_name(n, names, k) {
		if (!n->mask)
			return n;
	}
	return NULL;
}

/* Returns the newest local change of the name before `serial`. */
static struct hw_own_name *find_newest(struct hw_names *names, const struct name_key *k, u64 serial)
{
	struct hw_own_name *n;

	for_each_name(n, names, k) {
		if (n->mask && n->serial < serial)
			return n;
	}
	return NULL;
}

/* ---- recording ---- */

/* An exchange is recorded as two moves: the inode that leaves a name in the second is not the one
 * that arrived in the first. */
static void exchange_halves(struct hw_names *names, const struct name_key *k,
			    struct hw_own_name *from)
{
	struct hw_own_name *to = find_newest(names, k, U64_MAX);

	if (from->mask != FS_MOVED_FROM || !to || to->mask != FS_MOVED_TO ||
	    to->task != from->task || to->inode == from->inode)
		return;
	swap(to->mask, from->mask);
	swap(to->inode, from->inode);
}

static void add_birth(struct hw_names *names, struct hw_own_name *n, const struct name_key *k)
{
	struct hw_own_name *last = next_name(names, k, NULL);

	if (last)
		drop_name(names, last);
	add_name(names, n, k);
}

static struct hw_own_name *new_birth(struct hw_names *names, struct name_key *ret,
				     struct inode *dir)
{
	const struct hw_object object = hw_object_of(dir);

	*ret = key_of_birth(&object);
	return new_name(names, ret);
}

void hw_note_name(struct hw_names *names, u32 mask, struct inode *dir, const struct qstr *name,
		  struct inode *inode)
{
	bool is_birth = (mask & FS_CREATE) && inode && S_ISDIR(inode->i_mode);
	struct name_key k = key_of(dir, name), birth;
	struct hw_own_name *n = new_name(names, &k);
	struct hw_own_name *born = is_birth ? new_birth(names, &birth, inode) : NULL;

	if (n) {
		n->mask = mask;
		n->inode = inode ? inode->i_ino : 0;
		n->task = current;
	}
	spin_lock(&names->lock);
	if (born)
		add_birth(names, born, &birth);
	if (n) {
		begin(names, &k);
		exchange_halves(names, &k, n);
		add_name(names, n, &k);
	}
	spin_unlock(&names->lock);
}

/* Needed if the name is gone when the host reports the change. */
void hw_note_changed(struct hw_names *names, struct dentry *dentry)
{
	struct dentry *parent = dget_parent(dentry);
	struct hw_own_name *n, *known;
	struct name_snapshot name;
	struct name_key k;

	take_dentry_name_snapshot(&name, dentry);
	k = key_of(d_inode(parent), &name.name);
	n = new_name(names, &k);
	spin_lock(&names->lock);
	begin(names, &k);
	known = find_changed(names, &k);
	if (known) {
		known->at = jiffies;
		list_move_tail(&known->order, &names->order);
	} else if (n) {
		add_name(names, n, &k);
		n = NULL;
	}
	spin_unlock(&names->lock);
	kfree(n);
	release_dentry_name_snapshot(&name);
	dput(parent);
}

/* ---- matching ---- */

static bool is_appearance(u32 mask)
{
	return mask & APPEARED;
}

/*
 * Returns whether a local program gave the name its current inode. If a program then removed that
 * inode before the host event arrived, the inode is another one with the same number. `inode` 0:
 * the name does not exist.
 */
static bool has_put(struct hw_names *names, const struct name_key *k, u64 inode)
{
	struct hw_own_name *n;

	if (!inode)
		return true;
	for_each_name(n, names, k) {
		if (!n->mask || (n->inode && n->inode != inode))
			continue;
		if (is_appearance(n->mask))
			return true;
		if (n->serial < names->telling)
			return false;
	}
	return false;
}

/*
 * Returns whether a local change may have removed the inode from the name. If the newest local
 * change gave the name another inode that is not there now, it did not. A local change after the
 * host event arrived may or may not be included in it.
 */
static bool may_have_removed(struct hw_names *names, const struct name_key *k, u64 inode)
{
	struct hw_own_name *n = find_newest(names, k, U64_MAX);

	if (!n || n->serial >= names->telling)
		return n;
	return !is_appearance(n->mask) || !n->inode || n->inode == inode;
}

/* Local changes that may match the host event. */
struct answer {
	struct hw_own_name *same; /* of the same kind; the oldest */
	struct hw_own_name *like; /* of the same effect; the oldest */
	struct hw_own_name *over; /* an entry was moved over the name: its inode was removed */
	bool known; /* the inode that lost the name may be one that a local program removed */
	bool again; /* a change was matched recently */
};

static struct answer find_answers(struct hw_names *names, const struct hw_word *w,
				  const struct name_key *k)
{
	struct answer ret = {};
	struct hw_own_name *n;

	for_each_name(n, names, k) {
		bool is_like = is_appearance(n->mask) == is_appearance(w->mask);

		if (!n->mask)
			continue;
		if (n->answered) {
			ret.again = ret.again || ((is_like || n->mask == FS_MOVED_TO) &&
						  time_before(jiffies, n->at + AGAIN));
			continue;
		}
		if (n->mask == FS_MOVED_TO)
			ret.over = n;
		if (is_like)
			ret.like = n;
		if (n->mask == w->mask)
			ret.same = n;
		if (is_like && (!n->inode || !w->removed || n->inode == w->removed))
			ret.known = true;
	}
	return ret;
}

/*
 * Returns whether local programs made the change, and marks the matching records: those before
 * *ret_until. A record of the same kind matches, or one of the same effect if the host merged
 * several changes. The host may report several changes by events that need one record twice: such
 * an event also matches if the current inode of the name comes from a local program.
 */
static bool is_own(struct hw_names *names, const struct hw_word *w, const struct name_key *k,
		   u64 *ret_until)
{
	bool is_there = is_appearance(w->mask);
	struct hw_own_name *now = find_newest(names, k, U64_MAX);
	struct answer a = find_answers(names, w, k);

	*ret_until = 0;
	if (is_there ? !has_put(names, k, w->inode) : !may_have_removed(names, k, w->inode))
		return false;
	if (a.like && a.known) {
		*ret_until = (a.same ?: a.like)->serial + 1;
		return true;
	}
	if (!is_there && a.over) {
		*ret_until = a.over->serial; /* that record has to match its own event, too */
		return true;
	}
	if (!a.again || !now)
		return false;
	if (!w->inode)
		return is_there && !is_appearance(now->mask);
	return is_appearance(now->mask) && now->inode == w->inode;
}

/* The host reports changes in order: after a match, older records of the same name are obsolete. */
static void set_answered(struct hw_names *names, const struct name_key *k, u64 until)
{
	struct hw_own_name *n;

	for_each_name(n, names, k) {
		if (n->serial >= until || n->answered || !n->mask)
			continue;
		n->answered = true;
		n->at = jiffies;
	}
}

/* Another machine made the change: earlier local changes are obsolete, whether or not the host has
 * reported them. Keeps the newest local change if it may have followed the host's change. */
static void take_over(struct hw_names *names, const struct hw_word *w, const struct name_key *k)
{
	struct hw_own_name *n, *next, *behind = find_newest(names, k, names->telling);
	struct hw_own_name *changed = find_changed(names, k);

	if (behind && (is_appearance(behind->mask) == is_appearance(w->mask) ||
		       (is_appearance(behind->mask) ? behind->inode != w->inode : w->inode)))
		behind = NULL;
	if (changed && is_appearance(w->mask))
		drop_name(names, changed);
	for (n = next_name(names, k, NULL); n; n = next) {
		next = next_name(names, k, n);
		if (n->mask && n->serial < names->telling && n != behind)
			drop_name(names, n);
	}
}

/* A directory that another machine created may have the numbers of an older one. */
static void take_birth(struct hw_names *names, const struct hw_word *w)
{
	struct hw_own_name *born;
	struct name_key k;

	born = w->made ? new_birth(names, &k, w->made) : NULL;
	if (!born)
		return;
	spin_lock(&names->lock);
	add_birth(names, born, &k);
	spin_unlock(&names->lock);
}

bool hw_echo_of_names(struct hw_echo *e, const struct hw_word *words, unsigned int count)
{
	struct hw_names *names = &e->names;
	bool own[HW_WORDS], ret = true;
	struct name_key keys[HW_WORDS];
	u64 until[HW_WORDS];
	unsigned int i;

	for (i = 0; i < count; i++) {
		hw_wait_for_changes(d_inode(words[i].place->dir));
		keys[i] = key_of(d_inode(words[i].place->dir), &words[i].place->name);
	}
	spin_lock(&names->lock);
	for (i = 0; i < count; i++) {
		begin(names, &keys[i]);
		own[i] = is_own(names, &words[i], &keys[i], &until[i]);
		ret = ret && own[i];
	}
	for (i = 0; i < count; i++) {
		if (own[i])
			set_answered(names, &keys[i], until[i]);
		else
			take_over(names, &words[i], &keys[i]);
	}
	spin_unlock(&names->lock);
	for (i = 0; i < count; i++) {
		if (!own[i])
			take_birth(names, &words[i]);
	}
	return ret;
}

bool hw_echo_has_put(struct hw_echo *e, struct hw_place *place)
{
	struct name_key k = key_of(d_inode(place->dir), &place->name);
	struct hw_names *names = &e->names;
	struct hw_own_name *n;
	bool ret;

	spin_lock(&names->lock);
	begin(names, &k);
	n = find_newest(names, &k, U64_MAX);
	ret = n && is_appearance(n->mask);
	spin_unlock(&names->lock);
	return ret;
}

/* Returns whether a local program changed the inode that has, or had, the name. */
static bool was_changed(struct hw_echo *e, const struct name_key *k)
{
	struct hw_own_name *n;

	if (find_changed(&e->names, k))
		return true;
	for_each_name(n, &e->names, k) {
		if ((n->mask & REMOVED) && n->inode)
			return hw_is_known(&e->states, n->inode);
	}
	return false;
}

bool hw_echo_of_gone(struct hw_echo *e, struct hw_place *place, u64 inode)
{
	struct name_key k = key_of(d_inode(place->dir), &place->name);
	struct hw_names *names = &e->names;
	struct hw_own_name *n;
	bool ret;

	hw_wait_for_changes(d_inode(place->dir));
	spin_lock(&names->lock);
	begin(names, &k);
	n = find_newest(names, &k, U64_MAX);
	if (n && n->serial < names->telling)
		ret = is_appearance(n->mask) ? inode && n->inode == inode : !inode;
	else
		ret = n;
	ret = ret && was_changed(e, &k);
	spin_unlock(&names->lock);
	return ret;
}

bool hw_is_changed(struct hw_names *names, struct inode *dir, const struct qstr *name)
{
	struct name_key k = key_of(dir, name);
	bool ret;

	spin_lock(&names->lock);
	begin(names, &k);
	ret = find_changed(names, &k);
	spin_unlock(&names->lock);
	return ret;
}
