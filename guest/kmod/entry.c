// SPDX-License-Identifier: GPL-2.0-only
/* Events about one name. */
#include "hostwatch.h"

#include "compat.h"

static u32 dir_mask(const struct hw_told *told)
{
	return told->type == HW_TYPE_DIR ? FS_ISDIR : 0;
}

/* Entry events are raised on the directory, with a real inode: without one, marks on the file
 * system are passed by. When the entry's own is not known any more, the directory's stands in. */
static void tell_entry(struct hw_file *f, struct hw_place *place, u32 mask, struct inode *inode)
{
	struct inode *dir = d_inode(place->dir);

	/* with a link left, what was deleted may be an older one of that name */
	bool known = inode && (!(mask & FS_DELETE) || inode->i_nlink == 0);

	if (hw_echo_of_name(f->echo, mask & HW_NAME_MASK, place, known ? inode : NULL)) {
		hw_count(f, HW_OWN);
		return;
	}
	fsnotify_name(mask, inode ? inode : dir, FSNOTIFY_EVENT_INODE, dir, &place->name, 0);
	hw_count(f, HW_TOLD);
}

static bool find(struct hw_file *f, const struct hw_told *told)
{
	int r = hw_event_place(f, told->path, told->path_len, &f->place);

	if (r < 0)
		hw_count(f, r == -EAGAIN ? HW_IDLE : HW_MISSED);
	return r == 0;
}

void hw_apply_create(struct hw_file *f, const struct hw_told *told)
{
	struct hw_place *place = &f->place;
	struct dentry *cached, *entry;

	if (!find(f, told))
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
	entry = hw_place_ask(f, place);
	hw_refresh_dir(f, place->dir);
	tell_entry(f, place, FS_CREATE | dir_mask(told), IS_ERR(entry) ? NULL : d_inode(entry));
	if (!IS_ERR(entry))
		dput(entry);
out:
	dput(cached);
	hw_place_put(place);
}

/*
 * As unlink() and rmdir() leave a dentry: watchers of the inode are told when its last reference
 * goes, which is here when no program has it open.
 */
static void delete_entry(struct dentry *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);

	if (d_is_dir(dentry)) {
		shrink_dcache_parent(dentry);
		inode_lock(inode);
		inode->i_flags |= S_DEAD;
		dont_mount(dentry);
		inode_unlock(inode);
	} else {
		fsnotify_link_count(inode);
	}
	inode_lock_nested(d_inode(dir), I_MUTEX_PARENT);
	/* a program here may have renamed it meanwhile */
	if (!d_unhashed(dentry) && dentry->d_parent == dir)
		d_delete(dentry);
	inode_unlock(d_inode(dir));
	d_drop(dentry);
}

/* The name is gone, its inode may have others, and the name may stand for something new already. */
static void leave_entry(struct hw_file *f, struct hw_place *place, struct dentry *cached)
{
	struct dentry *entry = hw_place_ask(f, place);

	if (!d_is_dir(cached))
		fsnotify_link_count(d_inode(cached));
	if (!IS_ERR(entry))
		dput(entry);
}

/* Consumes the reference. Returns the entry's inode, owned. */
static struct inode *remove_cached(struct hw_file *f, struct hw_place *place, struct dentry *cached)
{
	struct inode *inode = igrab(d_inode(cached));

	if (hw_is_deleted(f, cached) && !d_mountpoint(cached))
		delete_entry(place->dir, cached);
	else
		leave_entry(f, place, cached);
	dput(cached);
	return inode;
}

static bool wants(struct dentry *cached)
{
	return d_is_positive(cached) && (hw_is_watched(d_inode(cached)) || hw_in_use(cached));
}

void hw_apply_delete(struct hw_file *f, const struct hw_told *told)
{
	struct hw_place *place = &f->place;
	struct inode *inode = NULL;
	struct dentry *cached;
	bool watched;

	if (!find(f, told))
		return;
	watched = hw_is_watched(d_inode(place->dir));
	cached = hw_place_cached(place);
	if (cached && d_is_positive(cached) && (watched || wants(cached))) {
		inode = remove_cached(f, place, cached);
	} else if (cached) {
		hw_forget_entry(f, cached, false);
		dput(cached);
	} else {
		hw_end_lost_watches(f, told->type);
	}
	if (watched) {
		hw_refresh_dir(f, place->dir);
		tell_entry(f, place, FS_DELETE | dir_mask(told), inode);
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

static void tell_change(struct hw_file *f, const struct hw_told *told, struct dentry *entry)
{
	if (told->kind != HW_ATTRIB)
		hw_forget_data(d_inode(entry));
	if (hw_echo_of_state(f->echo, entry, told->kind != HW_ATTRIB)) {
		hw_count(f, HW_OWN);
		return;
	}
	fsnotify_dentry(entry, change_mask(told));
	hw_count(f, HW_TOLD);
}

/*
 * By the name alone: what had it is gone, or has another one by now. Watchers of a directory are
 * told the name of a child only, so an inode that nobody watches stands in for it: the device's.
 */
static void tell_gone(struct hw_file *f, const struct hw_told *told, struct hw_place *place)
{
	struct inode *dir = d_inode(place->dir);

	if (hw_echo_of_gone(f->echo, place)) {
		hw_count(f, HW_OWN);
		return;
	}
	if (!hw_is_watched(dir)) {
		hw_count(f, HW_MISSED);
		return;
	}
	fsnotify(change_mask(told) | dir_mask(told) | FS_EVENT_ON_CHILD, dir, FSNOTIFY_EVENT_INODE,
		 dir, &place->name, f->device, 0);
	hw_count(f, HW_TOLD);
}

static void change_root(struct hw_file *f, const struct hw_told *told)
{
	struct dentry *root = f->mnt->mnt_root;

	if (!hw_is_watched(d_inode(root))) {
		hw_count(f, HW_IDLE);
		return;
	}
	(void)hw_refresh(f, root); /* told in any case */
	tell_change(f, told, root);
}

void hw_apply_change(struct hw_file *f, const struct hw_told *told)
{
	struct hw_place *place = &f->place;
	struct dentry *cached, *entry;
	bool watched;

	if (told->path_len == 0)
		return change_root(f, told);
	if (!find(f, told))
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
	entry = hw_place_ask(f, place); /* its answer has the attributes as well */
	if (IS_ERR(entry)) {
		tell_gone(f, told, place);
		goto out;
	}
	tell_change(f, told, entry);
	dput(entry);
out:
	dput(cached);
	hw_place_put(place);
}
