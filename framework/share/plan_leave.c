/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of the entries whose name is gone left the share. */
#include "plan.h"

static struct hw_entry *entry_of(const struct hw_observation *o, uint32_t id)
{
	return hw_tree_entry(&o->share->tree, id);
}

static uint32_t count_names(struct hw_observation *o, const struct hw_entry *e)
{
	uint32_t id = 0;

	if (o->counted.names && o->counted.ino == e->ino && o->counted.fs == e->fs)
		return o->counted.names;
	o->counted.names = 0;
	while ((id = hw_tree_same_inode(&o->share->tree, e->fs, e->ino, id)))
		o->counted.names++;
	o->counted.ino = e->ino;
	o->counted.fs = e->fs;
	return o->counted.names;
}

/* Returns the number of links that the inode has if this name left the share: that of the last
 * examination, or the number of its names in the tree, which includes new ones. With fewer links,
 * this name was removed. */
static uint16_t links_if_left(struct hw_observation *o, const struct hw_entry *e)
{
	uint32_t names = count_names(o, e);

	return names > e->nlink ? (uint16_t)names : e->nlink;
}

/* Returns the number of links of the inode, which has another name in the share; 0: unknown.
 * Removing a name of a file in a lower layer of an overlayfs leaves the number as it is. */
static uint32_t links_of(const struct hw_observation *o, const struct hw_entry *e)
{
	struct hw_share *share = o->share;
	uint32_t id = 0, left = HW_LINKS_EXAMINED;
	struct hw_stat stat;

	if (e->identity == HW_BY_HANDLE)
		return 0;
	while (left-- && (id = hw_tree_same_inode(&share->tree, e->fs, e->ino, id))) {
		const struct hw_entry *other = entry_of(o, id);

		if (!(other->flags & HW_ENTRY_GONE) &&
		    hw_disk_stat(&share->disk, other->parent, hw_tree_name(&share->tree, id),
				 other->name_len, &stat) == 0 &&
		    hw_tree_is_same(e, &stat))
			return stat.nlink;
	}
	return 0;
}

/* Returns whether the inode still exists, with as many links as before. */
static bool is_elsewhere(struct hw_observation *o, uint32_t id)
{
	const struct hw_entry *e = entry_of(o, id);
	uint16_t links = links_if_left(o, e);

	if (hw_disk_is_alive(&o->share->disk, e, links))
		return true;
	return o->share->settle.window_ns && links > 1 && e->type != HW_TYPE_DIR &&
	       links_of(o, e) >= links;
}

bool hw_plan_leave(struct hw_observation *o, struct hw_item *item)
{
	/* When the root has reappeared, or another watcher has taken over, it is unknown which
	 * entries left. */
	if (!(item->what & HW_HINT_GONE) && (o->share->scan.rearm || !is_elsewhere(o, item->entry)))
		return false;
	o->counted.names = 0;
	hw_history_leave(o->share, item->entry);
	item->entry = 0;
	return true;
}
