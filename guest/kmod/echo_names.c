// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names changed by programs of this guest. Each change matches one host event of the same kind
 * about the same name, the oldest change first, if the current inode of the name results from a
 * local change. The match is not exact, because the host reports names that have changed again,
 * merges several changes into one event, and does not report some at all.
 */
#include "echo.h"

#include <linux/hash.h>
#include <linux/stringhash.h>

#define APPEARED (FS_CREATE | FS_MOVED_TO)
#define REMOVED (FS_DELETE | FS_MOVED_FROM)
#define AGAIN HZ /* host events within this time may come from one examination */

void hw_names_init(struct hw_names *names)
{
	spin_lock_init(&names->lock);
}

static struct hlist_head *bucket_of(struct hw_names *names, u64 dir, u32 name)
{
	return &names->buckets[hash_64(dir ^ ((u64)name << 32), HW_NAME_BITS)];
}

/* Replaces the oldest record. */
static void add_name(struct hw_names *names, const struct hw_own_name *init)
{
	struct hw_own_name *n = &names->names[names->serial % HW_NAMES];

	if (!hlist_unhashed(&n->node))
		hlist_del_init(&n->node);
	*n = *init;
	n->serial = names->serial++;
	n->at = jiffies;
	INIT_HLIST_NODE(&n->node);
	hlist_add_head(&n->node, bucket_of(names, n->dir, n->name));
}

static bool is_about(const struct hw_own_name *n, u64 dir, u32 name)
{
	return n->dir == dir && n->name == name && time_before(jiffies, n->at + HW_ECHO_EXPIRES);
}

static struct hw_own_name *find_changed(struct hw_names *names, u64 dir, u32 name)
{
	struct hw_own_name *n;

	hlist_for_each_entry(n, bucket_of(names, dir, name), node) {
		if (is_about(n, dir, name) && !n->mask)
			return n;
	}
	return NULL;
}

/* Returns the newest local change of the name before `serial`. */
static struct hw_own_name *find_newest(struct hw_names *names, u64 dir, u32 name, u64 serial)
{
	struct hw_own_name *n;

	hlist_for_each_entry(n, bucket_of(names, dir, name), node) {
		if (is_about(n, dir, name) && n->mask && n->serial < serial)
			return n;
	}
	return NULL;
}

static u32 hash_of(const struct qstr *name)
{
	return full_name_hash(NULL, name->name, name->len);
}

/* A new directory may reuse the number of an old one. */
static void forget_dir(struct hw_names *names, u64 dir)
{
	unsigned int i;

	for (i = 0; i < HW_NAMES; i++)
		if (names->names[i].dir == dir && !hlist_unhashed(&names->names[i].node))
			hlist_del_init(&names->names[i].node);
}

/* An exchange is recorded as two moves: the inode that leaves a name in the second is not the one
 * that arrived in the first. */
static void exchange_halves(struct hw_names *names, struct hw_own_name *from)
{
	struct hw_own_name *to = find_newest(names, from->dir, from->name, U64_MAX);

	if (from->mask != FS_MOVED_FROM || !to || to->mask != FS_MOVED_TO ||
	    to->task != from->task || to->inode == from->inode)
		return;
	swap(to->mask, from->mask);
	swap(to->inode, from->inode);
}

void hw_note_name(struct hw_names *names, u32 mask, struct inode *dir, const struct qstr *name,
		  struct inode *inode)
{
	struct hw_own_name init = {
		.mask = mask,
		.name = hash_of(name),
		.dir = dir->i_ino,
		.inode = inode ? inode->i_ino : 0,
		.task = current,
	};

	spin_lock(&names->lock);
	if ((mask & FS_CREATE) && inode && S_ISDIR(inode->i_mode))
		forget_dir(names, inode->i_ino);
	exchange_halves(names, &init);
	add_name(names, &init);
	spin_unlock(&names->lock);
}

/* Needed if the name is gone when the host reports the change. */
void hw_note_changed(struct hw_names *names, struct dentry *dentry)
{
	struct hw_own_name init = { .mask = 0 }, *n;
	struct name_snapshot name;

	take_dentry_name_snapshot(&name, dentry);
	init.name = hash_of(&name.name);
	release_dentry_name_snapshot(&name);
	spin_lock(&dentry->d_lock);
	init.dir = d_inode(dentry->d_parent)->i_ino;
	spin_unlock(&dentry->d_lock);
	spin_lock(&names->lock);
	n = find_changed(names, init.dir, init.name);
	if (n)
		n->at = jiffies;
	else
		add_name(names, &init);
	spin_unlock(&names->lock);
}

static bool is_appearance(u32 mask)
{
	return mask & APPEARED;
}

/*
 * Returns whether a local program gave the name its current inode. If a program then removed that
 * inode before the host event arrived, the inode is another one with the same number. `inode` 0:
 * the name does not exist.
 */
static bool has_put(struct hw_names *names, u64 dir, u32 name, u64 inode)
{
	struct hw_own_name *n;

	if (!inode)
		return true;
	hlist_for_each_entry(n, bucket_of(names, dir, name), node) {
		if (!is_about(n, dir, name) || !n->mask || (n->inode && n->inode != inode))
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
static bool may_have_removed(struct hw_names *names, u64 dir, u32 name, u64 inode)
{
	struct hw_own_name *n = find_newest(names, dir, name, U64_MAX);

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

static struct answer find_answers(struct hw_names *names, const struct hw_word *w, u64 dir,
				  u32 name)
{
	struct answer ret = {};
	struct hw_own_name *n;

	hlist_for_each_entry(n, bucket_of(names, dir, name), node) {
		bool is_like = is_appearance(n->mask) == is_appearance(w->mask);

		if (!is_about(n, dir, name) || !n->mask)
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
static bool is_own(struct hw_names *names, const struct hw_word *w, u64 dir, u32 name,
		   u64 *ret_until)
{
	bool is_there = is_appearance(w->mask);
	struct hw_own_name *now = find_newest(names, dir, name, U64_MAX);
	struct answer a = find_answers(names, w, dir, name);

	*ret_until = 0;
	if (is_there ? !has_put(names, dir, name, w->inode)
		     : !may_have_removed(names, dir, name, w->inode))
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
static void set_answered(struct hw_names *names, u64 dir, u32 name, u64 until)
{
	struct hw_own_name *n;

	hlist_for_each_entry(n, bucket_of(names, dir, name), node) {
		if (n->dir != dir || n->name != name || n->serial >= until || n->answered)
			continue;
		if (n->mask) {
			n->answered = true;
			n->at = jiffies;
		}
	}
}

/* Another machine made the change: earlier local changes are obsolete, whether or not the host has
 * reported them. Keeps the newest local change if it may have followed the host's change. */
static void take_over(struct hw_names *names, const struct hw_word *w, u64 dir, u32 name)
{
	struct hw_own_name *n, *behind = find_newest(names, dir, name, names->telling);
	struct hw_own_name *changed = find_changed(names, dir, name);
	struct hlist_node *next;

	if (behind && (is_appearance(behind->mask) == is_appearance(w->mask) ||
		       (is_appearance(behind->mask) ? behind->inode != w->inode : w->inode)))
		behind = NULL;
	hlist_for_each_entry_safe(n, next, bucket_of(names, dir, name), node) {
		if (n->mask && n->dir == dir && n->name == name && n->serial < names->telling &&
		    n != behind)
			hlist_del_init(&n->node);
	}
	if (changed && is_appearance(w->mask))
		hlist_del_init(&changed->node);
	if ((w->mask & FS_CREATE) && w->is_dir && w->inode)
		forget_dir(names, w->inode);
}

bool hw_echo_of_names(struct hw_echo *e, const struct hw_word *words, unsigned int count)
{
	struct hw_names *names = &e->names;
	bool own[HW_WORDS], ret = true;
	u64 until[HW_WORDS];
	unsigned int i;

	for (i = 0; i < count; i++)
		hw_wait_for_changes(d_inode(words[i].place->dir));
	spin_lock(&names->lock);
	for (i = 0; i < count; i++) {
		const struct hw_word *w = &words[i];

		own[i] = is_own(names, w, d_inode(w->place->dir)->i_ino, hash_of(&w->place->name),
				&until[i]);
		ret = ret && own[i];
	}
	for (i = 0; i < count; i++) {
		u64 dir = d_inode(words[i].place->dir)->i_ino;
		u32 name = hash_of(&words[i].place->name);

		if (own[i])
			set_answered(names, dir, name, until[i]);
		else
			take_over(names, &words[i], dir, name);
	}
	spin_unlock(&names->lock);
	return ret;
}

bool hw_echo_has_put(struct hw_echo *e, struct hw_place *place)
{
	struct hw_names *names = &e->names;
	struct hw_own_name *n;
	bool ret;

	spin_lock(&names->lock);
	n = find_newest(names, d_inode(place->dir)->i_ino, hash_of(&place->name), U64_MAX);
	ret = n && is_appearance(n->mask);
	spin_unlock(&names->lock);
	return ret;
}

/* Returns whether a local program changed the inode that has, or had, the name. */
static bool was_changed(struct hw_echo *e, u64 dir, u32 name)
{
	struct hw_own_name *n;

	if (find_changed(&e->names, dir, name))
		return true;
	hlist_for_each_entry(n, bucket_of(&e->names, dir, name), node) {
		if (is_about(n, dir, name) && (n->mask & REMOVED) && n->inode)
			return hw_is_known(&e->states, n->inode);
	}
	return false;
}

bool hw_echo_of_gone(struct hw_echo *e, struct hw_place *place, u64 inode)
{
	struct hw_names *names = &e->names;
	u64 dir = d_inode(place->dir)->i_ino;
	u32 name = hash_of(&place->name);
	struct hw_own_name *n;
	bool ret;

	hw_wait_for_changes(d_inode(place->dir));
	spin_lock(&names->lock);
	n = find_newest(names, dir, name, U64_MAX);
	if (n && n->serial < names->telling)
		ret = is_appearance(n->mask) ? inode && n->inode == inode : !inode;
	else
		ret = n;
	ret = ret && was_changed(e, dir, name);
	spin_unlock(&names->lock);
	return ret;
}

bool hw_is_changed(struct hw_names *names, struct inode *dir, const struct qstr *name)
{
	bool ret;

	spin_lock(&names->lock);
	ret = find_changed(names, dir->i_ino, hash_of(name));
	spin_unlock(&names->lock);
	return ret;
}
