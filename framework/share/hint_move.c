/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Renames that watchers report: within, into and out of the share, over another entry,
 * exchanges. */
#include "access.h"
#include "arm.h"
#include "fill.h"
#include "former.h"
#include "hint.h"
#include "hint_private.h"
#include "history.h"
#include "quiet.h"
#include "retry.h"
#include "scan.h"
#include "verify.h"

#include <string.h>

struct place {
	hw_token token;
	uint32_t dir; /* 0: outside the share, or excluded */
	bool excluded;
	const char *name;
	size_t len;
	uint32_t id; /* in the tree; 0: none */
	bool present; /* it exists on the disk */
	int error; /* of the stat: -errno or 0 */
	struct hw_stat stat; /* valid if present */
};

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

static void look(struct hw_share *share, struct place *p)
{
	p->error = hw_disk_stat(&share->disk, p->dir, p->name, p->len, &p->stat);
	p->present = p->error == 0;
}

static void note_name(struct hw_share *share, const struct place *p)
{
	hw_unverified_name(share, p->dir, p->name, p->len);
	if ((p->present && p->stat.type == HW_TYPE_DIR) ||
	    (p->id && entry_of(share, p->id)->type == HW_TYPE_DIR))
		hw_unverified_below(share, p->dir);
}

static bool has(struct hw_share *share, const struct place *p, uint32_t id)
{
	return p->present && hw_tree_is_same(entry_of(share, id), &p->stat);
}

/*
 * A transient entry has no inode to compare: it is taken to be the entry found at its new name. The
 * same applies to a file whose inode is still at the old name: it was examined too late, when the
 * file had been renamed and another one had its name. Returns whether the entry has this inode now.
 */
static bool adopt(struct hw_share *share, uint32_t id, struct place *from, const struct place *to)
{
	struct hw_entry *e = entry_of(share, id);

	if (e->type != to->stat.type || has(share, to, id))
		return false;
	if (!(e->flags & HW_ENTRY_TRANSIENT)) {
		if (e->type == HW_TYPE_DIR)
			return false;
		look(share, from);
		if (!has(share, from, id))
			return false;
	}
	e->flags &= (uint8_t)~HW_ENTRY_TRANSIENT;
	hw_tree_update(&share->tree, id, &to->stat);
	return true;
}

/* ---- moves out of and into the share ---- */

/* The entry may be in a directory that has not been listed yet. If it is a transient one, nothing
 * can identify it there, and it must not be taken for the next entry of this name. */
static void away(struct hw_share *share, const struct place *from)
{
	const struct hw_entry *e = entry_of(share, from->id);

	if (!(e->flags & HW_ENTRY_TRANSIENT)) {
		hw_unverified_away(share, from->id);
		/* The disk may show it at this name, since it has come back or comes only later:
		 * records that follow may be about other files. */
		hw_former_add_entry(share, from->id);
		return;
	}
	if (hw_hint_is_lost(e))
		hw_unverified_lost(share, from->dir);
	hw_history_delete(share, from->id);
}

/* Reports the move out even if the entry is back, which a later hint reports: receivers may have
 * examined the name meanwhile. */
static void moved_out(struct hw_share *share, struct place *from, bool excluded)
{
	if (!from->id)
		return;
	if (!excluded && !hw_mark_proves_outside(share)) {
		away(share, from);
		return;
	}
	look(share, from);
	if (from->present)
		note_name(share, from);
	hw_history_leave(share, from->id);
}

static void fill_arrived(struct hw_share *share, uint32_t id, enum hw_arrival how)
{
	if (id && entry_of(share, id)->type == HW_TYPE_DIR)
		hw_fill_dir(share, id, how);
}

/* Returns whether the entry was created in the share, according to its birth time: in a directory
 * that was not watched yet, or under an excluded name. */
static bool is_young(struct hw_share *share, const struct place *from, const struct place *to)
{
	return to->present && (from->excluded || !hw_mark_proves_outside(share)) &&
	       (!to->stat.btime_ns || to->stat.btime_ns >= hw_mark_known_ns(share));
}

/* `from` is outside the share: the entry arrives with old data. */
static void moved_in(struct hw_share *share, struct place *to, const struct hw_hint *hint)
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
		note_name(share, to);
	} else {
		if (id)
			hw_former_note_placed(share, id);
		fill_arrived(share, id, HW_ARRIVED_WITH_DIR);
	}
}

/* The entry is from the share, but the tree does not have it: it was created and renamed before its
 * directory was listed. */
static void appeared(struct hw_share *share, struct place *to)
{
	if (!to->present || to->id) {
		note_name(share, to);
		return;
	}
	uint32_t id =
		hw_history_create(share, to->dir, to->name, to->len, &to->stat, HW_ARRIVED_NEW);

	fill_arrived(share, id, HW_ARRIVED_NEW);
	/* It was created in a directory that was not watched yet: its close may not be reported. */
	if (id && to->stat.type == HW_TYPE_FILE)
		hw_quiet_found(share, id);
}

/* The tree already has the entry. If an earlier record placed a file here, that one was examined
 * too late, and this record is about what was found. */
static void found(struct hw_share *share, const struct place *from, const struct place *to,
		  bool ordered)
{
	enum hw_arrival how = is_young(share, from, to) ? HW_ARRIVED_NEW : HW_ARRIVED_MOVED_IN;
	uint32_t id = 0;

	if (ordered && !from->dir && hw_former_is_placed(share, to->id))
		id = hw_history_replace(share, to->id, &to->stat, how);
	else
		hw_former_forget_entry(share, to->id);
	if (id)
		hw_former_note_placed(share, id);
}

/* ---- within the share ---- */

static bool is_possible(struct hw_share *share, const struct place *from, const struct place *to)
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
static bool is_examined_late(struct hw_share *share, const struct place *p)
{
	return has(share, p, p->id) && entry_of(share, p->id)->ctime_ns == p->stat.ctime_ns;
}

/* The entry at `p`, which moves to `other`, was examined late. Nothing is known of it if the disk
 * does not have it there either. */
static void forget_late(struct hw_share *share, const struct place *p, const struct place *other)
{
	struct hw_entry *e = entry_of(share, p->id);
	struct hw_stat stat = { .type = e->type, .nlink = 1, .fs = e->fs };

	if (e->type == HW_TYPE_DIR || (other->present && other->stat.type == e->type))
		return;
	e->flags |= HW_ENTRY_TRANSIENT;
	hw_tree_update(&share->tree, p->id, &stat);
}

static void exchanged(struct hw_share *share, struct place *from, struct place *to)
{
	look(share, from);
	if (!from->id || !to->id || !is_possible(share, from, to) ||
	    hw_tree_is_below(&share->tree, from->dir, to->id)) {
		note_name(share, from);
		note_name(share, to);
		return;
	}
	bool from_late = is_examined_late(share, from), to_late = is_examined_late(share, to);
	bool from_adopted = (to_late || (to->present && !has(share, to, to->id))) &&
			    adopt(share, from->id, from, to);
	bool to_adopted = (from_late || (from->present && !has(share, from, from->id))) &&
			  adopt(share, to->id, to, from);

	if (from_late && !from_adopted)
		forget_late(share, from, to);
	if (to_late && !to_adopted)
		forget_late(share, to, from);

	hw_history_exchange(share, from->id, to->id);
	if (from_adopted)
		hw_former_note_placed(share, from->id);
	if (to_adopted)
		hw_former_note_placed(share, to->id);
	hw_scan_moved(share, from->id, from->dir);
	hw_scan_moved(share, to->id, to->dir);
	compare_if_left(share, from->id, from->dir);
	compare_if_left(share, to->id, to->dir);
	if (!has(share, to, from->id) || !has(share, from, to->id)) {
		note_name(share, from);
		note_name(share, to);
	}
}

static void renamed(struct hw_share *share, struct place *from, struct place *to)
{
	uint32_t id = from->id;

	if (!is_possible(share, from, to)) { /* the tree is out of date */
		note_name(share, from);
		note_name(share, to);
		return;
	}
	bool adopted = to->present && adopt(share, id, from, to);

	hw_history_move(share, id, to->dir, to->name, to->len,
			has(share, to, id) ? &to->stat : NULL);
	if (adopted)
		hw_former_note_placed(share, id);
	hw_scan_moved(share, id, from->dir);
	if (!has(share, to, id))
		note_name(share, to);
	else if (entry_of(share, id)->type == HW_TYPE_DIR &&
		 entry_of(share, id)->watcher == HW_WATCHER_NONE)
		hw_fill_moved(share, id);
	else if (entry_of(share, id)->type == HW_TYPE_DIR && share->filter.anchored)
		hw_scan_below(share, id); /* its entries have new paths, which may be excluded */
	else
		compare_if_left(share, id, from->dir);
}

/* After an exchange the old name has an entry; after a rename it is free. */
static void check_source(struct hw_share *share, struct place *from)
{
	if (!from->dir || !hw_tree_by_token(&share->tree, from->token))
		return;
	look(share, from);
	from->id = hw_tree_find(&share->tree, from->dir, from->name, from->len);
	if (from->present ? !from->id || !has(share, from, from->id) : from->id != 0)
		note_name(share, from);
}

/* ---- a move onto a taken name ---- */

/*
 * The kernel reports an exchange as two moves, one right after the other. The first one looks like
 * a move that replaces an entry, so it is held until the next hint or the end of the iteration.
 * There the disk decides: if each entry is at the name of the other, it was an exchange, and the
 * second move is still to come.
 */
static void hold(struct hw_share *share, const struct hw_hint *hint)
{
	struct hw_held *held = &share->hints.held_move;

	held->dir = hint->dir;
	held->to_dir = hint->to_dir;
	held->len = (uint8_t)hint->name_len;
	held->to_len = (uint8_t)hint->to_name_len;
	memcpy(held->name, hint->name, hint->name_len);
	memcpy(held->to_name, hint->to_name, hint->to_name_len);
}

static struct place place_of(struct hw_share *share, hw_token token, const char *name, size_t len)
{
	struct place p = { .token = token,
			   .dir = hw_tree_by_token(&share->tree, token),
			   .name = name,
			   .len = len };

	if (p.dir) {
		p.id = hw_tree_find(&share->tree, p.dir, name, len);
		look(share, &p);
	}
	return p;
}

static bool is_inverse(const struct hw_held *held, const struct hw_hint *hint)
{
	return hint->what & HW_HINT_MOVED && hint->dir == held->to_dir &&
	       hint->to_dir == held->dir && hint->name_len == held->to_len &&
	       hint->to_name_len == held->len &&
	       memcmp(hint->name, held->to_name, held->to_len) == 0 &&
	       memcmp(hint->to_name, held->name, held->len) == 0;
}

static bool swallow(struct hw_share *share, uint32_t from, uint32_t to)
{
	bool hit = share->hints.inverse_from == from && share->hints.inverse_to == to;

	share->hints.inverse_from = share->hints.inverse_to = 0;
	return hit;
}

#define ENTRY_EVENTS (HW_HINT_CREATED | HW_HINT_DELETED | HW_HINT_MOVED)

static bool is_in_held_dir(const struct hw_held *held, const struct hw_hint *hint)
{
	return hint->dir == held->dir || hint->dir == held->to_dir ||
	       (hint->what & HW_HINT_MOVED && hint->to_dir &&
		(hint->to_dir == held->dir || hint->to_dir == held->to_dir));
}

static bool is_held_name(const struct hw_held *held, const struct hw_hint *hint)
{
	return (hint->dir == held->dir && hint->name_len == held->len &&
		memcmp(hint->name, held->name, held->len) == 0) ||
	       (hint->dir == held->to_dir && hint->name_len == held->to_len &&
		memcmp(hint->name, held->to_name, held->to_len) == 0);
}

/* Hints that change no name, and are not about the held names, may arrive between the two moves. */
static bool must_wait(const struct hw_held *held, const struct hw_hint *next)
{
	if (!next)
		return false;
	return next->what & HW_HINT_GONE ||
	       (!(next->what & ENTRY_EVENTS) && !is_held_name(held, next));
}

/* Returns whether an entry replaced another and was renamed back: its two moves are those of an
 * exchange, but the replaced entry no longer exists. The same is found after an exchange if one of
 * the entries replaced the other later: then the second record, `next`, is about the other. */
static bool came_back(struct hw_share *share, const struct hw_hint *next, const struct place *from,
		      const struct place *to)
{
	uint64_t ino = hw_hint_ino(next);

	return from->id && has(share, from, from->id) && to->error == -ENOENT &&
	       (!ino || (uint32_t)ino == (uint32_t)from->stat.ino);
}

bool hw_hint_release_move(struct hw_share *share, const struct hw_hint *next)
{
	if (!share->hints.held_move.dir || must_wait(&share->hints.held_move, next))
		return false;
	const struct hw_held held = share->hints.held_move;

	share->hints.held_move.dir = 0;
	struct place from = place_of(share, held.dir, held.name, held.len);
	struct place to = place_of(share, held.to_dir, held.to_name, held.to_len);

	if (!from.dir || !to.dir)
		return false;
	if (next && is_inverse(&held, next) && !came_back(share, next, &from, &to)) {
		exchanged(share, &from, &to);
		return true;
	}
	/* The kernel queues both moves while the directories are locked: a hint about another name
	 * in them proves that there is no second move. */
	bool certain = next && next->what & ENTRY_EVENTS && is_in_held_dir(&held, next);

	if (!certain && from.id && to.id && has(share, &from, to.id) && has(share, &to, from.id)) {
		share->hints.inverse_from = from.id;
		share->hints.inverse_to = to.id;
		exchanged(share, &from, &to);
	} else if (from.id && from.id != to.id) {
		renamed(share, &from, &to);
		check_source(share, &from);
	} else {
		note_name(share, &from);
		note_name(share, &to);
	}
	return false;
}

static void find_places(struct hw_share *share, struct place *from, struct place *to, bool is_dir)
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
		look(share, to);
	}
}

/* Listings of these directories that are under way may be out of date, and failed attempts may work
 * now. */
static void note_places(struct hw_share *share, const struct place *from, const struct place *to)
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

static bool proves_outside(struct hw_share *share, const struct place *from, const struct place *to)
{
	return !from->excluded && (!from->dir || !to->dir) &&
	       (to->excluded || hw_mark_proves_outside(share));
}

/* GONE, ARRIVED: the record proves that the entry left, or came from outside, which a stat cannot.
 * `left`: the fold has filed by inode that it left. */
static void later(struct hw_share *share, const struct place *from, const struct place *to,
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
static bool fold(struct hw_share *share, const struct place *from, const struct place *to,
		 const struct hw_hint *hint, bool ordered)
{
	const struct hw_fold_at source = { .dir = from->dir, .name = from->name, .len = from->len };
	const struct hw_fold_at target = { .dir = to->dir, .name = to->name, .len = to->len };
	bool left = from->dir && !to->dir && proves_outside(share, from, to);
	struct hw_fold_number number = hw_hint_number(hint);

	if (ordered)
		return hw_fold_move(share, &source, &target, left);
	return hw_fold_move_inode(share, &source, &target, &number, left);
}

void hw_hint_move(struct hw_watcher *watcher, const struct hw_hint *hint, uint32_t dir,
		  uint32_t to_dir)
{
	struct hw_share *share = watcher->share;
	bool ordered = watcher->plugin->flags & HW_PLUGIN_ORDERED;
	struct place from = {
		.token = hint->dir, .dir = dir, .name = hint->name, .len = hint->name_len
	};
	struct place to = { .token = hint->to_dir,
			    .dir = to_dir,
			    .name = hint->to_name,
			    .len = hint->to_name_len };

	find_places(share, &from, &to, hint->type == HW_TYPE_DIR);
	note_places(share, &from, &to);
	if (share->settle.window_ns && !share->silent) {
		later(share, &from, &to, fold(share, &from, &to, hint, ordered));
		if (hint->type == HW_TYPE_DIR && !from.dir)
			hw_mark_noted(share);
		return;
	}
	if (!to.dir) {
		moved_out(share, &from, to.excluded);
		return;
	}
	if (swallow(share, from.id, to.id) && from.id && to.id)
		return;
	if (to.id && has(share, &to, to.id) && !from.id) {
		found(share, &from, &to, ordered);
		check_source(share, &from);
		return;
	}
	if (from.id && to.id && has(share, &to, to.id) &&
	    !ordered) /* late hint: the tree already has the result */
		note_name(share, &from);
	if (from.id && to.id && from.id != to.id) {
		hold(share, hint);
		return;
	}
	if (from.id && from.id != to.id)
		renamed(share, &from, &to);
	else if (from.dir || is_young(share, &from, &to))
		appeared(share, &to);
	else
		moved_in(share, &to, hint);
	check_source(share, &from);
}
