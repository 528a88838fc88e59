/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Renames and exchanges within the share. */
#include "access.h"
#include "fill.h"
#include "former.h"
#include "hint_places.h"
#include "hint_private.h"
#include "history.h"
#include "scan.h"

#include <errno.h>

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

void hw_place_look(struct hw_share *share, struct hw_place *p)
{
	p->error = hw_disk_stat(&share->disk, p->dir, p->name, p->len, &p->stat);
	p->present = p->error == 0;
}

struct hw_place hw_place_of(struct hw_share *share, hw_token token, const char *name, size_t len)
{
	struct hw_place p = { .token = token,
			      .dir = hw_tree_by_token(&share->tree, token),
			      .name = name,
			      .len = len };

	if (p.dir) {
		p.id = hw_tree_find(&share->tree, p.dir, name, len);
		hw_place_look(share, &p);
	}
	return p;
}

static void note_below(struct hw_share *share, const struct hw_place *p)
{
	if ((p->present && p->stat.type == HW_TYPE_DIR) ||
	    (p->id && entry_of(share, p->id)->type == HW_TYPE_DIR))
		hw_unverified_below(share, p->dir);
}

void hw_place_note(struct hw_share *share, const struct hw_place *p)
{
	hw_unverified_name(share, p->dir, p->name, p->len);
	note_below(share, p);
}

void hw_place_note_later(struct hw_share *share, const struct hw_place *p)
{
	hw_unverified_later(share, p->dir, p->name, p->len);
	note_below(share, p);
}

bool hw_place_has(struct hw_share *share, const struct hw_place *p, uint32_t id)
{
	return p->present && hw_tree_is_same(entry_of(share, id), &p->stat);
}

void hw_place_ignore_later(struct hw_share *share, struct hw_place *p, uint64_t ino)
{
	if (!p->present || !ino || (uint32_t)ino == (uint32_t)p->stat.ino ||
	    (p->id && hw_place_has(share, p, p->id)))
		return;
	p->present = false;
	p->error = -ENOENT;
}

/*
 * A transient entry has no inode to compare: it is taken to be the entry found at its new name. The
 * same applies to a file whose inode is still at the old name: it was examined too late, when the
 * file had been renamed and another one had its name. Not if the record identifies another inode.
 * Returns whether the entry has this inode now.
 */
static bool adopt(struct hw_share *share, uint32_t id, struct hw_place *from,
		  const struct hw_place *to)
{
	const struct hw_entry *e = entry_of(share, id);

	if (e->type != to->stat.type || hw_place_has(share, to, id) ||
	    (from->ino && (uint32_t)from->ino != (uint32_t)to->stat.ino))
		return false;
	if (!(e->flags & HW_ENTRY_TRANSIENT)) {
		if (e->type == HW_TYPE_DIR)
			return false;
		hw_place_look(share, from);
		if (!hw_place_has(share, from, id))
			return false;
	}
	hw_fill_take_inode(share, id, &to->stat);
	return true;
}

bool hw_hint_leave_name(struct hw_share *share, uint32_t id)
{
	switch (hw_former_of_entry(share, id)) {
	case HW_FORMER_AWAY:
		hw_history_leave(share, id);
		return true;
	case HW_FORMER_UNLINKED:
		hw_history_delete(share, id);
		return true;
	default:
		return false;
	}
}

static bool is_possible(struct hw_share *share, const struct hw_place *from,
			const struct hw_place *to)
{
	return !hw_tree_is_below(&share->tree, to->dir, from->id) &&
	       !(to->id && hw_tree_is_below(&share->tree, from->id, to->id));
}

/* What a directory that cannot be read holds was to be examined when it can be; this one has left
 * it. */
static void compare_if_left(struct hw_share *share, uint32_t id, uint32_t from)
{
	if (entry_of(share, id)->type == HW_TYPE_DIR && hw_access_is_locked(share, from))
		hw_scan_below(share, id);
}

/* Returns whether this entry of an exchange was examined after the exchange, which sets its ctime:
 * it has the inode of the other one. */
static bool is_examined_late(struct hw_share *share, const struct hw_place *p)
{
	return hw_place_has(share, p, p->id) &&
	       entry_of(share, p->id)->ctime_ns == p->stat.ctime_ns;
}

/* The entry at `p`, which moves to `other`, was examined late. Nothing is known of it if the disk
 * does not have it there either. */
static void forget_late(struct hw_share *share, const struct hw_place *p,
			const struct hw_place *other)
{
	struct hw_entry *e = entry_of(share, p->id);
	struct hw_stat stat = { .type = e->type, .nlink = 1, .fs = e->fs };

	if (e->type == HW_TYPE_DIR || (other->present && other->stat.type == e->type))
		return;
	e->flags |= HW_ENTRY_TRANSIENT;
	hw_tree_update(&share->tree, p->id, &stat);
}

/* Returns whether the entry has the inode of a later file, which was at its name already when the
 * entry was examined. */
static bool is_later_one(struct hw_share *share, struct hw_place *from)
{
	const struct hw_entry *e = entry_of(share, from->id);

	if (e->type != HW_TYPE_FILE || e->nlink > 1 || from->ino)
		return false;
	hw_place_look(share, from);
	return hw_place_has(share, from, from->id) && !hw_hint_is_known(share, e, &from->stat);
}

/* Returns whether a listing has moved another file to this name, ahead of the record: the one that
 * the record is about had it before. */
static bool is_ahead(struct hw_share *share, const struct hw_place *p)
{
	const struct hw_entry *e = entry_of(share, p->id);

	return p->ino && (uint32_t)p->ino != (uint32_t)e->ino && e->last_kind == HW_MOVE &&
	       !(e->flags & HW_ENTRY_TRANSIENT) && !hw_former_is_placed(share, p->id);
}

/* The entry was moved from the directory `was` to this place, and is there. */
static void arrived(struct hw_share *share, uint32_t id, uint32_t was)
{
	const struct hw_entry *e = entry_of(share, id);

	if (e->type == HW_TYPE_DIR && e->watcher == HW_WATCHER_NONE)
		hw_fill_moved(share, id);
	else if (e->type == HW_TYPE_DIR && share->filter.anchored)
		hw_scan_below(share, id); /* its entries have new paths, which may be excluded */
	else
		compare_if_left(share, id, was);
}

/* The entry was moved to this place by a record. */
static void see_attr(struct hw_share *share, uint32_t id, const struct hw_place *p)
{
	struct hw_entry *e = entry_of(share, id);

	if (hw_place_has(share, p, id))
		e->attr = hw_tree_attr_seen(e, &p->stat);
}

/* Returns whether the record says that this entry left for the place `other`, where the tree has it
 * already. */
static bool is_at_other(struct hw_share *share, const struct hw_place *p,
			const struct hw_place *other)
{
	const struct hw_entry *e = entry_of(share, other->id);

	return p->ino && (uint32_t)p->ino == (uint32_t)e->ino && !(e->flags & HW_ENTRY_TRANSIENT);
}

/* The kernel may have merged the records of an exchange with earlier ones of the same names: then
 * both entries are at their new names in the tree already. bring_to_source() in hint_move.c does
 * the same for a rename. */
static void bring_to_sources(struct hw_share *share, struct hw_place *from, struct hw_place *to)
{
	uint32_t id = from->id;

	if (!is_at_other(share, from, to) || !is_at_other(share, to, from) ||
	    !(entry_of(share, from->id)->unseen || entry_of(share, to->id)->unseen))
		return;
	hw_history_exchange(share, from->id, to->id);
	from->id = to->id;
	to->id = id;
}

static bool is_exchange_possible(struct hw_share *share, const struct hw_place *from,
				 const struct hw_place *to)
{
	return from->id && to->id && is_possible(share, from, to) &&
	       !hw_tree_is_below(&share->tree, from->dir, to->id);
}

void hw_hint_exchanged(struct hw_share *share, struct hw_place *from, struct hw_place *to)
{
	bool possible = is_exchange_possible(share, from, to);

	if (possible)
		bring_to_sources(share, from, to);
	if (!possible || is_ahead(share, from) || is_ahead(share, to)) {
		hw_place_note(share, from);
		hw_place_note(share, to);
		return;
	}
	bool from_late = is_examined_late(share, from), to_late = is_examined_late(share, to);
	bool from_adopted = (to_late || (to->present && !hw_place_has(share, to, to->id))) &&
			    adopt(share, from->id, from, to);
	bool to_adopted = (from_late || (from->present && !hw_place_has(share, from, from->id))) &&
			  adopt(share, to->id, to, from);

	if (from_late && !from_adopted)
		forget_late(share, from, to);
	if (to_late && !to_adopted)
		forget_late(share, to, from);

	hw_history_exchange(share, from->id, to->id);
	see_attr(share, from->id, to);
	see_attr(share, to->id, from);
	if (from_adopted)
		hw_former_note_placed(share, from->id);
	if (to_adopted)
		hw_former_note_placed(share, to->id);
	hw_scan_moved(share, from->id, from->dir);
	hw_scan_moved(share, to->id, to->dir);
	bool from_arrived = hw_place_has(share, to, from->id),
	     to_arrived = hw_place_has(share, from, to->id);
	entry_of(share, from->id)->unseen = !from_arrived;
	entry_of(share, to->id)->unseen = !to_arrived;
	const hw_token token = hw_tree_token(&share->tree, to->id); /* of a directory */

	if (!from_arrived || !to_arrived) {
		hw_place_note_later(share, from);
		hw_place_note_later(share, to);
	}
	if (from_arrived)
		arrived(share, from->id, from->dir);
	/* Listing the first may have removed the second. */
	if (to_arrived && hw_tree_by_token(&share->tree, token) == to->id)
		arrived(share, to->id, to->dir);
}

void hw_hint_renamed(struct hw_share *share, struct hw_place *from, struct hw_place *to)
{
	uint32_t id = from->id;

	if (!is_possible(share, from, to) || is_ahead(share, from)) {
		hw_place_note(share, from);
		hw_place_note(share, to);
		return;
	}
	bool adopted = to->present && adopt(share, id, from, to);

	if (!to->present && is_later_one(share, from))
		forget_late(share, from, to);
	hw_history_move(share, id, to->dir, to->name, to->len,
			hw_place_has(share, to, id) ? &to->stat : NULL);
	if (adopted)
		hw_former_note_placed(share, id);
	hw_scan_moved(share, id, from->dir);
	if (hw_place_has(share, to, id))
		arrived(share, id, from->dir);
	else
		hw_place_note_later(share, to);
}

void hw_hint_check_source(struct hw_share *share, struct hw_place *from)
{
	if (!from->dir || !hw_tree_by_token(&share->tree, from->token))
		return;
	hw_place_look(share, from);
	from->id = hw_tree_find(&share->tree, from->dir, from->name, from->len);
	if (from->present ? !from->id || !hw_place_has(share, from, from->id) : from->id != 0)
		hw_place_note_later(share, from);
}
