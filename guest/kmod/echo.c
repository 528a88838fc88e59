// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes by programs of this guest are also reported by the host. The local kernel has already
 * reported them. So a notification group of this module on the file system records local events,
 * and the host's event for the same change only updates the caches.
 */
#include "echo.h"

#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

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

/* Also records the state of a changed file's inode that is moved to another name: the host has yet
 * to report the change. */
static void take_name(struct hw_echo *e, u32 mask, const void *data, int data_type,
		      struct inode *dir, const struct qstr *name)
{
	struct inode *inode = fsnotify_data_inode(data, data_type);
	struct dentry *dentry = dentry_of(data, data_type);

	hw_note_name(&e->names, mask & HW_NAME_MASK, dir, name, inode);
	if ((mask & FS_CREATE) && dentry && d_is_positive(dentry))
		hw_note_new(e, dentry);
	else if ((mask & (FS_CREATE | FS_MOVED_TO)) && inode)
		hw_note_moved(e, inode, hw_is_changed(&e->names, dir, name));
	else if ((mask & FS_DELETE) && inode && !S_ISDIR(inode->i_mode))
		hw_note_moved(e, inode, false); /* found by its remaining names */
}

/* For an inode without a dentry, the link count has changed. */
static void take_state(struct hw_echo *e, const void *data, int data_type)
{
	struct dentry *dentry = dentry_of(data, data_type);
	struct inode *inode = fsnotify_data_inode(data, data_type);

	if (dentry && d_is_positive(dentry))
		hw_note_state(e, dentry);
	else if (!dentry && inode && inode->i_nlink > 0)
		hw_note_moved(e, inode, false);
}

/* Runs in the context of the program that made the change. An event in the context of this module
 * is one that it raises itself. */
static int handle_event(struct fsnotify_group *group, u32 mask, const void *data, int data_type,
			struct inode *dir, const struct qstr *name, u32 cookie,
			struct fsnotify_iter_info *iter_info)
{
	struct fsnotify_mark *mark = iter_info->marks[FSNOTIFY_ITER_TYPE_SB];
	struct hw_echo *e;

	if (!mark)
		return 0;
	e = container_of(mark, struct hw_echo, mark);
	if (READ_ONCE(e->teller) == current)
		return 0;
	if ((mask & HW_NAME_MASK) && dir && name)
		take_name(e, mask, data, data_type, dir, name);
	else if (mask & HW_STATE_MASK)
		take_state(e, data, data_type);
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
	hw_names_init(&e->names);
	hw_states_init(&e->states);
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
	/* waits until the handler has returned everywhere */
	fsnotify_wait_marks_destroyed();
}

void hw_echo_telling(struct hw_echo *e, bool telling)
{
	WRITE_ONCE(e->teller, telling ? current : NULL);
	spin_lock(&e->names.lock);
	e->names.telling = e->names.serial;
	spin_unlock(&e->names.lock);
}
