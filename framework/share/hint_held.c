/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves onto a taken name: a later record says whether they are exchanges. */
#include "hint.h"
#include "hint_places.h"
#include "hint_private.h"
#include "lock.h"

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

	return hw_hint_is_inverse(&first, hint);
}

bool hw_hint_swallow(struct hw_share *share, uint32_t from, uint32_t to)
{
	bool hit = share->hints.inverse_from == from && share->hints.inverse_to == to;

	share->hints.inverse_from = share->hints.inverse_to = 0;
	return hit;
}

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
	       (!(next->what & HW_HINTS_OF_NAMES) && !is_held_name(held, next));
}

/* ---- names that are exchanged on the disk ---- */

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

static bool are_swapped(struct hw_share *share, const struct hw_place *from,
			const struct hw_place *to)
{
	return from->id && to->id && hw_place_has(share, from, to->id) &&
	       hw_place_has(share, to, from->id);
}

static void release(struct hw_share *share, bool all_read)
{
	const struct hw_held held = share->hints.held_move;
	struct hw_place from = hw_place_of(share, held.dir, held.name, held.len);
	struct hw_place to = hw_place_of(share, held.to_dir, held.to_name, held.to_len);

	share->hints.held_move.dir = 0;
	if (!from.dir || !to.dir)
		return;
	from.ino = held.ino;
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
		struct hw_place from = hw_place_of(share, held->dir, held->name, held->len);
		struct hw_place to = hw_place_of(share, held->to_dir, held->to_name, held->to_len);

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
		hw_hint_decide_back(share);
	else if (share->hints.held_move.dir)
		release(share, all_read);
}

/* ---- the next hint ---- */

/* The second move is that of the other entry if it was an exchange. */
static void inverse_follows(struct hw_share *share, const struct hw_hint *next)
{
	uint64_t ino = hw_hint_ino(next);
	const struct hw_held held = share->hints.held_move;
	struct hw_place from = hw_place_of(share, held.dir, held.name, held.len);
	struct hw_place to = hw_place_of(share, held.to_dir, held.to_name, held.to_len);

	share->hints.held_move.dir = 0;
	if (!from.dir || !to.dir)
		return;
	from.ino = held.ino;
	to.ino = ino;
	hw_place_ignore_later(share, &to, held.ino);
	hw_place_ignore_later(share, &from, ino);
	if (held.ino && held.ino == ino)
		hw_hint_replaced_and_back(share, &held);
	else if (!(held.ino && ino) && hw_hint_may_be_back(share, &from, &to))
		hw_hint_hold_back(share, &held, to.present);
	else
		hw_hint_exchanged(share, &from, &to);
}

enum hw_held_answer hw_hint_ask_held(struct hw_share *share, const struct hw_hint *next)
{
	struct hw_held *held = &share->hints.held_move;

	if (!held->dir || (!share->hints.waiting.count && may_pass(held, next)))
		return HW_HELD_GO_ON;
	if (held->back)
		return hw_hint_ask_back(share, next);
	if (is_inverse(held, next)) {
		inverse_follows(share, next);
		return HW_HELD_PART;
	}
	/* The kernel queues both moves while the directories are locked: a hint about another name
	 * in them proves that there is no second move. */
	bool certain = next->what & HW_HINTS_OF_NAMES && is_in_held_dir(held, next);

	if (!certain && looks_swapped(share))
		return HW_HELD_WAIT;
	release(share, true);
	return HW_HELD_GO_ON;
}
