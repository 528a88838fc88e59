/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fold.h"

#include "hint_private.h"
#include "history.h"

#include <hostwatch/probe.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FIRST 64u

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* ---- the table ---- */

static uint64_t not_zero(uint64_t key)
{
	return key ? key : 1;
}

static uint64_t key_of_name(struct hw_share *share, const struct hw_fold_at *at)
{
	return not_zero(
		XXH3_64bits_withSeed(at->name, at->len,
				     share->tree.seed ^ hw_tree_token(&share->tree, at->dir)));
}

static uint64_t key_of_inode(struct hw_share *share, uint16_t fs,
			     const struct hw_fold_number *number)
{
	uint64_t words[2] = { (uint64_t)number->generation << 32 | fs, number->ino };

	return not_zero(XXH3_64bits_withSeed(words, sizeof(words), ~share->tree.seed));
}

static uint64_t key_of_number(struct hw_share *share, uint16_t fs, uint64_t ino)
{
	uint64_t words[3] = { fs, ino, 0 };

	return not_zero(XXH3_64bits_withSeed(words, sizeof(words), ~share->tree.seed));
}

static struct hw_fold_slot *place_of(const struct hw_fold *fold, uint64_t key)
{
	uint32_t i = (uint32_t)key & (fold->slot_room - 1);

	while (fold->slots[i].key && fold->slots[i].key != key)
		i = (i + 1) & (fold->slot_room - 1);
	return &fold->slots[i];
}

static struct hw_fold_slot *find_slot(const struct hw_fold *fold, uint64_t key)
{
	struct hw_fold_slot *slot = fold->slot_room ? place_of(fold, key) : NULL;

	return slot && slot->key ? slot : NULL;
}

struct hw_fold_slot *hw_fold_slot_of_name(struct hw_share *share, const struct hw_fold *fold,
					  const struct hw_fold_at *at)
{
	return find_slot(fold, key_of_name(share, at));
}

struct hw_fold_slot *hw_fold_slot_of_inode(struct hw_share *share, const struct hw_fold *fold,
					   uint16_t fs, const struct hw_fold_number *number)
{
	return find_slot(fold, key_of_inode(share, fs, number));
}

struct hw_fold_slot *hw_fold_slot_of_number(struct hw_share *share, const struct hw_fold *fold,
					    uint16_t fs, uint64_t ino)
{
	return find_slot(fold, key_of_number(share, fs, ino));
}

static bool grow_slots(struct hw_fold *fold)
{
	struct hw_fold bigger = { .slot_room = fold->slot_room ? fold->slot_room * 2 : FIRST };

	if (bigger.slot_room > HW_NOTES_MAX)
		return false;
	bigger.slots = calloc(bigger.slot_room, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (uint32_t i = 0; i < fold->slot_room; i++)
		if (fold->slots[i].key)
			*place_of(&bigger, fold->slots[i].key) = fold->slots[i];
	free(fold->slots);
	fold->slots = bigger.slots;
	fold->slot_room = bigger.slot_room;
	return true;
}

/* Returns NULL if there is no room. */
static struct hw_fold_slot *make_slot(struct hw_fold *fold, uint64_t key)
{
	if (fold->slot_count >= fold->slot_room / 2 && !grow_slots(fold))
		return find_slot(fold, key);
	struct hw_fold_slot *slot = place_of(fold, key);

	fold->slot_count += !slot->key;
	slot->key = key;
	return slot;
}

/* ---- inodes ---- */

/* Returns index plus 1; 0 if there is no room. */
static uint32_t add_inode(struct hw_fold *fold, const struct hw_fold_inode *inode)
{
	if (fold->inode_count == fold->inode_room) {
		uint32_t room = fold->inode_room ? fold->inode_room * 2 : FIRST;
		struct hw_fold_inode *inodes =
			room > HW_NOTES_MAX ? NULL : realloc(fold->inodes, room * sizeof(*inodes));

		if (!inodes)
			return 0;
		fold->inodes = inodes;
		fold->inode_room = room;
	}
	fold->inodes[fold->inode_count++] = *inode;
	return fold->inode_count;
}

/* A number may be used again within the window. */
static void note_use(struct hw_share *share, uint32_t index)
{
	struct hw_fold *fold = &share->settle.fold;
	const struct hw_fold_inode *inode = &fold->inodes[index - 1];
	struct hw_fold_slot *slot = make_slot(fold, key_of_number(share, inode->fs, inode->ino));

	if (!slot)
		return;
	slot->uses++;
	if (!slot->inode)
		slot->inode = index;
}

/* Returns the inode with this inode number and ident or generation, which is added if
 * necessary. */
static uint32_t known_inode(struct hw_share *share, const struct hw_fold_inode *inode)
{
	const struct hw_fold_number number = { inode->ino, inode->has_ident ? inode->ident
									    : inode->generation };
	struct hw_fold_slot *slot =
		make_slot(&share->settle.fold, key_of_inode(share, inode->fs, &number));
	uint32_t index;

	if (!slot)
		return 0;
	if (slot->inode)
		return slot->inode;
	index = slot->inode = add_inode(&share->settle.fold, inode);
	if (index)
		note_use(share, index);
	return index;
}

static uint32_t new_inode(struct hw_share *share, const struct hw_fold_at *at)
{
	struct hw_fold_inode inode = { .dir = hw_tree_token(&share->tree, at->dir),
				       .fs = entry_of(share, at->dir)->fs,
				       .named = true };

	return add_inode(&share->settle.fold, &inode);
}

static uint32_t inode_of_entry(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = entry_of(share, id);
	struct hw_fold_inode inode = { .ino = e->ino,
				       .ident = hw_tree_ident(e),
				       .fs = e->fs,
				       .has_ident = true,
				       .named = true };

	return known_inode(share, &inode);
}

/* ---- names ---- */

/* Returns the inode that has the name at this point; 0: none, or unknown. */
static uint32_t inode_at(struct hw_share *share, const struct hw_fold_at *at)
{
	const struct hw_fold_slot *slot = find_slot(&share->settle.fold, key_of_name(share, at));

	if (slot)
		return slot->inode;
	uint32_t id = hw_tree_find(&share->tree, at->dir, at->name, at->len);

	return id && entry_of(share, id)->ino ? inode_of_entry(share, id) : 0;
}

static struct hw_fold_inode *inode_by(struct hw_share *share, uint32_t number)
{
	return &share->settle.fold.inodes[number - 1];
}

/* The name loses its inode, which may still be open. */
static void lose(struct hw_share *share, const struct hw_fold_at *at, struct hw_fold_slot *slot,
		 uint32_t number)
{
	struct hw_fold_inode *inode;

	if (!number)
		return;
	inode = inode_by(share, number);
	if (inode->ino) {
		struct hw_former_inode former = { .ino = inode->ino,
						  .ident = inode->ident,
						  .fs = inode->fs };

		hw_former_add(share, at, &former);
		return;
	}
	inode->named = false;
	inode->dir = hw_tree_token(&share->tree, at->dir);
	slot->former = number;
}

static void set_name(struct hw_share *share, const struct hw_fold_at *at, uint32_t number,
		     bool lost)
{
	uint32_t before = inode_at(share, at);
	struct hw_fold_slot *slot = make_slot(&share->settle.fold, key_of_name(share, at));

	if (!slot)
		return;
	if (lost && before != number)
		lose(share, at, slot, before);
	slot->inode = number;
}

/* The kernel reports an exchange as two renames, the second the inverse of the first. A rename over
 * a name and back causes the same records. The disk decides later; until then each inode may have
 * either name. */
static bool is_exchange(const struct hw_fold *fold, uint64_t from, uint64_t to)
{
	return fold->displaced && from && to && from == fold->moved_to && to == fold->moved_from;
}

static void exchange(struct hw_share *share, const struct hw_fold_at *from,
		     const struct hw_fold_at *to)
{
	uint32_t number = inode_at(share, from), back = share->settle.fold.displaced;
	struct hw_fold_slot *slot = make_slot(&share->settle.fold, key_of_name(share, to));

	share->settle.fold.displaced = 0;
	if (!slot)
		return;
	slot->inode = back;
	inode_by(share, back)->named = true;
	if (!number || number == back)
		return;
	inode_by(share, number)->named = true;
	inode_by(share, number)->rival = back;
	inode_by(share, back)->rival = number;
}

static void move_name(struct hw_share *share, const struct hw_fold_at *from,
		      const struct hw_fold_at *to, uint32_t number)
{
	if (to->dir) {
		if (!number)
			number = new_inode(share, to);
		if (number)
			inode_by(share, number)->named = true;
		set_name(share, to, number, true);
	}
	if (from->dir)
		set_name(share, from, 0, false);
}

static bool is_in_tree(struct hw_share *share, const struct hw_fold_inode *inode)
{
	return inode->ino && hw_tree_same_inode(&share->tree, inode->fs, inode->ino, 0);
}

static bool has_number(const struct hw_entry *e, const struct hw_fold_inode *inode)
{
	return e->ino == inode->ino && e->fs == inode->fs;
}

/* Returns the entry of the tree at this name if it has the number of the inode: then the hint about
 * the name suffices to show which of its names it lost. */
static const struct hw_entry *home_of(struct hw_share *share, const struct hw_fold_at *at,
				      const struct hw_fold_inode *inode)
{
	uint32_t id = hw_tree_find(&share->tree, at->dir, at->name, at->len);

	return id && has_number(entry_of(share, id), inode) ? entry_of(share, id) : NULL;
}

bool hw_fold_is_number_used_again(const struct hw_fold_inode *inode, const struct hw_entry *entry)
{
	return inode->created || (inode->stranger && entry->nlink < 2);
}

static bool has_several_names(struct hw_share *share, const struct hw_fold_inode *inode)
{
	uint32_t id = inode->ino ? hw_tree_same_inode(&share->tree, inode->fs, inode->ino, 0) : 0;

	return id && entry_of(share, id)->type != HW_TYPE_DIR && entry_of(share, id)->nlink > 1;
}

/* The inode, or one of its names, was moved out. If it has several names and came by another one
 * than this, that one remains, and nothing is noted. */
static void note_out(struct hw_share *share, const struct hw_fold_at *from,
		     struct hw_fold_inode *inode, bool left)
{
	if (inode->came && inode->came_to != key_of_name(share, from) &&
	    has_several_names(share, inode))
		return;
	inode->out = share->settle.fold.renames;
	if (left)
		inode->proved = inode->out;
}

/* Notes that the inode, whose number may be unknown, was moved out of the share. Returns whether
 * that was filed by inode. */
static bool move_out(struct hw_share *share, const struct hw_fold_at *from, uint32_t number,
		     bool left)
{
	struct hw_fold *fold = &share->settle.fold;
	struct hw_fold_inode *inode = number ? inode_by(share, number) : NULL;
	const struct hw_entry *home = inode ? home_of(share, from, inode) : NULL;
	bool doubtful = home && hw_fold_is_number_used_again(inode, home);
	struct hw_fold_slot *slot;

	fold->renames++;
	if (inode)
		note_out(share, from, inode, left);
	fold->new_left |= !inode || inode->created || (!inode->came && !is_in_tree(share, inode));
	if (!left)
		return false;
	if (inode && (!home || doubtful))
		inode->left = fold->renames;
	if (inode && !home)
		return true;
	slot = make_slot(fold, key_of_name(share, from));
	if (!slot)
		return false;
	slot->left = fold->renames;
	slot->leaver = number;
	slot->doubtful |= doubtful;
	return false;
}

/* What was moved out may be a link to a file of the share, which was changed through it. */
static void lose_link(struct hw_share *share, const struct hw_fold_at *from, uint32_t number)
{
	struct hw_fold_inode *inode = number ? inode_by(share, number) : NULL;

	if (!inode || inode->ino)
		return;
	inode->named = false;
	inode->dir = hw_tree_token(&share->tree, from->dir);
}

static void move_in(struct hw_share *share, const struct hw_fold_rename *rename, uint32_t number)
{
	struct hw_fold_inode *inode = number ? inode_by(share, number) : NULL;
	uint64_t key = key_of_name(share, &rename->to);

	share->settle.fold.renames++;
	if (inode) {
		inode->stranger |= !inode->came && !inode->out;
		inode->strayed |= inode->came && inode->came_to != key;
		inode->came_to = key;
		inode->left = 0;
		inode->came = share->settle.fold.renames;
		inode->came_type = rename->type;
		inode->from_outside = rename->outside;
	}
}

bool hw_fold_move(struct hw_share *share, const struct hw_fold_rename *rename)
{
	const struct hw_fold_at *from = &rename->from, *to = &rename->to;
	struct hw_fold *fold = &share->settle.fold;
	uint64_t from_key = from->dir ? key_of_name(share, from) : 0;
	uint64_t to_key = to->dir ? key_of_name(share, to) : 0;
	uint32_t number = from->dir ? inode_at(share, from) : 0;

	if (is_exchange(fold, from_key, to_key)) {
		exchange(share, from, to);
		return false;
	}
	fold->moved_from = from_key;
	fold->moved_to = to_key;
	fold->displaced = to->dir ? inode_at(share, to) : 0;
	if (number)
		inode_by(share, number)->left = 0;
	bool filed = !to->dir && move_out(share, from, number, rename->outside);

	if (!to->dir)
		lose_link(share, from, number);
	move_name(share, from, to, number);
	if (!from->dir)
		move_in(share, rename, inode_at(share, to));
	return filed;
}

/* ---- facts ---- */

static void add_what(uint8_t *what, uint32_t more)
{
	/* It was written again after it was closed: another close follows. */
	if (more & HW_HINT_MODIFIED)
		*what &= (uint8_t)~HW_HINT_CLOSE_WRITE;
	*what |= (uint8_t)(more & HW_HINTS_OF_DATA);
}

static uint32_t numbered_inode(struct hw_share *share, uint32_t dir,
			       const struct hw_fold_number *number)
{
	struct hw_fold_inode inode = { .ino = number->ino,
				       .generation = number->generation,
				       .fs = entry_of(share, dir)->fs,
				       .named = true };

	return known_inode(share, &inode);
}

bool hw_fold_move_inode(struct hw_share *share, const struct hw_fold_rename *rename)
{
	const struct hw_fold_at *from = &rename->from, *to = &rename->to;
	const struct hw_fold_number *number = &rename->number;
	uint32_t index;

	if (from->dir && to->dir)
		return false;
	index = number->ino ? numbered_inode(share, from->dir ? from->dir : to->dir, number) : 0;
	if (!from->dir) {
		move_in(share, rename, index);
		return false;
	}
	return move_out(share, from, index, rename->outside);
}

static bool add_known(struct hw_share *share, uint32_t dir, const struct hw_fold_number *number,
		      uint32_t what)
{
	uint32_t index = numbered_inode(share, dir, number);

	if (index)
		add_what(&inode_by(share, index)->what, what);
	return index;
}

static void add_maybe(struct hw_share *share, uint32_t number, uint32_t now, uint32_t what)
{
	add_what(&inode_by(share, number)->maybe, what);
	inode_by(share, number)->contester = now;
}

/* Adds a hint to inodes that had the name before and may be open. Returns whether there are any. */
static bool add_former(struct hw_share *share, const struct hw_fold_at *at, uint32_t now,
		       uint32_t what)
{
	const struct hw_fold_slot *slot = find_slot(&share->settle.fold, key_of_name(share, at));
	uint32_t made = slot ? slot->former : 0, number;
	struct hw_former_inode others[HW_FORMER_WAYS];
	unsigned count = hw_former_find(share, at, NULL, others);
	bool found = made && made != now;

	if (found)
		add_maybe(share, made, now, what);
	for (unsigned i = 0; i < count; i++) {
		struct hw_fold_inode inode = { .ino = others[i].ino,
					       .ident = others[i].ident,
					       .fs = others[i].fs,
					       .has_ident = true,
					       .named = true };

		number = known_inode(share, &inode);
		if (!number || number == now || (now && inode_by(share, now)->rival == number))
			continue;
		add_maybe(share, number, now, what);
		found = true;
	}
	return found;
}

/* Adds a hint by the name that the inode has at this point. */
static bool add_named(struct hw_share *share, const struct hw_fold_at *at, uint32_t what)
{
	uint32_t number = inode_at(share, at);

	if (!number && !find_slot(&share->settle.fold, key_of_name(share, at))) {
		/* The tree does not have it yet: a listing finds it. */
		number = new_inode(share, at);
		set_name(share, at, number, false);
	}
	bool contested = add_former(share, at, number, what);

	/* Attributes are usually changed by name, data through a descriptor. */
	if (number)
		inode_by(share, number)->what |= what & HW_HINT_ATTRIB;
	if (number && contested)
		add_what(&inode_by(share, number)->maybe, what);
	else if (number && inode_by(share, number)->rival)
		add_what(&inode_by(share, number)->exchanged, what);
	else if (number)
		add_what(&inode_by(share, number)->what, what);
	return number || contested;
}

static void fold_name(struct hw_share *share, const struct hw_fold_at *at, uint32_t what)
{
	const struct hw_fold_slot *slot = find_slot(&share->settle.fold, key_of_name(share, at));

	share->settle.fold.displaced = 0;
	if (what & HW_HINT_DELETED)
		set_name(share, at, 0, true);
	/* If the tree has the name and no earlier hint was about it, a listing found it. */
	else if (what & HW_HINT_CREATED &&
		 (slot || !hw_tree_find(&share->tree, at->dir, at->name, at->len)))
		set_name(share, at, new_inode(share, at), true);
}

static void note_created(struct hw_share *share, uint32_t dir, const struct hw_fold_number *number)
{
	uint32_t index = numbered_inode(share, dir, number);

	if (index)
		inode_by(share, index)->created = true;
}

/* Returns whether a change of the inode may give the name an inode of its own, with the handle of
 * the other names: copy-up on overlayfs does. */
static bool may_separate(const struct hw_entry *e)
{
	return e->identity == HW_BY_HANDLE && e->nlink > 1 && e->type != HW_TYPE_DIR;
}

static bool may_be_separated(struct hw_share *share, uint16_t fs, uint64_t ino)
{
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (ino && left-- && (id = hw_tree_same_inode(&share->tree, fs, ino, id)))
		if (may_separate(entry_of(share, id)))
			return true;
	return false;
}

/* Returns whether a change of the inode that has this name, according to the hints, may be one of
 * this name only. */
static bool is_of_name(struct hw_share *share, const struct hw_fold_at *at,
		       const struct hw_fold_number *number)
{
	const struct hw_fold_slot *slot = find_slot(&share->settle.fold, key_of_name(share, at));
	const struct hw_fold_inode *inode =
		slot && slot->inode ? inode_by(share, slot->inode) : NULL;
	uint32_t id;

	if (number->ino)
		return may_be_separated(share, entry_of(share, at->dir)->fs, number->ino);
	if (slot)
		return inode && may_be_separated(share, inode->fs, inode->ino);
	id = hw_tree_find(&share->tree, at->dir, at->name, at->len);
	return id && may_separate(entry_of(share, id));
}

uint32_t hw_fold_hint(struct hw_share *share, const struct hw_fold_at *at, uint32_t what,
		      const struct hw_fold_number *number, bool ordered)
{
	uint32_t data = is_of_name(share, at, number) ? 0 : what & HW_HINTS_OF_DATA;
	bool filed = !(what & HW_HINTS_OF_DATA);

	if (ordered && what & HW_HINT_CREATED)
		fold_name(share, at, HW_HINT_CREATED);
	if (!ordered && number->ino && what & HW_HINT_CREATED)
		note_created(share, at->dir, number);
	if (data && number->ino)
		filed = add_known(share, at->dir, number, data);
	else if (data && ordered)
		filed = add_named(share, at, data);
	if (ordered && what & HW_HINT_DELETED)
		fold_name(share, at, HW_HINT_DELETED);
	HW_PROBE3(fold, what, number->ino, filed);
	return filed ? what & ~HW_HINTS_OF_DATA : what;
}
