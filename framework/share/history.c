/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history.h"

#include "arm.h"
#include "history_private.h"
#include "quiet.h"
#include "stage.h"

#include <stdlib.h>
#include <string.h>

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* ---- create ---- */

static void begin_data(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	e->flags &= (uint8_t)~HW_ENTRY_MODIFIED;
	e->flags |= HW_ENTRY_DIRTY | HW_ENTRY_NEW;
	hw_quiet_add(share, id);
}

uint32_t hw_history_create(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			   const struct hw_stat *stat, enum hw_arrival how)
{
	HW_STAGE(HW_STAGE_HISTORY);
	uint32_t id = hw_tree_add(&share->tree, dir, name, len, stat);
	struct hw_history_path path;

	if (!id) {
		hw_shortage_found(share);
		return 0;
	}
	if (stat->type == HW_TYPE_DIR)
		hw_unarmed_add(share, id);
	hw_history_siblings(share, id, stat, false);
	if (share->silent)
		return id;
	hw_history_stale(share, dir);
	if (how == HW_ARRIVED_MOVED_IN) {
		if (hw_history_path(share, id, &path))
			hw_history_remember(share, id, HW_MOVE,
					    hw_history_report(share, HW_MOVE, stat->type, 0, NULL,
							      &path));
		else
			hw_history_rescan(share, id);
		return id;
	}
	hw_history_report_entry(share, id, HW_CREATE);
	if (how == HW_ARRIVED_NEW && stat->type == HW_TYPE_FILE)
		begin_data(share, id);
	return id;
}

/* ---- delete ---- */

/* Another name of the inode is removed: the link count is unknown until the entry is examined, and
 * the last change through that name may not have been reported for this one. */
static void lose_name(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	hw_tree_note(&share->tree, id);
	e->nlink = UINT16_MAX;
	if (!share->silent)
		hw_unverified_entry(share, id);
}

static void drop_entry(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);
	uint32_t sibling = 0, left = HW_LINKS_EXAMINED;

	if (e->type == HW_TYPE_DIR) {
		hw_arm_forget(share, id);
	} else if (e->nlink > 1) {
		while (left-- &&
		       (sibling = hw_tree_same_inode(&share->tree, e->fs, e->ino, sibling)))
			if (sibling != id)
				lose_name(share, sibling);
	}
	hw_former_add_entry(share, id);
	hw_tree_remove(&share->tree, id);
}

static uint32_t deepest_first_child(struct hw_share *share, uint32_t id)
{
	while (entry_of(share, id)->type == HW_TYPE_DIR && entry_of(share, id)->dir.first_child)
		id = entry_of(share, id)->dir.first_child;
	return id;
}

/* Reports nothing. Does not recurse, because the depth is unlimited. */
static void drop_subtree(struct hw_share *share, uint32_t id)
{
	for (;;) {
		uint32_t leaf = deepest_first_child(share, id);

		drop_entry(share, leaf);
		if (leaf == id)
			return;
		hw_share_rest(share);
	}
}

/* Lists parents before children and siblings in reverse order: read from its end, this is the order
 * of deletion. */
static int list_below(struct hw_share *share, uint32_t dir, struct hw_ids *ret)
{
	struct hw_ids waiting = { 0 };
	int r = hw_ids_add(&waiting, dir);

	while (r == 0 && waiting.count) {
		uint32_t id = waiting.ids[--waiting.count], *ids = NULL;
		int count = 0;

		r = hw_ids_add(ret, id);
		if (entry_of(share, id)->type == HW_TYPE_DIR)
			count = hw_tree_children(&share->tree, id, &ids);
		if (count < 0)
			r = count;
		for (int i = 0; i < count && r == 0; i++)
			r = hw_ids_add(&waiting, ids[i]);
		free(ids);
	}
	hw_ids_free(&waiting);
	return r;
}

static void delete_one(struct hw_share *share, uint32_t id)
{
	if (!share->silent)
		hw_history_stale(share, entry_of(share, id)->parent);
	hw_history_report_entry(share, id, HW_DELETE);
	drop_entry(share, id);
}

/* Does not recurse, because users decide how deep a tree is. */
static void delete_children(struct hw_share *share, uint32_t dir)
{
	struct hw_ids ids = { 0 };

	if (list_below(share, dir, &ids) == 0) {
		while (ids.count > 1) {
			hw_share_rest(share);
			delete_one(share, ids.ids[--ids.count]);
		}
	} else { /* if out of memory: also children first, but siblings in any order */
		while (entry_of(share, dir)->dir.first_child)
			delete_one(share, deepest_first_child(share, dir));
	}
	hw_ids_free(&ids);
}

void hw_history_delete(struct hw_share *share, uint32_t id)
{
	HW_STAGE(HW_STAGE_HISTORY);
	const struct hw_entry *e = entry_of(share, id);

	if (e->type == HW_TYPE_DIR && e->dir.first_child)
		delete_children(share, id);
	delete_one(share, id);
}

void hw_history_leave(struct hw_share *share, uint32_t id)
{
	HW_STAGE(HW_STAGE_HISTORY);
	struct hw_entry *e = entry_of(share, id);
	uint8_t type = e->type;
	uint32_t dir = e->parent;
	struct hw_history_path from;
	bool fits = hw_history_path_in(share, id, share->history.path_b, &from);

	share->keep.held++; /* it may rest before the move is reported */
	drop_subtree(share, id);
	share->keep.held--;
	if (share->silent)
		return;
	hw_history_stale(share, dir);
	if (fits)
		(void)hw_history_report(share, HW_MOVE, type, 0, &from, NULL);
	else
		hw_history_rescan(share, dir);
}

/* ---- move ---- */

static void clear_target(struct hw_share *share, uint32_t old)
{
	if (entry_of(share, old)->type == HW_TYPE_DIR && entry_of(share, old)->dir.first_child)
		delete_children(share, old);
	drop_entry(share, old);
}

/* was: its directory before. A path that does not fit is replaced by a rescan. */
static void report_move(struct hw_share *share, uint32_t id, const struct hw_history_path *from,
			uint32_t was, uint16_t flags)
{
	struct hw_history_path path;

	if (share->silent)
		return;
	if (!from->bytes || !hw_history_path(share, id, &path)) {
		if (from->bytes)
			(void)hw_history_report(share, HW_MOVE, entry_of(share, id)->type, 0, from,
						NULL);
		else
			hw_history_rescan(share, was);
		hw_history_rescan(share, entry_of(share, id)->parent);
		return;
	}
	hw_history_remember(share, id, HW_MOVE,
			    hw_history_report(share, HW_MOVE, entry_of(share, id)->type, flags,
					      from, &path));
}

uint32_t hw_history_replace(struct hw_share *share, uint32_t old, const struct hw_stat *stat,
			    enum hw_arrival how)
{
	char name[HW_NAME_MAX];
	struct hw_entry *e = entry_of(share, old);
	uint8_t len = e->name_len;
	uint32_t dir = e->parent;
	struct hw_history_path path;

	memcpy(name, hw_tree_name(&share->tree, old), len);
	if (hw_tree_reserve(&share->tree, name, len) < 0) {
		hw_shortage_found(share);
		return 0;
	}
	clear_target(share, old);
	uint32_t id = hw_tree_add(&share->tree, dir, name, len, stat);

	if (stat->type == HW_TYPE_DIR)
		hw_unarmed_add(share, id);
	hw_history_siblings(share, id, stat, false);
	if (share->silent)
		return id;
	hw_history_stale(share, dir);
	if (hw_history_path(share, id, &path))
		hw_history_remember(share, id, HW_MOVE,
				    hw_history_report(share, HW_MOVE, stat->type, HW_FLAG_REPLACED,
						      NULL, &path));
	else
		hw_history_rescan(share, dir);
	if (how == HW_ARRIVED_NEW && stat->type == HW_TYPE_FILE)
		begin_data(share, id);
	return id;
}

void hw_history_move(struct hw_share *share, uint32_t id, uint32_t dir, const char *name,
		     size_t len, const struct hw_stat *stat)
{
	HW_STAGE(HW_STAGE_HISTORY);
	uint32_t old = hw_tree_find(&share->tree, dir, name, len),
		 was = entry_of(share, id)->parent;
	uint16_t flags = old ? HW_FLAG_REPLACED : 0;
	struct hw_history_path from;

	if (!hw_history_path_in(share, id, share->history.path_b, &from))
		from.bytes = NULL;
	if (hw_tree_reserve(&share->tree, name, len) < 0) {
		hw_shortage_found(share);
		return;
	}
	if (old)
		clear_target(share, old);
	(void)hw_tree_move(&share->tree, id, dir, name, len); /* there is room */
	report_move(share, id, &from, was, flags);
	entry_of(share, id)->unseen = !stat;
	if (stat) {
		hw_history_siblings(share, id, stat, false);
		struct hw_entry *e = entry_of(share, id);

		if (e->ctime_ns != HW_TIME_UNKNOWN)
			e->ctime_ns = stat->ctime_ns;
		e->nlink = (uint16_t)stat->nlink;
		e->attr = hw_tree_attr_seen(e, stat);
		e->ident = stat->ident;
		e->identity = stat->identity;
	}
	if (entry_of(share, id)->type == HW_TYPE_DIR)
		hw_arm_note_top(share, id);
	if (share->silent)
		return;
	hw_history_stale(share, was);
	hw_history_stale(share, dir);
}

/* Notes that the ctime of an exchanged entry changed. New data of a file is not taken over, because
 * no record has reported it. */
static void note_renamed(struct hw_share *share, uint32_t id)
{
	if (entry_of(share, id)->type == HW_TYPE_DIR)
		hw_history_stale(share, id);
	else
		(void)hw_ids_add(&share->refresh.renamed,
				 id); /* if out of memory: a needless attrib */
}

void hw_history_exchange(struct hw_share *share, uint32_t a, uint32_t b)
{
	HW_STAGE(HW_STAGE_HISTORY);
	struct hw_history_path from, to;

	/* The event has the lesser path first. */
	if (hw_tree_compare(&share->tree, a, b) > 0) {
		uint32_t other = a;

		a = b;
		b = other;
	}
	bool fit = hw_history_path_in(share, a, share->history.path_b, &from);

	fit = hw_history_path(share, b, &to) && fit;
	hw_tree_swap(&share->tree, a, b);
	if (entry_of(share, a)->type == HW_TYPE_DIR)
		hw_arm_note_top(share, a);
	if (entry_of(share, b)->type == HW_TYPE_DIR)
		hw_arm_note_top(share, b);
	note_renamed(share, a);
	note_renamed(share, b);
	hw_history_stale(share, entry_of(share, a)->parent);
	hw_history_stale(share, entry_of(share, b)->parent);
	if (!fit) {
		hw_history_rescan(share, HW_ROOT);
		return;
	}
	uint64_t seq = hw_history_report(share, HW_MOVE, entry_of(share, a)->type, HW_FLAG_EXCHANGE,
					 &from, &to);

	hw_history_remember(share, a, HW_MOVE, seq);
	hw_history_remember(share, b, HW_MOVE, seq);
}
