// SPDX-License-Identifier: GPL-2.0-only
/* Applies events about one name. */
#include "hostwatch.h"

#include "compat.h"

static u32 dir_mask(const struct hw_told *told)
{
	return told->type == HW_TYPE_DIR ? FS_ISDIR : 0;
}

/* Entry events are raised on the directory, with a real inode, because marks on the file system are
 * skipped without one. If the entry's inode is unknown, the directory's inode replaces it. */
static void tell_entry(struct hw_file *f, const struct hw_told *told, const struct hw_word *word,
		       struct inode *inode)
{
	struct hw_place *place = word->place;
	struct inode *dir = d_inode(place->dir);

	if (hw_echo_of_names(f->echo, word, 1)) {
		hw_count(f, HW_OWN);
		return;
	}
	fsnotify_name(word->mask | dir_mask(told), inode ? inode : dir, FSNOTIFY_EVENT_INODE, dir,
		      &place->name, 0);
	hw_count(f, HW_TOLD);
}

static int find(struct hw_file *f, const struct hw_told *told)
{
	int r = hw_event_place(f, told->path, told->path_len, &f->place);

	if (r < 0)
		hw_count(f, r == -EAGAIN ? HW_IDLE : HW_MISSED);
	return r;
}

void hw_apply_create(struct hw_file *f, const struct hw_told *told)
{
	struct hw_place *place = &f->place;
	struct hw_word word = { .mask = FS_CREATE, .place = place };
	struct dentry *cached, *entry;

	if (find(f, told) < 0)
		return;
	cached = hw_place_cached(place);
	if (!hw_is_watched(d_inode(place->dir))) {
		hw_count(f, HW_IDLE);
		hw_forget_data(d_inode(place->dir));
		if (cached)
			hw_forget_entry(f, cached, false);
		goto out;
	}
	if (cached && d_is_negative(cached))
		d_drop(cached);
	entry = hw_place_get(f, place);
	hw_refresh_dir(f, place->dir);
	if (!IS_ERR(entry)) {
		word.inode = d_inode(entry)->i_ino;
		word.made = d_is_dir(entry) ? d_inode(entry) : NULL;
		hw_see(f, entry);
	}
	tell_entry(f, told, &word, IS_ERR(entry) ? NULL : d_inode(entry));
	if (!IS_ERR(entry))
		dput(entry);
out:
	dput(cached);
	hw_place_put(place);
}

/* Returns false if a local program has renamed or removed it meanwhile. */
static bool set_dead(struct dentry *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	bool ret;

	inode_lock_nested(d_inode(dir), I_MUTEX_PARENT);
	ret = !d_unhashed(dentry) && dentry->d_parent == dir;
	if (ret && d_is_dir(dentry)) {
		inode_lock(inode);
		inode->i_flags |= S_DEAD;
		dont_mount(dentry);
		inode_unlock(inode);
	}
	inode_unlock(d_inode(dir));
	return ret;
}

/* Watchers of the inode receive the event when its last reference is dropped, which is here unless
 * a program has it open. Mounts below it are detached: no path leads to them. */
static void delete_entry(struct dentry *dir, struct dentry *dentry)
{
	if (!d_is_dir(dentry))
		fsnotify_link_count(d_inode(dentry));
	if (set_dead(dir, dentry))
		d_invalidate(dentry);
}

/* Gets the inode number of the name, which may already have another inode. */
static u64 ask_number(struct hw_file *f, struct hw_place *place)
{
	struct dentry *entry = hw_place_ask(f, place);
	u64 ret = 0;

	if (!IS_ERR(entry)) {
		ret = d_inode(entry)->i_ino;
		dput(entry);
	}
	return ret;
}

/* Consumes the reference. Returns the entry's inode, owned. */
static struct inode *remove_cached(struct hw_file *f, struct hw_word *word, struct dentry *cached)
{
	struct inode *inode = igrab(d_inode(cached));

	if (hw_is_deleted(f, cached)) {
		delete_entry(word->place->dir, cached);
	} else { /* the name is gone, but the inode has other names */
		word->inode = ask_number(f, word->place);
		if (!d_is_dir(cached))
			fsnotify_link_count(d_inode(cached));
	}
	dput(cached);
	/* if the inode has a link left, the deleted one may be an older inode of this name */
	if (inode && inode->i_nlink == 0)
		word->removed = inode->i_ino;
	return inode;
}

static bool wants(struct dentry *cached)
{
	return d_is_positive(cached) && (hw_is_watched(d_inode(cached)) || hw_in_use(cached));
}

void hw_apply_delete(struct hw_file *f, const struct hw_told *told)
{
	struct hw_place *place = &f->place;
	struct hw_word word = { .mask = FS_DELETE, .place = place };
	struct inode *inode = NULL;
	struct dentry *cached;
	bool watched;
	int r;

	r = find(f, told);
	if (r < 0 && r != -EAGAIN)
		hw_end_lost_watches(f, told->type); /* the directory is also gone */
	if (r < 0)
		return;
	watched = hw_is_watched(d_inode(place->dir));
	cached = hw_place_cached(place);
	if (cached && d_is_positive(cached) && (watched || wants(cached))) {
		inode = remove_cached(f, &word, cached);
	} else if (cached) {
		hw_forget_entry(f, cached, false);
		dput(cached);
	} else {
		hw_end_lost_watches(f, told->type);
	}
	if (watched) {
		hw_refresh_dir(f, place->dir);
		if (!inode && hw_echo_has_put(f->echo, place))
			word.inode = ask_number(f, place);
		tell_entry(f, told, &word, inode);
	} else {
		hw_count(f, HW_IDLE);
		hw_forget_data(d_inode(place->dir));
	}
	iput(inode);
	hw_place_put(place);
}

static u32 change_mask(const struct hw_told *told)
{
	switch (told->kind) {
	case HW_MODIFY:
		return FS_MODIFY;
	case HW_CLOSE_WRITE:
		return FS_CLOSE_WRITE;
	default:
		return FS_ATTRIB;
	}
}

static void tell_change(struct hw_file *f, const struct hw_told *told, struct inode *dir,
			struct dentry *entry)
{
	hw_see(f, entry);
	if (told->kind != HW_ATTRIB)
		hw_forget_data(d_inode(entry));
	if (hw_echo_of_state(f->echo, dir, entry, told->kind != HW_ATTRIB)) {
		hw_count(f, HW_OWN);
		return;
	}
	fsnotify_dentry(entry, change_mask(told));
	hw_count(f, HW_TOLD);
}

/* Reports by name only: the inode is gone, or has another name now. Watchers of a directory receive
 * only the name of a child, so an inode that nobody watches can replace the child's. */
static void tell_gone(struct hw_file *f, const struct hw_told *told, struct hw_place *place,
		      struct inode *now)
{
	struct inode *dir = d_inode(place->dir);

	if (hw_echo_of_gone(f->echo, place, now ? now->i_ino : 0)) {
		hw_count(f, HW_OWN);
		return;
	}
	if (!hw_is_watched(dir)) {
		hw_count(f, HW_MISSED);
		return;
	}
	fsnotify(change_mask(told) | dir_mask(told) | FS_EVENT_ON_CHILD, dir, FSNOTIFY_EVENT_INODE,
		 dir, &place->name, hw_nobody, 0);
	hw_count(f, HW_TOLD);
}

static void change_root(struct hw_file *f, const struct hw_told *told)
{
	struct dentry *root = f->mnt->mnt_root;

	if (!hw_is_watched(d_inode(root))) {
		hw_count(f, HW_IDLE);
		return;
	}
	(void)hw_refresh(f, root); /* reported even if this fails */
	tell_change(f, told, NULL, root);
}

static bool is_of_type(struct dentry *dentry, u16 type)
{
	switch (type) {
	case HW_TYPE_DIR:
		return d_is_dir(dentry);
	case HW_TYPE_SYMLINK:
		return d_is_symlink(dentry);
	case HW_TYPE_FILE:
		return d_is_reg(dentry);
	default:
		return d_is_special(dentry);
	}
}

void hw_apply_change(struct hw_file *f, const struct hw_told *told)
{
	struct hw_place *place = &f->place;
	struct dentry *cached, *entry;
	bool watched;

	if (told->path_len == 0)
		return change_root(f, told);
	if (find(f, told) < 0)
		return;
	cached = hw_place_cached(place);
	watched = hw_is_watched(d_inode(place->dir));
	if (cached && d_is_positive(cached))
		watched = watched || hw_is_watched(d_inode(cached));
	else
		watched = watched || hw_lost_watch(f);
	if (!watched) {
		hw_count(f, HW_IDLE);
		if (cached && told->kind != HW_CLOSE_WRITE)
			hw_forget_entry(f, cached, told->kind == HW_MODIFY);
		goto out;
	}
	if (cached && d_is_negative(cached))
		d_drop(cached);
	entry = hw_place_get(f, place); /* the answer also contains the attributes */
	if (IS_ERR(entry)) {
		tell_gone(f, told, place, NULL);
		goto out;
	}
	if (is_of_type(entry, told->type))
		tell_change(f, told, d_inode(place->dir), entry);
	else
		tell_gone(f, told, place, d_inode(entry));
	dput(entry);
out:
	dput(cached);
	hw_place_put(place);
}
