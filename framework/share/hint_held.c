/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves onto a taken name: a later record says whether they are exchanges. */
#include "hint.h"
#include "hint_places.h"
#include "hint_private.h"
#include "lock.h"

#include <errno.h>
#include <string.h>

/*
 * The kernel reports an exchange as two moves. The first one looks like a move that replaces an
 * entry, so it is held until the next hint or the end of the iteration. If each entry is at the
 * name of the other one then, it may be an exchange, or another link of the replaced file has the
 * old name: hints wait until a record about a name in these directories says what it was, or until
 * all records that the kernel had queued have been read.
 */
void hw_hint_hold(struct hw_share *share, const struct hw_hint *hint)
{
	struct hw_held *held = &share->hints.held_move;

	held->dir = hint->dir;
	held->to_dir = hint->to_dir;
	held->len = (uint8_t)hint->name_len;
	held->to_len = (uint8_t)hint->to_name_len;
	held->ino = hw_hint_ino(hint);
	held->back = held->covered = held->swapped = held->marked = false;
	memcpy(held->name, hint->name, hint->name_len);
	memcpy(held->to_name, hint->to_name, hint->to_name_len);
}

static struct hw_place place_of(struct hw_share *share, hw_token token, const char *name,
				size_t len)
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

static bool are_inverse(const struct hw_hint *a, const struct hw_hint *b)
{
	return a->what & HW_HINT_MOVED && b->what & HW_HINT_MOVED && a->dir == b->to_dir &&
	       a->to_dir == b->dir && a->name_len == b->to_name_len &&
	       a->to_name_len == b->name_len && memcmp(a->name, b->to_name, a->name_len) == 0 &&
	       memcmp(a->to_name, b->name, a->to_name_len) == 0;
}

static bool is_inverse(const struct hw_held *held, const struct hw_hint *hint)
{
	const struct hw_hint first = {
		.what = HW_HINT_MOVED,
		.dir = held->dir,
		.name = held->name,
		.name_len = held->len,
		.to_dir = held->to_dir,
		.to_name = held->to_name,
		.to_name_len = held->to_len,
	};

	return are_inverse(&first, hint);
}

bool hw_hint_swallow(struct hw_share *share, uint32_t from, uint32_t to)
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
static bool may_pass(const struct hw_held *held, const struct hw_hint *next)
{
	return next->what & HW_HINT_GONE ||
	       (!(next->what & ENTRY_EVENTS) && !is_held_name(held, next));
}

/* ---- an entry that is back at its name ---- */

/*
 * No entry has the name of the other one on the disk, and the other one has lost its name. Either
 * the first one replaced the other and was renamed back, or both were exchanged, and the other name
 * was renamed or removed after that. Both begin with the same two records. If these identify the
 * inode, they say which it was; otherwise the next record about the other name decides. Without
 * such a record the other name is free if it was free on the disk; if another one has it, that one
 * replaced the first after an exchange.
 */
static bool may_be_back(struct hw_share *share, const struct hw_place *from,
			const struct hw_place *to)
{
	if (!from->id || !to->id || hw_place_has(share, from, to->id) ||
	    hw_place_has(share, to, to->id))
		return false;
	if (hw_place_has(share, to, from->id) && !hw_place_has(share, from, from->id))
		return false;
	return to->present || to->error == -ENOENT;
}

static void hold_back(struct hw_share *share, const struct hw_held *held, bool taken)
{
	share->hints.held_move = *held;
	share->hints.held_move.back = true;
	share->hints.held_move.taken = taken;
	share->hints.held_move.marked = false;
}

static bool is_other_name(const struct hw_held *held, const struct hw_hint *next)
{
	return next->dir == held->to_dir && next->name_len == held->to_len &&
	       memcmp(next->name, held->to_name, held->to_len) == 0;
}

/* Such a move does not say what the other name had; later records about it do not either. */
static bool is_onto_other_name(const struct hw_held *held, const struct hw_hint *next)
{
	return next->what & HW_HINT_MOVED && next->to_dir == held->to_dir &&
	       next->to_name_len == held->to_len &&
	       memcmp(next->to_name, held->to_name, held->to_len) == 0;
}

/* Returns whether a record about the other name may be unread. */
static bool may_follow(struct hw_share *share, struct hw_held *held)
{
	uint32_t dir = hw_tree_by_token(&share->tree, held->to_dir);

	if (!held->marked) {
		if (dir) /* if this fails, the mark has to suffice */
			(void)hw_disk_lock(&share->disk, dir);
		hw_mark_set(share, &held->mark);
	}
	held->marked = true;
	return !hw_mark_is_read(share, &held->mark);
}

static void replaced_and_back(struct hw_share *share, const struct hw_held *held)
{
	struct hw_place from = place_of(share, held->dir, held->name, held->len);
	struct hw_place to = place_of(share, held->to_dir, held->to_name, held->to_len);

	to.present = false; /* what has this name now is another one */
	if (from.id && from.id != to.id)
		hw_hint_renamed(share, &from, &to);
	to = place_of(share, held->to_dir, held->to_name, held->to_len);
	from = place_of(share, held->dir, held->name, held->len);
	if (to.id && from.dir && to.id != from.id)
		hw_hint_renamed(share, &to, &from);
	hw_hint_check_source(share, &to);
}

/* `exchange`: a record says that the other name has an entry. */
static void release_back(struct hw_share *share, bool exchange)
{
	const struct hw_held held = share->hints.held_move;
	struct hw_place from = place_of(share, held.dir, held.name, held.len);
	struct hw_place to = place_of(share, held.to_dir, held.to_name, held.to_len);

	share->hints.held_move.dir = 0;
	if (!from.dir || !to.dir)
		return;
	if (exchange)
		hw_hint_exchanged(share, &from, &to);
	else
		replaced_and_back(share, &held);
}

static bool is_place(const struct hw_place *p, hw_token dir, const char *name, size_t len)
{
	return p->token == dir && p->len == len && memcmp(p->name, name, len) == 0;
}

static bool is_onto(const struct hw_place *p, const struct hw_hint *hint)
{
	return hint->what & HW_HINT_MOVED &&
	       is_place(p, hint->to_dir, hint->to_name, hint->to_name_len);
}

/* Replaces the name by the one that the hints that wait give to its entry. Returns false if they
 * say that another entry got the name. */
static bool follow(struct hw_share *share, struct hw_place *p)
{
	const struct hw_waiting *waiting = &share->hints.waiting;

	for (uint32_t i = 0; i < waiting->count; i++) {
		const struct hw_hint *hint = &waiting->list[i].hint;
		const struct hw_hint *next =
			i + 1 < waiting->count ? &waiting->list[i + 1].hint : NULL;
		bool from = is_place(p, hint->dir, hint->name, hint->name_len);

		bool exchanged = next && are_inverse(hint, next);

		if (from && hint->what & HW_HINT_MOVED) {
			*p = place_of(share, hint->to_dir, hint->to_name, hint->to_name_len);
			i += exchanged;
		} else if (is_onto(p, hint) && exchanged) {
			*p = place_of(share, hint->dir, hint->name, hint->name_len);
			i++;
		} else if (is_onto(p, hint) || (from && hint->what & ENTRY_EVENTS)) {
			return false;
		}
	}
	return p->dir != 0;
}

/* No record said what the other name had. If the entry that has the first name after both records
 * can be found, its inode decides. Otherwise, a name that is free was not exchanged. */
static bool was_exchanged(struct hw_share *share)
{
	const struct hw_held *held = &share->hints.held_move;
	struct hw_place from = place_of(share, held->dir, held->name, held->len);
	struct hw_place now = from;

	if (from.id && follow(share, &now) && now.present)
		return !hw_place_has(share, &now, from.id);
	return held->taken || held->covered;
}

/* ---- names that are exchanged on the disk ---- */

static bool are_swapped(struct hw_share *share, const struct hw_place *from,
			const struct hw_place *to)
{
	return from->id && to->id && hw_place_has(share, from, to->id) &&
	       hw_place_has(share, to, from->id);
}

static void release(struct hw_share *share, bool all_read)
{
	const struct hw_held held = share->hints.held_move;
	struct hw_place from = place_of(share, held.dir, held.name, held.len);
	struct hw_place to = place_of(share, held.to_dir, held.to_name, held.to_len);

	share->hints.held_move.dir = 0;
	if (!from.dir || !to.dir)
		return;
	hw_place_ignore_later(share, &to, held.ino);
	if (!all_read && are_swapped(share, &from, &to)) {
		share->hints.inverse_from = from.id;
		share->hints.inverse_to = to.id;
		hw_hint_exchanged(share, &from, &to);
	} else if (from.id && from.id != to.id) {
		hw_hint_renamed(share, &from, &to);
		hw_hint_check_source(share, &from);
	} else {
		hw_place_note(share, &from);
		hw_place_note(share, &to);
	}
}

/* Returns whether the move may be an exchange according to the disk. */
static bool looks_swapped(struct hw_share *share)
{
	struct hw_held *held = &share->hints.held_move;

	if (!held->swapped) {
		struct hw_place from = place_of(share, held->dir, held->name, held->len);
		struct hw_place to = place_of(share, held->to_dir, held->to_name, held->to_len);

		held->swapped = from.dir && to.dir && are_swapped(share, &from, &to);
	}
	return held->swapped;
}

bool hw_hint_may_follow_held(struct hw_share *share)
{
	struct hw_held *held = &share->hints.held_move;

	return (held->back || looks_swapped(share)) && may_follow(share, held);
}

void hw_hint_decide_held(struct hw_share *share, bool all_read)
{
	if (share->hints.held_move.back)
		release_back(share, was_exchanged(share));
	else if (share->hints.held_move.dir)
		release(share, all_read);
}

/* ---- the next hint ---- */

/* The second move is that of the other entry if it was an exchange. */
static void inverse_follows(struct hw_share *share, const struct hw_hint *next)
{
	uint64_t ino = hw_hint_ino(next);
	const struct hw_held held = share->hints.held_move;
	struct hw_place from = place_of(share, held.dir, held.name, held.len);
	struct hw_place to = place_of(share, held.to_dir, held.to_name, held.to_len);

	share->hints.held_move.dir = 0;
	if (!from.dir || !to.dir)
		return;
	hw_place_ignore_later(share, &to, held.ino);
	hw_place_ignore_later(share, &from, ino);
	if (held.ino && held.ino == ino)
		replaced_and_back(share, &held);
	else if (!(held.ino && ino) && may_be_back(share, &from, &to))
		hold_back(share, &held, to.present);
	else
		hw_hint_exchanged(share, &from, &to);
}

enum hw_held_answer hw_hint_ask_held(struct hw_share *share, const struct hw_hint *next)
{
	struct hw_held *held = &share->hints.held_move;

	if (!held->dir || (!share->hints.waiting.count && may_pass(held, next)))
		return HW_HELD_GO_ON;
	if (held->back) {
		held->covered |= is_onto_other_name(held, next);
		if (held->covered || !is_other_name(held, next))
			return HW_HELD_WAIT;
		release_back(share, !(next->what & HW_HINT_CREATED));
		return HW_HELD_GO_ON;
	}
	if (is_inverse(held, next)) {
		inverse_follows(share, next);
		return HW_HELD_PART;
	}
	/* The kernel queues both moves while the directories are locked: a hint about another name
	 * in them proves that there is no second move. */
	bool certain = next->what & ENTRY_EVENTS && is_in_held_dir(held, next);

	if (!certain && looks_swapped(share))
		return HW_HELD_WAIT;
	release(share, true);
	return HW_HELD_GO_ON;
}
