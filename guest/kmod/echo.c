// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes by programs of this guest are also reported by the host. The local kernel has already
 * reported them. So a notification group of this module on the file system records local events,
 * and the host's event for the same change only updates the caches.
 */
#include "echo.h"

#include <linux/exportfs.h>
#include <linux/jhash.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/once.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

static uint own_changes_max = HW_ECHO_MAX;
module_param(own_changes_max, uint, 0644);
MODULE_PARM_DESC(own_changes_max, "Recorded changes by programs of this guest (at the next start)");

unsigned int hw_echo_max(void)
{
	return clamp(READ_ONCE(own_changes_max), 1u, HW_ECHO_MAX);
}

/* The file handle of a FUSE inode consists of its node id and generation. Those of other file
 * systems are longer, or have no use: there, the inode number is that of the object. */
struct hw_object hw_object_of(struct inode *inode)
{
	const struct export_operations *export = inode->i_sb->s_export_op;
	struct hw_object ret = { .number = inode->i_ino };
	int len = ARRAY_SIZE(ret.node);
	int type;

	if (inode->i_sb->s_magic != FUSE_SUPER_MAGIC || !export || !export->encode_fh)
		return ret;
	type = export->encode_fh(inode, ret.node, &len, NULL);
	if (type <= 0 || type == FILEID_INVALID)
		memset(ret.node, 0, sizeof(ret.node));
	return ret;
}

u32 hw_object_hash(const struct hw_object *object)
{
	static u32 secret __read_mostly;

	get_random_once(&secret, sizeof(secret));
	return jhash_3words((u32)object->number, (u32)(object->number >> 32),
			    object->node[1] ^ object->node[2], secret ^ object->node[0]);
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

/* Runs in the context of the program that made the change, with locks of the kernel: a program that
 * ends a watch of any file waits for it. So it sends no request to the server: see ask_state(). An
 * event in the context of this module is one that it raises itself. */
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
	complete(&container_of(mark, struct hw_echo, mark)->unused);
}

static const struct fsnotify_ops ops = {
	.handle_event = handle_event,
	.free_mark = free_mark,
};

/* Waits until the handler has returned everywhere. */
static void end(struct hw_echo *e)
{
	fsnotify_put_mark(&e->mark);
	fsnotify_wait_marks_destroyed();
	wait_for_completion(&e->unused);
	fsnotify_put_group(e->group);
	destroy_workqueue(e->asks); /* waits for the server */
	hw_names_finish(&e->names);
	hw_states_finish(&e->states);
	kvfree(e);
}

struct hw_echo *hw_echo_start(struct vfsmount *mnt, atomic64_t *forgotten)
{
	struct hw_echo *e = kvzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	struct fsnotify_group *group;
	int r;

	if (!e)
		return ERR_PTR(-ENOMEM);
	/* of its own, because another server may not answer */
	e->asks = alloc_workqueue("hostwatch-own", WQ_UNBOUND | WQ_HIGHPRI, 0);
	group = e->asks ? fsnotify_alloc_group(&ops, 0) : ERR_PTR(-ENOMEM);
	if (IS_ERR(group)) {
		if (e->asks)
			destroy_workqueue(e->asks);
		kvfree(e);
		return ERR_CAST(group);
	}
	hw_names_init(&e->names, forgotten);
	hw_states_init(&e->states, forgotten);
	init_completion(&e->unused);
	group->priority = 1; /* its handler runs before programs receive the event */
	e->group = group;
	e->mnt = mnt;
	fsnotify_init_mark(&e->mark, group);
	e->mark.mask = HW_ECHO_MASK;
	r = hw_add_sb_mark(&e->mark, mnt->mnt_sb);
	if (r == 0)
		return e;
	end(e);
	return ERR_PTR(r);
}

void hw_echo_stop(struct hw_echo *e)
{
	if (!e)
		return;
	fsnotify_destroy_mark(&e->mark, e->group);
	end(e);
}

void hw_echo_telling(struct hw_echo *e, bool telling)
{
	WRITE_ONCE(e->teller, telling ? current : NULL);
	spin_lock(&e->names.lock);
	e->names.telling = e->names.serial;
	spin_unlock(&e->names.lock);
}
