/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "former.h"

#include "share_private.h"

#include <stdlib.h>
#include <xxhash.h>

static uint64_t key_of(struct hw_share *share, const struct hw_fold_at *at)
{
	return XXH3_64bits_withSeed(at->name, at->len,
				    share->tree.seed ^ hw_tree_token(&share->tree, at->dir));
}

static struct hw_former_inode *set_of(const struct hw_former *former, uint64_t key)
{
	return former->slots + (key & (HW_FORMER_SETS - 1)) * HW_FORMER_WAYS;
}

static bool is_one(const struct hw_former_inode *a, const struct hw_former_inode *b)
{
	return a->ino == b->ino && a->fs == b->fs && a->ident == b->ident;
}

/* Returns whether `a` is dropped before `b`: inodes that have a name in the share are kept
 * longer. */
static bool is_worth_less(struct hw_share *share, const struct hw_former_inode *a,
			  const struct hw_former_inode *b)
{
	bool named = a->ino && hw_tree_same_inode(&share->tree, a->fs, a->ino, 0);
	bool other = b->ino && hw_tree_same_inode(&share->tree, b->fs, b->ino, 0);

	if (!a->ino || !b->ino)
		return !a->ino;
	return named != other ? other : (int32_t)(a->order - b->order) < 0;
}

void hw_former_add(struct hw_share *share, const struct hw_fold_at *at,
		   const struct hw_former_inode *inode)
{
	struct hw_former *former = &share->hints.former;

	if (!former->slots)
		former->slots =
			calloc((size_t)HW_FORMER_SETS * HW_FORMER_WAYS, sizeof(*former->slots));
	if (!former->slots)
		return;
	uint64_t key = key_of(share, at);
	struct hw_former_inode *set = set_of(former, key), *victim = set;

	for (unsigned i = 0; i < HW_FORMER_WAYS; i++) {
		if (set[i].key == key && is_one(&set[i], inode)) {
			victim = &set[i];
			break;
		}
		if (i && is_worth_less(share, &set[i], victim))
			victim = &set[i];
	}
	*victim = *inode;
	victim->key = key;
	victim->order = former->arrivals++;
}

static struct hw_former_inode inode_of(const struct hw_entry *e)
{
	return (struct hw_former_inode){ .ino = e->ino, .ident = hw_tree_ident(e), .fs = e->fs };
}

void hw_former_add_entry(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, id);
	const struct hw_former_inode inode = inode_of(e);
	const struct hw_fold_at at = { .dir = e->parent,
				       .name = hw_tree_name(&share->tree, id),
				       .len = e->name_len };

	if (e->type == HW_TYPE_FILE && e->ino && !share->silent)
		hw_former_add(share, &at, &inode);
}

static struct hw_former_inode *find(struct hw_share *share, const struct hw_fold_at *at,
				    const struct hw_entry *entry)
{
	struct hw_former_inode *set;
	uint64_t key;

	if (!share->hints.former.slots || !entry->ino)
		return NULL;
	const struct hw_former_inode inode = inode_of(entry);

	key = key_of(share, at);
	set = set_of(&share->hints.former, key);
	for (unsigned i = 0; i < HW_FORMER_WAYS; i++)
		if (set[i].key == key && is_one(&set[i], &inode))
			return &set[i];
	return NULL;
}

bool hw_former_has_lost(struct hw_share *share, const struct hw_fold_at *at,
			const struct hw_entry *entry)
{
	const struct hw_former_inode *slot = find(share, at, entry);

	return slot && !slot->placed_seq;
}

static struct hw_former_inode *find_entry(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, id);
	const struct hw_fold_at at = { .dir = e->parent,
				       .name = hw_tree_name(&share->tree, id),
				       .len = e->name_len };

	return find(share, &at, e);
}

void hw_former_note_placed(struct hw_share *share, uint32_t id)
{
	struct hw_former_inode *slot;

	hw_former_add_entry(share, id);
	slot = find_entry(share, id);
	if (slot)
		slot->placed_seq = hw_journal_last_seq(&share->journal);
}

bool hw_former_is_placed(struct hw_share *share, uint32_t id)
{
	const struct hw_former_inode *slot = find_entry(share, id);

	return slot && slot->placed_seq && slot->placed_seq >= share->marks.read_until_seq;
}

void hw_former_forget_entry(struct hw_share *share, uint32_t id)
{
	struct hw_former_inode *lost = id ? find_entry(share, id) : NULL;

	if (lost)
		*lost = (struct hw_former_inode){ 0 };
}

void hw_former_forget_number(struct hw_share *share, const struct hw_fold_at *at, uint64_t ino)
{
	struct hw_former_inode *set;
	uint64_t key;

	if (!share->hints.former.slots || !ino)
		return;
	key = key_of(share, at);
	set = set_of(&share->hints.former, key);
	for (unsigned i = 0; i < HW_FORMER_WAYS; i++)
		if (set[i].key == key && set[i].ino == ino)
			set[i] = (struct hw_former_inode){ 0 };
}

unsigned hw_former_find(struct hw_share *share, const struct hw_fold_at *at,
			const struct hw_entry *now, struct hw_former_inode ret[HW_FORMER_WAYS])
{
	const struct hw_former_inode *set;
	unsigned count = 0;
	uint64_t key;

	if (!share->hints.former.slots)
		return 0;
	struct hw_former_inode current = { 0 };

	if (now)
		current = inode_of(now);
	key = key_of(share, at);
	set = set_of(&share->hints.former, key);
	for (unsigned i = 0; i < HW_FORMER_WAYS; i++)
		if (set[i].ino && set[i].key == key && !set[i].placed_seq &&
		    !is_one(&set[i], &current))
			ret[count++] = set[i];
	return count;
}

void hw_former_free(struct hw_former *former)
{
	free(former->slots);
	former->slots = NULL;
}
