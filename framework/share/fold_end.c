/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a window: an observation found the inodes of the hints on the disk. */
#include "fold.h"

#include "history.h"
#include "share_private.h"
#include "sort.h"

#include <stdlib.h>

/* ---- before the observation ---- */

static void expand_known(struct hw_share *share, const struct hw_fold_inode *inode)
{
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&share->tree, inode->fs, inode->ino, id)))
		if (id != HW_ROOT)
			hw_unverified_name(share, hw_tree_entry(&share->tree, id)->parent,
					   hw_tree_name(&share->tree, id),
					   hw_tree_entry(&share->tree, id)->name_len);
}

void hw_fold_expand(struct hw_share *share)
{
	for (uint32_t i = 0; i < share->settle.fold.inode_count; i++) {
		const struct hw_fold_inode *inode = &share->settle.fold.inodes[i];
		uint32_t dir;

		hw_share_rest(share);
		if (!(inode->what | inode->maybe | inode->exchanged))
			continue;
		if (inode->ino) {
			expand_known(share, inode);
		} else if (!inode->named && (dir = hw_tree_by_token(&share->tree, inode->dir))) {
			hw_unverified_lost(share, dir);
			share->settle.fold.all_examined = true;
		}
	}
	if (share->settle.fold.inode_count)
		hw_unverified_add_lost(share, true);
}

/* ---- what it found ---- */

static bool is_number(const struct hw_fold_inode *inode, const struct hw_stat *stat)
{
	return inode->ino == stat->ino && inode->fs == stat->fs;
}

static bool has_left_slot(struct hw_share *share, const struct hw_fold *fold,
			  const struct hw_fold_at *at)
{
	const struct hw_fold_slot *slot = hw_fold_slot_of_name(share, fold, at);

	return slot && slot->left;
}

/* Returns whether the number of the inode may have been used again after the inode came into the
 * share: the tree has another one with this number, which left the share and may be the one that
 * came. If that one never left, it was removed, and its number was used again before that. */
static bool may_be_used_again(struct hw_share *share, const struct hw_fold_inode *inode,
			      const struct hw_stat *stat)
{
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (inode->out && left-- &&
	       (id = hw_tree_same_inode(&share->tree, stat->fs, stat->ino, id)))
		if (!hw_tree_is_same(hw_tree_entry(&share->tree, id), stat))
			return true;
	return false;
}

/* Returns whether the inode that was found may be one that came into the share: not at a hard link
 * that the tree has and that has not left. */
static bool may_have_come(struct hw_share *share, const struct hw_fold *fold,
			  const struct hw_fold_at *at, const struct hw_stat *stat)
{
	const struct hw_entry *e;
	uint32_t id;

	id = hw_tree_find(&share->tree, at->dir, at->name, at->len);
	e = hw_tree_entry(&share->tree, id);
	return !id || e->ino != stat->ino || e->fs != stat->fs || e->type == HW_TYPE_DIR ||
	       e->nlink < 2 || has_left_slot(share, fold, at);
}

/* The inode was found on the disk. */
static void identify(struct hw_fold_inode *inode, const struct hw_stat *stat)
{
	if (inode->has_ident)
		return;
	inode->ident = hw_lasting_ident(stat->identity, stat->ident);
	inode->has_ident = true;
}

static void found(struct hw_fold_inode *inode, const struct hw_stat *stat, bool arrived)
{
	inode->present = true;
	inode->arrived |= arrived;
	identify(inode, stat);
}

/* Returns whether a record was about the inode with this number. */
static bool find_exactly(struct hw_share *share, struct hw_fold *fold, const struct hw_fold_at *at,
			 const struct hw_stat *stat, uint32_t generation)
{
	const struct hw_fold_number number = { stat->ino, generation };
	const struct hw_fold_slot *slot = hw_fold_slot_of_inode(share, fold, stat->fs, &number);

	if (!slot || !slot->inode)
		return false;
	found(&fold->inodes[slot->inode - 1], stat, may_have_come(share, fold, at, stat));
	return true;
}

/* Several inodes had the number. Returns false if it is unknown which of them was found. Only here,
 * the file handle of a name is read. */
static bool find_one_of_several(struct hw_share *share, struct hw_fold *fold,
				const struct hw_fold_at *at, const struct hw_stat *stat)
{
	bool known =
		find_exactly(share, fold, at, stat, hw_lasting_ident(stat->identity, stat->ident));
	uint32_t generation;

	if (!known && hw_disk_generation(&share->disk, at->dir, at->name, at->len, stat->ino,
					 &generation) == 0) {
		known = true;
		(void)find_exactly(share, fold, at, stat, generation); /* no record was about it */
	}
	if (known)
		(void)find_exactly(share, fold, at, stat, 0); /* few records have no handle */
	return known;
}

static void find_number(struct hw_share *share, struct hw_fold *fold, const struct hw_fold_at *at,
			const struct hw_stat *stat)
{
	const struct hw_fold_slot *slot = hw_fold_slot_of_number(share, fold, stat->fs, stat->ino);
	struct hw_fold_inode *first = slot && slot->inode ? &fold->inodes[slot->inode - 1] : NULL;

	if (!first)
		return;
	if (slot->uses == 1 && first->has_ident &&
	    first->ident != hw_lasting_ident(stat->identity, stat->ident))
		return;
	bool again = may_be_used_again(share, first, stat);

	if ((slot->uses == 1 && !(again && first->generation)) ||
	    !find_one_of_several(share, fold, at, stat))
		found(first, stat, !again && may_have_come(share, fold, at, stat));
}

/* Returns whether another inode has the name of a new one, which was written to: inotify merges the
 * records of two files that got the name, if the second one came from outside. Then the mtime is
 * older than the records, unless it may have been set. */
static bool is_older(const struct hw_fold *fold, const struct hw_fold_inode *inode,
		     const struct hw_stat *stat)
{
	uint8_t what = inode->what | inode->maybe | inode->exchanged;

	return !inode->ino && what & HW_HINT_MODIFIED && !(what & HW_HINT_ATTRIB) &&
	       fold->since_ns && stat->mtime_ns < fold->since_ns;
}

void hw_fold_found(struct hw_share *share, struct hw_fold *fold, const struct hw_fold_at *at,
		   const struct hw_stat *stat)
{
	const struct hw_fold_slot *slot;
	struct hw_fold_inode *inode;

	find_number(share, fold, at, stat);
	slot = hw_fold_slot_of_name(share, fold, at);
	inode = slot && slot->inode ? &fold->inodes[slot->inode - 1] : NULL;
	if (!inode || is_older(fold, inode, stat))
		return;
	inode->present = inode->arrived = true;
	if (inode->rival)
		inode->confirmed |= (!inode->ino || is_number(inode, stat)) &&
				    !is_number(&fold->inodes[inode->rival - 1], stat);
	if (inode->ino || (inode->rival && !inode->confirmed))
		return;
	inode->ino = stat->ino;
	inode->ident = hw_lasting_ident(stat->identity, stat->ident);
	inode->fs = stat->fs;
	inode->has_ident = true;
}

#define OTHER_CHANGES (HW_HINT_CREATED | HW_HINT_DELETED | HW_HINT_MOVED)

/* fanotify merges equal records: an inode that left, came back to its name, and is not there has
 * left again, unless a record says that the name was removed, or that something else got it. */
void hw_fold_absent(struct hw_share *share, struct hw_fold *fold, const struct hw_fold_at *at,
		    uint32_t what)
{
	const struct hw_fold_slot *slot = hw_fold_slot_of_name(share, fold, at);
	struct hw_fold_inode *inode = slot && slot->leaver ? &fold->inodes[slot->leaver - 1] : NULL;

	if (inode && inode->came > inode->out && inode->came_to == slot->key && !inode->strayed &&
	    !fold->new_dir && !(what & OTHER_CHANGES))
		inode->proved = inode->came;
}

static int compare_inodes(const struct hw_fold_inode *x, const struct hw_fold_inode *y)
{
	if (x->fs != y->fs)
		return x->fs < y->fs ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct hw_fold_inode *x = a, *y = b;
	int order = compare_inodes(x, y);

	(void)arg;
	return order ? order : (x->generation > y->generation) - (x->generation < y->generation);
}

static bool is_one(const struct hw_fold_inode *a, const struct hw_fold_inode *b)
{
	return !compare_inodes(a, b) && (!a->has_ident || !b->has_ident || a->ident == b->ident) &&
	       (!a->generation || !b->generation || a->generation == b->generation);
}

static bool is_in_tree(struct hw_share *share, const struct hw_fold_inode *inode)
{
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&share->tree, inode->fs, inode->ino, id)))
		if (!inode->has_ident ||
		    hw_tree_ident(hw_tree_entry(&share->tree, id)) == inode->ident)
			return true;
	return false;
}

/* Returns whether `former`, which lost its name to `now`, may have been changed in its place. If
 * `former` was made in the window and was found at no name, it may have another link, as only a
 * file handle would show: the mtime of `now` decides, unless it may have been set. */
static bool is_contested(const struct hw_fold_inode *now, const struct hw_fold_inode *former)
{
	return former->present || (!former->ino && !(now->what & HW_HINT_ATTRIB));
}

/* Returns whether no earlier state shows if the inode was changed: it came in the window, or its
 * times may have been set back. */
static bool may_hide_change(struct hw_share *share, const struct hw_fold_inode *inode)
{
	return !is_in_tree(share, inode) || inode->what & HW_HINT_ATTRIB;
}

/* If only one of the inodes that a name had still exists, and no earlier state shows whether it was
 * changed, it is taken to be the one. */
static void settle_names(struct hw_share *share, struct hw_fold *fold)
{
	for (uint32_t i = 0; i < fold->inode_count; i++) {
		const struct hw_fold_inode *former = &fold->inodes[i];
		struct hw_fold_inode *now =
			former->contester ? &fold->inodes[former->contester - 1] : NULL;

		if (now)
			now->contested |= is_contested(now, former);
	}
	for (uint32_t i = 0; i < fold->inode_count; i++) {
		struct hw_fold_inode *inode = &fold->inodes[i];

		if (inode->ino && !inode->contester && !inode->contested &&
		    may_hide_change(share, inode))
			inode->what |= inode->maybe;
	}
}

/* If the disk has confirmed an exchange, its hints belong to this inode; otherwise either of the
 * two may have been changed, and nothing decides which: call it after settle_names(). */
static void settle_exchanges(struct hw_fold *fold)
{
	for (uint32_t i = 0; i < fold->inode_count; i++) {
		struct hw_fold_inode *inode = &fold->inodes[i];

		if (inode->confirmed) {
			inode->what |= inode->exchanged;
		} else if (inode->exchanged) {
			inode->maybe |= inode->exchanged;
			fold->inodes[inode->rival - 1].maybe |= inode->exchanged;
		}
	}
}

/* Returns whether an inode that came into the share, and is not there, may have been removed:
 * either it was not moved out again, or it may have been moved into a new directory. */
static bool may_be_removed(const struct hw_fold_inode *inode)
{
	return inode->came > (inode->from_outside ? inode->proved : inode->out);
}

static void find_lost(struct hw_fold *fold)
{
	for (uint32_t i = 0; i < fold->inode_count; i++) {
		const struct hw_fold_inode *inode = &fold->inodes[i];

		if (inode->arrived || !may_be_removed(inode))
			continue;
		for (unsigned dir = 0; dir < 2; dir++)
			if (inode->came > fold->lost[dir] &&
			    (inode->came_type == HW_TYPE_NONE ||
			     dir == (inode->came_type == HW_TYPE_DIR)))
				fold->lost[dir] = inode->came;
	}
}

bool hw_fold_may_be_back(const struct hw_fold *fold, const struct hw_entry *entry, uint32_t left)
{
	return left <= fold->lost[entry->type == HW_TYPE_DIR];
}

static bool has_facts(const struct hw_fold_inode *inode)
{
	return inode->ino && (inode->what | inode->maybe || inode->left);
}

static void join(struct hw_fold_inode *inode, const struct hw_fold_inode *same)
{
	inode->what |= same->what;
	inode->maybe |= same->maybe;
	inode->created |= same->created;
	inode->stranger |= same->stranger;
	if (inode->left < same->left)
		inode->left = same->left;
	if (!inode->generation)
		inode->generation = same->generation;
	if (!inode->has_ident)
		inode->ident = same->ident;
	inode->has_ident |= same->has_ident;
}

/* Keeps one item for each inode, and only those with facts. */
static void sort(struct hw_fold *fold, struct hw_slices *work)
{
	const struct hw_sort how = { compare, NULL, work };
	uint32_t kept = 0;

	for (uint32_t i = 0; i < fold->inode_count; i++)
		if (has_facts(&fold->inodes[i]))
			fold->inodes[kept++] = fold->inodes[i];
	hw_sort(fold->inodes, kept, sizeof(*fold->inodes), &how);
	fold->inode_count = kept;
	kept = 0;
	for (uint32_t i = 0; i < fold->inode_count; i++) {
		struct hw_fold_inode *last = kept ? &fold->inodes[kept - 1] : NULL;

		if (!last || !is_one(last, &fold->inodes[i])) {
			fold->inodes[kept++] = fold->inodes[i];
			continue;
		}
		join(last, &fold->inodes[i]);
	}
	fold->inode_count = kept;
}

void hw_fold_all_found(struct hw_share *share, struct hw_fold *fold)
{
	find_lost(fold);
	settle_names(share, fold);
	settle_exchanges(fold);
	sort(fold, &share->work); /* the slots have no inodes any more */
}

bool hw_fold_has_left(struct hw_share *share, const struct hw_fold *fold,
		      const struct hw_fold_at *at, uint32_t what)
{
	const struct hw_fold_slot *slot = hw_fold_slot_of_name(share, fold, at);
	uint32_t id = hw_tree_find(&share->tree, at->dir, at->name, at->len);

	if (!slot || !slot->left || !id)
		return true;
	/* If the name was not given to anything else, it had the entry until that left. */
	return !hw_fold_may_be_back(fold, hw_tree_entry(&share->tree, id), slot->left) &&
	       !(slot->doubtful && what & (OTHER_CHANGES | HW_HINT_ARRIVED));
}

const struct hw_fold_inode *hw_fold_facts(const struct hw_fold *fold, const struct hw_stat *stat)
{
	const struct hw_fold_inode wanted = { .ino = stat->ino,
					      .ident =
						      hw_lasting_ident(stat->identity, stat->ident),
					      .fs = stat->fs,
					      .has_ident = true };
	const struct hw_fold_inode *likely = NULL;
	uint32_t low = 0, high;

	high = fold->inode_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_inodes(&fold->inodes[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < fold->inode_count && !compare_inodes(&fold->inodes[low], &wanted); low++) {
		if (!is_one(&fold->inodes[low], &wanted))
			continue;
		if (fold->inodes[low].has_ident)
			return &fold->inodes[low];
		if (!likely || likely->created)
			likely = &fold->inodes[low];
	}
	return likely;
}

void hw_fold_free(struct hw_fold *fold)
{
	free(fold->slots);
	free(fold->inodes);
	*fold = (struct hw_fold){ 0 };
}
