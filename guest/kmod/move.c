// SPDX-License-Identifier: GPL-2.0-only
/* Applies moves: both halves have the same cookie, and the dentry is moved before the event is
 * reported. */
#include "hostwatch.h"

#include "compat.h"

/* State of a move that is being applied. All members are owned; NULL if absent. */
struct move {
	const struct hw_told *told;
	struct dentry *source; /* cached under the old name; positive */
	struct dentry *target; /* cached under the new name; positive */
	struct dentry *moved; /* now under the new name */
};

static u32 dir_mask(const struct hw_told *told)
{
	return told->type == HW_TYPE_DIR ? FS_ISDIR : 0;
}

static struct dentry *cached_positive(struct hw_place *place)
{
	struct dentry *cached = place->dir ? hw_place_cached(place) : NULL;

	if (cached && d_is_negative(cached)) {
		d_drop(cached);
		dput(cached);
		cached = NULL;
	}
	return cached;
}

static bool is_wanted(struct hw_place *place, struct dentry *cached)
{
	if (place->dir && hw_is_watched(d_inode(place->dir)))
		return true;
	return cached && (hw_is_watched(d_inode(cached)) || hw_in_use(cached));
}

/* The moved or replaced inode may be watched without a name in the cache. */
static bool is_wanted_move(struct hw_file *f, struct move *m)
{
	bool replaced = m->told->flags & HW_FLAG_REPLACED;

	if (is_wanted(&f->from, m->source) || is_wanted(&f->place, m->target))
		return true;
	return f->place.dir && (!m->source || (replaced && !m->target)) && hw_lost_watch(f);
}

static void forget(struct hw_file *f, struct hw_place *place, struct dentry *cached)
{
	if (place->dir)
		hw_forget_data(d_inode(place->dir));
	if (cached)
		hw_forget_entry(f, cached, false);
}

/* A directory keeps its cached tree: the file system connects its dentry to the new name at the
 * next lookup. The dentry of a file is created again. */
static void unhash_file(struct dentry *dentry)
{
	if (dentry && !d_is_dir(dentry))
		d_invalidate(dentry);
}

static struct dentry *ask(struct hw_file *f, struct hw_place *place)
{
	struct dentry *dentry = place->dir ? hw_place_ask(f, place) : NULL;

	return IS_ERR(dentry) ? NULL : dentry;
}

static void tell_half(struct hw_place *place, u32 mask, struct inode *inode, u32 cookie)
{
	struct inode *dir;

	if (!place->dir)
		return;
	dir = d_inode(place->dir);
	fsnotify_name(mask, inode ? inode : dir, FSNOTIFY_EVENT_INODE, dir, &place->name, cookie);
}

/* Used if one side is outside the mount, or if the moved entry has been moved again or deleted. */
static void tell_halves(struct hw_file *f, struct move *m)
{
	struct inode *from = m->source ? d_inode(m->source) : NULL;
	struct inode *to = m->moved ? d_inode(m->moved) : from;
	u32 cookie = fsnotify_get_cookie();

	tell_half(&f->from, FS_MOVED_FROM | dir_mask(m->told), from, cookie);
	tell_half(&f->place, FS_MOVED_TO | dir_mask(m->told), to, cookie);
	if (from || to)
		fsnotify_inode(from ? from : to, FS_MOVE_SELF);
}

/* An event with both sides reads the name from the moved dentry, which is stable while its
 * directory is locked. Returns false if the name has already changed. */
static bool tell_whole(struct hw_place *from, struct hw_place *to, struct inode *replaced,
		       struct dentry *moved)
{
	struct inode *dir = d_inode(to->dir);
	bool ret;

	inode_lock_nested(dir, I_MUTEX_PARENT);
	ret = moved->d_parent == to->dir && !d_unhashed(moved) &&
	      moved->d_name.len == to->name.len &&
	      memcmp(moved->d_name.name, to->text, to->name.len) == 0;
	if (ret)
		fsnotify_move(d_inode(from->dir), dir, &from->name, d_is_dir(moved), replaced,
			      moved);
	inode_unlock(dir);
	return ret;
}

static bool is_whole(struct hw_file *f, struct move *m)
{
	if (!f->from.dir || !f->place.dir || !m->moved)
		return false;
	return !m->source || d_inode(m->source) == d_inode(m->moved);
}

static struct hw_word word_of(struct hw_place *place, u32 mask, struct dentry *entry)
{
	return (struct hw_word){
		.mask = mask,
		.place = place,
		.inode = entry ? d_inode(entry)->i_ino : 0,
	};
}

/* Matches both halves, so that no record is left. */
static bool is_own(struct hw_file *f, struct move *m)
{
	struct dentry *back = NULL;
	struct hw_word words[2];
	unsigned int count = 0;

	if (f->from.dir && hw_echo_has_put(f->echo, &f->from))
		back = ask(f, &f->from);
	if (f->from.dir)
		words[count++] = word_of(&f->from, FS_MOVED_FROM, back);
	if (f->place.dir)
		words[count++] = word_of(&f->place, FS_MOVED_TO, m->moved);
	dput(back);
	return hw_echo_of_names(f->echo, words, count);
}

static void tell_move(struct hw_file *f, struct move *m)
{
	bool replaced = m->target && d_inode(m->target)->i_nlink == 0;

	if (m->moved)
		hw_see(f, m->moved);
	if (is_own(f, m)) {
		hw_count(f, HW_OWN);
		return;
	}
	if (!is_whole(f, m) ||
	    !tell_whole(&f->from, &f->place, m->target ? d_inode(m->target) : NULL, m->moved))
		tell_halves(f, m);
	/* dropping the last reference of the replaced inode reports its deletion to its watchers */
	if (replaced)
		d_invalidate(m->target);
	if (!m->target && (m->told->flags & HW_FLAG_REPLACED))
		hw_end_lost_watches(f, m->told->type);
	hw_count(f, HW_TOLD);
}

static void move_entry(struct hw_file *f, struct move *m)
{
	if (m->target)
		(void)hw_is_deleted(f, m->target); /* must precede the removal of its name */
	unhash_file(m->source);
	m->moved = ask(f, &f->place);
	if (m->target && m->moved == m->target) {
		dput(m->target);
		m->target = NULL;
	}
	/* its tree is connected again at the next lookup */
	if (m->source && m->moved != m->source)
		d_invalidate(m->source);
	if (f->from.dir)
		hw_refresh_dir(f, f->from.dir);
	if (f->place.dir)
		hw_refresh_dir(f, f->place.dir);
	tell_move(f, m);
}

/* Either of the two names may be the first one in the local program's call. */
static bool is_own_exchange(struct hw_file *f, struct dentry *moved, struct dentry *back)
{
	const struct hw_word words[HW_WORDS] = {
		word_of(&f->from, FS_MOVED_FROM, back),
		word_of(&f->place, FS_MOVED_TO, moved),
		word_of(&f->place, FS_MOVED_FROM, moved),
		word_of(&f->from, FS_MOVED_TO, back),
	};

	return hw_echo_of_names(f->echo, words, HW_WORDS);
}

/* One half of an exchange: `moved` has the name `to` now, and `before` was cached as `from`. The
 * entry may have been moved again or deleted. */
static void tell_exchanged(struct hw_place *from, struct hw_place *to, struct dentry *moved,
			   struct dentry *before)
{
	u32 dir = before && d_is_dir(before) ? FS_ISDIR : 0;
	struct inode *inode = before ? d_inode(before) : NULL;
	u32 cookie;

	if (moved && tell_whole(from, to, NULL, moved))
		return;
	cookie = fsnotify_get_cookie();
	tell_half(from, FS_MOVED_FROM | dir, inode, cookie);
	tell_half(to, FS_MOVED_TO | dir, inode, cookie);
}

static void exchange_entries(struct hw_file *f, struct move *m)
{
	struct dentry *back;

	unhash_file(m->source);
	unhash_file(m->target);
	m->moved = ask(f, &f->place);
	back = ask(f, &f->from);
	hw_refresh_dir(f, f->from.dir);
	hw_refresh_dir(f, f->place.dir);
	if (m->moved)
		hw_see(f, m->moved);
	if (is_own_exchange(f, m->moved, back)) {
		hw_count(f, HW_OWN);
	} else {
		tell_exchanged(&f->from, &f->place, m->moved, m->source);
		tell_exchanged(&f->place, &f->from, back, m->target);
		hw_count(f, HW_TOLD);
	}
	dput(back);
}

/* Finds both directories if either is watched: an event with both sides needs both. */
static void find_both(struct hw_file *f, const struct hw_told *told)
{
	if (!f->from.dir && told->from_len)
		(void)hw_place_find(f, told->from, told->from_len, true, &f->from);
	if (!f->place.dir && told->path_len)
		(void)hw_place_find(f, told->path, told->path_len, true, &f->place);
}

static void find(struct hw_file *f, const struct hw_told *told)
{
	/* without a path, the place stays empty */
	if (told->from_len)
		(void)hw_event_place(f, told->from, told->from_len, &f->from);
	if (told->path_len)
		(void)hw_event_place(f, told->path, told->path_len, &f->place);
}

void hw_apply_move(struct hw_file *f, const struct hw_told *told)
{
	struct move m = { .told = told };

	find(f, told);
	m.source = cached_positive(&f->from);
	m.target = cached_positive(&f->place);
	if (!is_wanted_move(f, &m)) {
		hw_count(f, HW_IDLE);
		forget(f, &f->from, m.source);
		forget(f, &f->place, m.target);
	} else {
		find_both(f, told);
		if ((told->flags & HW_FLAG_EXCHANGE) && f->from.dir && f->place.dir)
			exchange_entries(f, &m);
		else
			move_entry(f, &m);
	}
	dput(m.moved);
	dput(m.source);
	dput(m.target);
	hw_place_put(&f->from);
	hw_place_put(&f->place);
}
