/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vanished.h"

#include "share_private.h"

#include <string.h>

/* The handles of some filesystems have only the lower half of the number. */
static struct hw_vanished_inode *slot_of(struct hw_share *share, uint64_t ino)
{
	return &share->hints.vanished.slots[(uint32_t)ino & (HW_VANISHED_SLOTS - 1)];
}

static bool is_one(const struct hw_vanished_inode *inode, uint16_t fs, uint64_t ino)
{
	return inode->ino && inode->fs == fs && (uint32_t)inode->ino == (uint32_t)ino;
}

static bool is_transient(struct hw_share *share, const struct hw_vanished_inode *inode,
			 uint8_t type)
{
	if (inode->id >= share->tree.used)
		return false; /* another tree, since the share was offline */
	const struct hw_entry *e = hw_tree_entry(&share->tree, inode->id);

	return e->flags & HW_ENTRY_TRANSIENT && e->fs == inode->fs && e->type == type;
}

/* An entry that was transient before may have had this id. */
static void forget_id(struct hw_vanished *vanished, uint32_t id)
{
	for (unsigned i = 0; i < HW_VANISHED_SLOTS; i++)
		if (vanished->slots[i].id == id)
			vanished->slots[i].ino = 0;
}

void hw_vanished_note(struct hw_share *share, uint32_t id, uint64_t ino)
{
	struct hw_vanished_inode *inode = slot_of(share, ino);

	if (!id || (!ino && !share->hints.vanished.any))
		return;
	forget_id(&share->hints.vanished, id);
	if (!ino)
		return;
	share->hints.vanished.any = true;
	inode->ino = ino;
	inode->id = id;
	inode->fs = hw_tree_entry(&share->tree, id)->fs;
	inode->dir = 0;
}

uint32_t hw_vanished_entry(struct hw_share *share, const struct hw_stat *stat)
{
	const struct hw_vanished_inode *inode = slot_of(share, stat->ino);
	bool is = is_one(inode, stat->fs, stat->ino) && is_transient(share, inode, stat->type);

	return is ? inode->id : 0;
}

bool hw_vanished_found(struct hw_share *share, const struct hw_stat *stat, uint32_t dir,
		       const char *name, size_t len)
{
	struct hw_vanished_inode *inode = slot_of(share, stat->ino);

	if (!is_one(inode, stat->fs, stat->ino) || inode->dir ||
	    !is_transient(share, inode, stat->type))
		return false;
	inode->dir = hw_tree_token(&share->tree, dir);
	inode->len = (uint8_t)len;
	memcpy(inode->name, name, len);
	return true;
}

const struct hw_vanished_inode *hw_vanished_take(struct hw_share *share, uint16_t fs, uint64_t ino)
{
	struct hw_vanished_inode *inode = slot_of(share, ino);

	if (!ino || !is_one(inode, fs, ino) || !inode->dir)
		return NULL;
	inode->ino = 0;
	return inode;
}
