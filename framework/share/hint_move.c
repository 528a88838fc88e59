/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Renames that watchers report: within, into and out of the share. */
#include "fill.h"
#include "former.h"
#include "hint.h"
#include "hint_places.h"
#include "hint_private.h"
#include "history.h"
#include "quiet.h"
#include "retry.h"
#include "scan.h"
#include "verify.h"

#include <errno.h>
#include <string.h>

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* ---- moves out of and into the share ---- */

/* Returns whether a listing has found the transient entry, according to the record of its move.
 * Reports the move. */
static bool is_found(struct hw_share *share, struct hw_place *from)
{
	const struct hw_vanished_inode *inode =
		hw_vanished_take(share, entry_of(share, from->id)->fs, from->ino);

	if (!inode)
		return false;
	struct hw_place to = hw_place_of(share, inode->dir, inode->name, inode->len);

	if (!to.dir || to.id || !to.present || (uint32_t)to.stat.ino != (uint32_t)from->ino)
		return false;
	hw_hint_renamed(share, from, &to);
	return true;
}

/* The entry may be in a directory that has not been listed yet. If it is a transient one, only its
 * number can identify it there, and it must not be taken for the next entry of this name. */
static void away(struct hw_share *share, struct hw_place *from)
{
	const struct hw_entry *e = entry_of(share, from->id);

	if (!(e->flags & HW_ENTRY_TRANSIENT)) {
		hw_unverified_away(share, from->id);
		/* The disk may show it at this name, since it has come back or comes only later:
		 * records that follow may be about other files. */
		hw_former_note_away(share, from->id);
		return;
	}
	if (is_found(share, from))
		return;
	if (hw_hint_is_lost(e))
		hw_unverified_lost(share, from->dir);
	hw_history_delete(share, from->id);
}

/* Reports the move out even if the entry is back, which a later hint reports: receivers may have
 * examined the name meanwhile. */
static void moved_out(struct hw_share *share, struct hw_place *from, bool excluded)
{
	if (!from->id)
		return;
	if (!excluded && !hw_mark_proves_outside(share)) {
		away(share, from);
		return;
	}
	hw_place_look(share, from);
	if (from->present)
		hw_place_note_later(share, from);
	hw_history_leave(share, from->id);
}

static void fill_arrived(struct hw_share *share, uint32_t id, enum hw_arrival how)
{
	if (id && entry_of(share, id)->type == HW_TYPE_DIR)
		hw_fill_dir(share, id, how);
}

/* Returns whether the entry was created in the share, according to its birth time: in a directory
 * that was not watched yet, or under an excluded name. */
static bool is_young(struct hw_share *share, const struct hw_place *from, const struct hw_place *to)
{
	return to->present && (from->excluded || !hw_mark_proves_outside(share)) &&
	       (!to->stat.btime_ns || to->stat.btime_ns >= hw_mark_known_ns(share));
}

/* Returns whether a listing has already found the entry that came to this name and went on: a
 * record that is unread gives it the name which it has in the tree. Another file that got its
 * number would be young. */
static bool is_found_ahead(struct hw_share *share, const struct hw_place *to, uint64_t ino)
{
	struct hw_stat stat;
	uint32_t id =
		to->present || to->id || !ino
			? 0
			: hw_tree_same_inode(&share->tree, entry_of(share, to->dir)->fs, ino, 0);
	const struct hw_entry *e = id ? entry_of(share, id) : NULL;

	return e && id != HW_ROOT && (e->type == HW_TYPE_DIR || e->nlink == 1) &&
	       !hw_hint_is_old(share, e) &&
	       hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			    &stat) == 0 &&
	       hw_tree_is_same(e, &stat) && stat.btime_ns &&
	       stat.btime_ns < hw_mark_known_ns(share);
}

/* What came to this name was not found there. A directory may have moved on. */
static void note_target(struct hw_share *share, const struct hw_place *to,
			const struct hw_hint *hint)
{
	if (hint->type == HW_TYPE_DIR)
		hw_place_note(share, to);
	else
		hw_place_note_later(share, to);
}

/* `from` is outside the share: the entry arrives with old data. */
static void moved_in(struct hw_share *share, struct hw_place *to, const struct hw_hint *hint)
{
	const struct hw_retry_name name = {
		.dir = to->dir, .name = to->name, .len = to->len, .arrived = true
	};
	bool transient = !to->present;
	uint32_t id;

	if (hw_disk_is_refusal(to->error)) {
		hw_retry_name(share, &name, to->error);
		return;
	}
	if (is_found_ahead(share, to, hw_hint_ino(hint)))
		return;
	if (transient)
		to->stat = (struct hw_stat){
			.type = hint->type == HW_TYPE_DIR ? HW_TYPE_DIR : HW_TYPE_FILE,
			.nlink = 1,
			.fs = entry_of(share, to->dir)->fs,
		};
	if (to->id)
		id = hw_history_replace(share, to->id, &to->stat, HW_ARRIVED_MOVED_IN);
	else
		id = hw_history_create(share, to->dir, to->name, to->len, &to->stat,
				       HW_ARRIVED_MOVED_IN);
	if (transient && id) {
		entry_of(share, id)->flags |= HW_ENTRY_TRANSIENT;
		if (to->stat.type == HW_TYPE_DIR)
			entry_of(share, id)->flags |= HW_ENTRY_CAME;
		hw_vanished_note(share, id, hw_hint_ino(hint));
		note_target(share, to, hint);
	} else {
		if (id)
			hw_former_note_placed(share, id);
		fill_arrived(share, id, HW_ARRIVED_WITH_DIR);
	}
}

/* The entry is from the share, but the tree does not have it: it was created and renamed before its
 * directory was listed. */
static void appeared(struct hw_share *share, struct hw_place *to, const struct hw_hint *hint)
{
	uint64_t ino = hw_hint_ino(hint);
	bool certain = to->present && ino && (uint32_t)ino == (uint32_t)to->stat.ino;
	uint32_t id;

	if (!to->present || (to->id && !certain)) {
		note_target(share, to, hint);
		return;
	}
	if (to->id)
		id = hw_history_replace(share, to->id, &to->stat, HW_ARRIVED_NEW);
	else
		id = hw_history_create(share, to->dir, to->name, to->len, &to->stat,
				       HW_ARRIVED_NEW);

	fill_arrived(share, id, HW_ARRIVED_NEW);
	/* It was created in a directory that was not watched yet: its close may not be reported. */
	if (id && to->stat.type == HW_TYPE_FILE)
		hw_quiet_found(share, id);
}

/* Returns whether an earlier record gave the entry its name: it was examined too late, when the
 * entry of this record had the name. A listing of an old directory is not ahead of records. */
static bool is_examined_late(struct hw_share *share, const struct hw_place *to)
{
	bool old = to->dir == HW_ROOT || hw_hint_is_old(share, entry_of(share, to->dir));

	return hw_former_is_placed(share, to->id) ||
	       (old && share->marks.read_count && hw_mark_proves_outside(share) &&
		hw_former_of_entry(share, to->id) != HW_FORMER_AWAY);
}

/* The tree already has the entry. If an earlier record gave it its name, this record is about
 * what was found, which has replaced it. */
static void found(struct hw_share *share, const struct hw_place *from, const struct hw_place *to,
		  bool ordered)
{
	enum hw_arrival how = is_young(share, from, to) ? HW_ARRIVED_NEW : HW_ARRIVED_MOVED_IN;
	uint32_t id = 0;

	if (ordered && !from->dir && is_examined_late(share, to))
		id = hw_history_replace(share, to->id, &to->stat, how);
	else
		hw_former_forget_entry(share, to->id);
	if (id)
		hw_former_note_placed(share, id);
}

static void find_places(struct hw_share *share, struct hw_place *from, struct hw_place *to,
			bool is_dir)
{
	from->excluded =
		from->dir && hw_share_is_excluded(share, from->dir, from->name, from->len, is_dir);
	to->excluded = to->dir && hw_share_is_excluded(share, to->dir, to->name, to->len, is_dir);
	from->dir = from->excluded ? 0 : from->dir;
	to->dir = to->excluded ? 0 : to->dir;
	if (from->dir)
		from->id = hw_tree_find(&share->tree, from->dir, from->name, from->len);
	if (to->dir) {
		to->id = hw_tree_find(&share->tree, to->dir, to->name, to->len);
		hw_place_look(share, to);
	}
}

/* Listings of these directories that are under way may be out of date, and failed attempts may work
 * now. */
static void note_places(struct hw_share *share, const struct hw_place *from,
			const struct hw_place *to)
{
	if (from->dir) {
		hw_scan_touched(share, from->dir);
		hw_retry_hinted(share, from->dir, from->name, from->len);
		hw_unverified_touch(share, from->token, from->name, from->len, HW_HINT_MOVED);
	}
	if (to->dir) {
		hw_scan_touched(share, to->dir);
		hw_retry_hinted(share, to->dir, to->name, to->len);
		hw_unverified_touch(share, to->token, to->name, to->len, HW_HINT_MOVED);
	}
}

static bool proves_outside(struct hw_share *share, const struct hw_place *from,
			   const struct hw_place *to)
{
	return !from->excluded && (!from->dir || !to->dir) &&
	       (to->excluded || hw_mark_proves_outside(share));
}

/* GONE, ARRIVED: the record proves that the entry left, or came from outside, which a stat cannot.
 * `left`: the fold has filed by inode that it left. */
static void later(struct hw_share *share, const struct hw_place *from, const struct hw_place *to,
		  bool left)
{
	bool outside = proves_outside(share, from, to);

	if (from->dir)
		hw_settle_name(share, from->dir, from->name, from->len,
			       to->dir            ? HW_HINT_MOVED
			       : outside && !left ? HW_HINT_GONE
						  : HW_HINT_DELETED,
			       0);
	if (to->dir)
		hw_settle_name(share, to->dir, to->name, to->len,
			       from->dir ? HW_HINT_MOVED
			       : outside ? HW_HINT_ARRIVED
					 : HW_HINT_CREATED,
			       0);
}

/* Returns whether the fold has filed by inode that the entry left. */
static bool fold(struct hw_share *share, const struct hw_place *from, const struct hw_place *to,
		 const struct hw_hint *hint, bool ordered)
{
	const struct hw_fold_rename rename = {
		.from = { .dir = from->dir, .name = from->name, .len = from->len },
		.to = { .dir = to->dir, .name = to->name, .len = to->len },
		.number = hw_hint_number(hint),
		.type = (uint8_t)hint->type,
		.outside = proves_outside(share, from, to),
	};

	return ordered ? hw_fold_move(share, &rename) : hw_fold_move_inode(share, &rename);
}

/* The kernel may have merged the record of a rename with an earlier one of the same names: then the
 * entry that moves is not at its old name in the tree, but at an earlier one, or at its new one
 * already. The disk did not show it there when that was reported. */
static void bring_to_source(struct hw_share *share, struct hw_place *from, struct hw_place *to)
{
	if (!from->ino || !from->dir || from->id)
		return;
	uint32_t id =
		hw_tree_same_inode(&share->tree, entry_of(share, from->dir)->fs, from->ino, 0);
	const struct hw_entry *e = entry_of(share, id);

	if (!id || id == HW_ROOT || !e->unseen || (e->type != HW_TYPE_DIR && e->nlink > 1) ||
	    hw_tree_is_below(&share->tree, from->dir, id))
		return;
	hw_history_move(share, id, from->dir, from->name, from->len, NULL);
	from->id = id;
	if (to->id == id)
		to->id = 0;
}

/* Returns whether the file that was moved was replaced later by the one that a listing found at its
 * new name: nothing of it is left. */
static bool is_replaced(struct hw_share *share, const struct hw_place *from,
			const struct hw_place *to)
{
	return from->ino && from->id && to->id && from->id != to->id &&
	       (uint32_t)from->ino != (uint32_t)to->stat.ino && hw_place_has(share, to, to->id) &&
	       hw_former_is_found(share, to->id);
}

/* If the entry at the new name has lost it before, it is not replaced. */
static void free_target(struct hw_share *share, const struct hw_place *from, struct hw_place *to)
{
	bool holds_source =
		to->id && from->dir && hw_tree_is_below(&share->tree, from->dir, to->id);

	if (to->id && to->id != from->id && !holds_source && hw_hint_leave_name(share, to->id))
		to->id = 0;
}

void hw_hint_move(struct hw_watcher *watcher, const struct hw_hint *hint, uint32_t dir,
		  uint32_t to_dir)
{
	struct hw_share *share = watcher->share;
	bool ordered = watcher->plugin->flags & HW_PLUGIN_ORDERED;
	struct hw_place from = {
		.token = hint->dir,
		.dir = dir,
		.name = hint->name,
		.len = hint->name_len,
		.ino = hw_hint_ino(hint),
	};
	struct hw_place to = { .token = hint->to_dir,
			       .dir = to_dir,
			       .name = hint->to_name,
			       .len = hint->to_name_len };

	find_places(share, &from, &to, hint->type == HW_TYPE_DIR);
	note_places(share, &from, &to);
	if (share->settle.window_ns && !share->silent) {
		later(share, &from, &to, fold(share, &from, &to, hint, ordered));
		if (hint->type == HW_TYPE_DIR && !from.dir) {
			share->settle.fold.new_dir = true;
			hw_mark_noted(share);
		}
		return;
	}
	hw_place_ignore_later(share, &to, from.ino);
	bring_to_source(share, &from, &to);
	if (!to.dir) {
		moved_out(share, &from, to.excluded);
		return;
	}
	if (hw_hint_swallow(share, from.id, to.id) && from.id && to.id)
		return;
	if (to.id && hw_place_has(share, &to, to.id) && !from.id) {
		found(share, &from, &to, ordered);
		hw_hint_check_source(share, &from);
		return;
	}
	if (is_replaced(share, &from, &to)) {
		away(share, &from);
		return;
	}
	free_target(share, &from, &to);
	if (from.id && to.id && hw_place_has(share, &to, to.id) &&
	    !ordered) /* late hint: the tree already has the result */
		hw_place_note(share, &from);
	if (from.id && to.id && from.id != to.id) {
		hw_hint_hold(share, hint);
		return;
	}
	if (from.id && from.id != to.id)
		hw_hint_renamed(share, &from, &to);
	else if (from.dir || is_young(share, &from, &to))
		appeared(share, &to, hint);
	else
		moved_in(share, &to, hint);
	hw_hint_check_source(share, &from);
}
