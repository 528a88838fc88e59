/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nameless.h"

#include "share_private.h"

static struct hw_nameless_inode *find(struct hw_nameless *nameless, uint16_t fs,
				      const struct hw_fold_number *number)
{
	uint32_t used = nameless->noted < HW_NAMELESS_MAX ? nameless->noted : HW_NAMELESS_MAX;

	for (struct hw_nameless_inode *inode = nameless->inodes; used--; inode++)
		if (inode->number.ino == number->ino &&
		    inode->number.generation == number->generation && inode->fs == fs)
			return inode;
	return NULL;
}

void hw_nameless_note(struct hw_share *share, uint16_t fs, const struct hw_fold_number *number,
		      uint32_t what)
{
	struct hw_nameless *nameless = &share->hints.nameless;
	struct hw_nameless_inode *inode;

	if (!number->generation)
		return;
	inode = find(nameless, fs, number);
	if (inode)
		what |= inode->what;
	else
		inode = &nameless->inodes[nameless->noted++ % HW_NAMELESS_MAX];
	nameless->last_count = share->marks.rolling_count;
	*inode = (struct hw_nameless_inode){
		.number = *number,
		.count = nameless->last_count,
		.what = what,
		.fs = fs,
	};
}

uint32_t hw_nameless_take(struct hw_share *share, uint16_t fs, const struct hw_fold_number *number)
{
	struct hw_nameless *nameless = &share->hints.nameless;
	struct hw_nameless_inode *inode;
	uint32_t what;

	if (nameless->last_count < share->marks.read_count)
		nameless->noted = 0;
	if (!nameless->noted || !number->ino)
		return 0;
	inode = find(nameless, fs, number);
	if (!inode)
		return 0;
	what = inode->count >= share->marks.read_count ? inode->what : 0;
	inode->number.ino = 0;
	return what;
}
