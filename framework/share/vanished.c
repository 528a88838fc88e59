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

void hw_vanished_note(struct hw_share *share, uint16_t fs, uint64_t ino)
{
	struct hw_vanished_inode *inode = slot_of(share, ino);

	if (!ino)
		return;
	inode->ino = ino;
	inode->fs = fs;
	inode->dir = 0;
}

bool hw_vanished_found(struct hw_share *share, const struct hw_stat *stat, uint32_t dir,
		       const char *name, size_t len)
{
	struct hw_vanished_inode *inode = slot_of(share, stat->ino);

	if (!is_one(inode, stat->fs, stat->ino) || inode->dir)
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
