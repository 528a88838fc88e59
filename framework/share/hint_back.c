/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No entry has the name of the other one on the disk, and the other one has lost its name. Either
 * the first one replaced the other and was renamed back, or both were exchanged, and the other name
 * was renamed or removed after that. Both begin with the same two records. If these identify the
 * inode, they say which it was; otherwise the next record about the other name decides. Without
 * such a record, the inode at the end of the first name's way does.
 */
#include "hint_places.h"
#include "hint_private.h"

#include <errno.h>
#include <string.h>

bool hw_hint_may_be_back(struct hw_share *share, const struct hw_place *from,
			 const struct hw_place *to)
{
	if (!from->id || !to->id || hw_place_has(share, from, to->id) ||
	    hw_place_has(share, to, to->id))
		return false;
	if (hw_place_has(share, to, from->id) && !hw_place_has(share, from, from->id))
		return false;
	return to->present || to->error == -ENOENT;
}

void hw_hint_hold_back(struct hw_share *share, const struct hw_held *held, bool taken)
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

void hw_hint_replaced_and_back(struct hw_share *share, const struct hw_held *held)
{
	struct hw_place from = hw_place_of(share, held->dir, held->name, held->len);
	struct hw_place to = hw_place_of(share, held->to_dir, held->to_name, held->to_len);

	from.ino = held->ino;
	to.present = false; /* what has this name now is another one */
	if (from.id && from.id != to.id)
		hw_hint_renamed(share, &from, &to);
	to = hw_place_of(share, held->to_dir, held->to_name, held->to_len);
	from = hw_place_of(share, held->dir, held->name, held->len);
	if (to.id && from.dir && to.id != from.id)
		hw_hint_renamed(share, &to, &from);
	hw_hint_check_source(share, &to);
}

/* `exchange`: a record says that the other name has an entry. */
static void release_back(struct hw_share *share, bool exchange)
{
	const struct hw_held held = share->hints.held_move;
	struct hw_place from = hw_place_of(share, held.dir, held.name, held.len);
	struct hw_place to = hw_place_of(share, held.to_dir, held.to_name, held.to_len);

	share->hints.held_move.dir = 0;
	if (!from.dir || !to.dir)
		return;
	if (exchange)
		hw_hint_exchanged(share, &from, &to);
	else
		hw_hint_replaced_and_back(share, &held);
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

		bool exchanged = next && hw_hint_is_inverse(hint, next);

		if (from && hint->what & HW_HINT_MOVED) {
			*p = hw_place_of(share, hint->to_dir, hint->to_name, hint->to_name_len);
			i += exchanged;
		} else if (is_onto(p, hint) && exchanged) {
			*p = hw_place_of(share, hint->dir, hint->name, hint->name_len);
			i++;
		} else if (is_onto(p, hint) || (from && hint->what & HW_HINTS_OF_NAMES)) {
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
	struct hw_place from = hw_place_of(share, held->dir, held->name, held->len);
	struct hw_place now = from;

	if (from.id && follow(share, &now) && now.present)
		return !hw_place_has(share, &now, from.id);
	return held->taken || held->covered;
}

enum hw_held_answer hw_hint_ask_back(struct hw_share *share, const struct hw_hint *next)
{
	struct hw_held *held = &share->hints.held_move;

	held->covered |= is_onto_other_name(held, next);
	if (held->covered || !is_other_name(held, next))
		return HW_HELD_WAIT;
	release_back(share, !(next->what & HW_HINT_CREATED));
	return HW_HELD_GO_ON;
}

void hw_hint_decide_back(struct hw_share *share)
{
	release_back(share, was_exchanged(share));
}
