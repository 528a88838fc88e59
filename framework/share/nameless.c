/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nameless.h"

#include "share_private.h"

#include <stdlib.h>

static struct hw_nameless_inode *set_of(const struct hw_nameless *nameless, uint64_t ino)
{
	uint64_t hash = ino * UINT64_C(0x9e3779b97f4a7c15);

	return nameless->inodes + (hash >> 32 & (HW_NAMELESS_SETS - 1)) * HW_NAMELESS_WAYS;
}

static bool is_one(const struct hw_nameless_inode *inode, uint16_t fs,
		   const struct hw_fold_number *number)
{
	return inode->number.ino == number->ino && inode->number.generation == number->generation &&
	       inode->fs == fs;
}

/* Returns whether `a` is dropped before `b`. */
static bool is_worth_less(const struct hw_nameless_inode *a, const struct hw_nameless_inode *b)
{
	if (!a->number.ino || !b->number.ino)
		return !a->number.ino;
	return (int32_t)(a->order - b->order) < 0;
}

/* Returns the place of this inode. If it was not noted, that is a free place, or the one of the
 * inode that was noted first. */
static struct hw_nameless_inode *find(struct hw_nameless_inode *set, uint16_t fs,
				      const struct hw_fold_number *number)
{
	struct hw_nameless_inode *place = set;

	for (unsigned i = 0; i < HW_NAMELESS_WAYS; i++) {
		if (is_one(&set[i], fs, number))
			return &set[i];
		if (is_worth_less(&set[i], place))
			place = &set[i];
	}
	return place;
}

void hw_nameless_note(struct hw_share *share, uint16_t fs, const struct hw_fold_number *number,
		      uint32_t what)
{
	struct hw_nameless *nameless = &share->hints.nameless;

	if (!number->generation)
		return;
	if (!nameless->inodes)
		nameless->inodes = calloc((size_t)HW_NAMELESS_SETS * HW_NAMELESS_WAYS,
					  sizeof(*nameless->inodes));
	if (!nameless->inodes)
		return;
	struct hw_nameless_inode *inode = find(set_of(nameless, number->ino), fs, number);

	if (is_one(inode, fs, number))
		what |= inode->what;
	nameless->last_count = share->marks.rolling_count;
	*inode = (struct hw_nameless_inode){
		.number = *number,
		.count = nameless->last_count,
		.order = nameless->arrivals++,
		.what = what,
		.fs = fs,
	};
}

uint32_t hw_nameless_take(struct hw_share *share, uint16_t fs, const struct hw_fold_number *number)
{
	struct hw_nameless *nameless = &share->hints.nameless;
	struct hw_nameless_inode *inode;

	if (!nameless->inodes || nameless->last_count < share->marks.read_count || !number->ino)
		return 0;
	inode = find(set_of(nameless, number->ino), fs, number);
	if (!is_one(inode, fs, number))
		return 0;
	inode->number.ino = 0;
	return inode->count >= share->marks.read_count ? inode->what : 0;
}

void hw_nameless_free(struct hw_nameless *nameless)
{
	free(nameless->inodes);
	nameless->inodes = NULL;
}
