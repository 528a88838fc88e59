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

static bool is_unreported(uint8_t how)
{
	return how == HW_FORMER_AWAY || how == HW_FORMER_UNLINKED;
}

/* Data that is reported under a lost name is that of a file. */
static void add(struct hw_share *share, uint32_t id, enum hw_former_how how)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, id);
	struct hw_former_inode inode = inode_of(e);
	const struct hw_fold_at at = { .dir = e->parent,
				       .name = hw_tree_name(&share->tree, id),
				       .len = e->name_len };

	inode.how = (uint8_t)how;
	inode.seq = hw_journal_last_seq(&share->journal);
	if (e->type != HW_TYPE_FILE && !is_unreported(inode.how))
		hw_former_forget_entry(share, id);
	else if (e->ino && !share->silent)
		hw_former_add(share, &at, &inode);
}

void hw_former_add_left(struct hw_share *share, uint32_t id)
{
	add(share, id, HW_FORMER_LEFT);
}

void hw_former_note_placed(struct hw_share *share, uint32_t id)
{
	add(share, id, HW_FORMER_PLACED);
}

void hw_former_note_found(struct hw_share *share, uint32_t id)
{
	add(share, id, HW_FORMER_FOUND);
}

static bool has_lost(const struct hw_former_inode *inode)
{
	return inode->how == HW_FORMER_LOST || inode->how == HW_FORMER_LEFT ||
	       is_unreported(inode->how);
}

/* Returns whether records may be unread that were queued before `how` was noted. */
static bool is_fresh(const struct hw_share *share, const struct hw_former_inode *inode)
{
	return inode->seq >= share->marks.read_until_seq;
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

	return slot && has_lost(slot);
}

static struct hw_former_inode *find_entry(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, id);
	const struct hw_fold_at at = { .dir = e->parent,
				       .name = hw_tree_name(&share->tree, id),
				       .len = e->name_len };

	return find(share, &at, e);
}

bool hw_former_is_placed(struct hw_share *share, uint32_t id)
{
	const struct hw_former_inode *slot = find_entry(share, id);

	return slot && slot->how == HW_FORMER_PLACED && is_fresh(share, slot);
}

/* A file that was never examined has lost the name of this entry. */
static void add_unknown(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(&share->tree, id);
	const struct hw_fold_at at = { .dir = e->parent,
				       .name = hw_tree_name(&share->tree, id),
				       .len = e->name_len };
	const struct hw_former_inode inode = {
		.ino = HW_FORMER_UNKNOWN,
		.fs = e->fs,
		.how = HW_FORMER_LOST,
		.seq = hw_journal_last_seq(&share->journal),
	};

	if (e->type == HW_TYPE_FILE && !share->silent)
		hw_former_add(share, &at, &inode);
}

static void add_entry(struct hw_share *share, uint32_t id, enum hw_former_how how)
{
	if (hw_tree_entry(&share->tree, id)->flags & HW_ENTRY_TRANSIENT ||
	    hw_former_is_placed(share, id))
		add_unknown(share, id);
	add(share, id, how);
}

void hw_former_add_entry(struct hw_share *share, uint32_t id)
{
	add_entry(share, id, HW_FORMER_LOST);
}

void hw_former_note_away(struct hw_share *share, uint32_t id)
{
	add_entry(share, id, HW_FORMER_AWAY);
}

void hw_former_note_unlinked(struct hw_share *share, uint32_t id)
{
	add_entry(share, id, HW_FORMER_UNLINKED);
}

int hw_former_of_entry(struct hw_share *share, uint32_t id)
{
	const struct hw_former_inode *slot = find_entry(share, id);

	return slot ? slot->how : -1;
}

bool hw_former_is_found(struct hw_share *share, uint32_t id)
{
	const struct hw_former_inode *slot = find_entry(share, id);

	return slot && slot->how == HW_FORMER_FOUND && is_fresh(share, slot);
}

bool hw_former_may_be_meant(const struct hw_share *share, const struct hw_former_inode *former)
{
	return former->how == HW_FORMER_LEFT && is_fresh(share, former);
}

void hw_former_forget_entry(struct hw_share *share, uint32_t id)
{
	struct hw_former_inode *lost = id ? find_entry(share, id) : NULL;

	if (lost)
		*lost = (struct hw_former_inode){ 0 };
}

void hw_former_confirm(struct hw_share *share, uint32_t id)
{
	struct hw_former_inode *slot = find_entry(share, id);

	if (!slot || !is_unreported(slot->how))
		return;
	if (hw_tree_entry(&share->tree, id)->type == HW_TYPE_FILE)
		slot->how = HW_FORMER_LOST;
	else
		*slot = (struct hw_former_inode){
			0
		}; /* data under a lost name is that of a file */
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
		if (set[i].ino && set[i].key == key && has_lost(&set[i]) &&
		    !is_one(&set[i], &current))
			ret[count++] = set[i];
	return count;
}

void hw_former_free(struct hw_former *former)
{
	free(former->slots);
	former->slots = NULL;
}
