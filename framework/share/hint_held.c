/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves onto a taken name: a later record says whether they are exchanges. */
#include "hint.h"
#include "hint_places.h"
#include "hint_private.h"
#include "lock.h"

#include <errno.h>
#include <string.h>

/*
 * The kernel reports an exchange as two moves, one right after the other. The first one looks like
 * a move that replaces an entry, so it is held until the next hint or the end of the iteration.
 * There the disk decides: if each entry is at the name of the other, it was an exchange, and the
 * second move is still to come.
 */
void hw_hint_hold(struct hw_share *share, const struct hw_hint *hint)
{
	struct hw_held *held = &share->hints.held_move;

	held->dir = hint->dir;
	held->to_dir = hint->to_dir;
	held->len = (uint8_t)hint->name_len;
	held->to_len = (uint8_t)hint->to_name_len;
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

static bool is_inverse(const struct hw_held *held, const struct hw_hint *hint)
{
	return hint->what & HW_HINT_MOVED && hint->dir == held->to_dir &&
	       hint->to_dir == held->dir && hint->name_len == held->to_len &&
	       hint->to_name_len == held->len &&
	       memcmp(hint->name, held->to_name, held->to_len) == 0 &&
	       memcmp(hint->to_name, held->name, held->len) == 0;
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
static bool must_wait(const struct hw_held *held, const struct hw_hint *next)
{
	if (!next)
		return false;
	return next->what & HW_HINT_GONE ||
	       (!(next->what & ENTRY_EVENTS) && !is_held_name(held, next));
}

/* ---- an entry that is back at its name ---- */

/*
 * An entry has its old name, and the other name is free. Either it replaced the other entry and was
 * renamed back, or both were exchanged, and the other name was renamed or removed after that. Both
 * begin with the same two records, so the next record about the other name decides.
 */
static bool is_back(struct hw_share *share, const struct hw_hint *next, const struct hw_place *from,
		    const struct hw_place *to)
{
	uint64_t ino = hw_hint_ino(next);

	return from->id && hw_place_has(share, from, from->id) && to->error == -ENOENT &&
	       (!ino || (uint32_t)ino == (uint32_t)from->stat.ino);
}

static void hold_back(struct hw_share *share, const struct hw_held *held)
{
	share->hints.held_move = *held;
	share->hints.held_move.back = true;
	share->hints.held_move.marked = false;
}

static bool is_other_name(const struct hw_held *held, const struct hw_hint *next)
{
	return next->dir == held->to_dir && next->name_len == held->to_len &&
	       memcmp(next->name, held->to_name, held->to_len) == 0;
}

/* Returns whether the record says that the other name has an entry. */
static bool says_exchange(const struct hw_held *held, const struct hw_hint *next)
{
	return is_other_name(held, next) && !(next->what & HW_HINT_CREATED);
}

/* Records about files under other names may arrive before the one that decides. */
static bool may_pass(const struct hw_held *held, const struct hw_hint *next)
{
	if (must_wait(held, next))
		return true;
	return !(next->what & (HW_HINT_MOVED | HW_HINT_LOOK)) && next->type != HW_TYPE_DIR &&
	       !is_held_name(held, next);
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
	return !hw_mark_is_reached(share, &held->mark);
}

static void replaced_and_back(struct hw_share *share, const struct hw_held *held)
{
	struct hw_place from = place_of(share, held->dir, held->name, held->len);
	struct hw_place to = place_of(share, held->to_dir, held->to_name, held->to_len);

	if (from.id && from.id != to.id)
		hw_hint_renamed(share, &from, &to);
	to = place_of(share, held->to_dir, held->to_name, held->to_len);
	from = place_of(share, held->dir, held->name, held->len);
	if (to.id && from.dir && to.id != from.id)
		hw_hint_renamed(share, &to, &from);
	hw_hint_check_source(share, &to);
}

static void release_back(struct hw_share *share, const struct hw_hint *next)
{
	const struct hw_held held = share->hints.held_move;
	struct hw_place from = place_of(share, held.dir, held.name, held.len);
	struct hw_place to = place_of(share, held.to_dir, held.to_name, held.to_len);

	share->hints.held_move.dir = 0;
	share->hints.held_move.back = false;
	if (!from.dir || !to.dir)
		return;
	if (next && says_exchange(&held, next))
		hw_hint_exchanged(share, &from, &to);
	else
		replaced_and_back(share, &held);
}

void hw_hint_expire_move(struct hw_share *share)
{
	struct hw_held *held = &share->hints.held_move;

	if (held->dir && !(held->back && may_follow(share, held)))
		(void)hw_hint_release_move(share, NULL);
}

/* ---- a hint, or the end of the iteration ---- */

bool hw_hint_release_move(struct hw_share *share, const struct hw_hint *next)
{
	struct hw_held *now = &share->hints.held_move;

	if (!now->dir || must_wait(now, next))
		return false;
	if (now->back) {
		if (!next || !may_pass(now, next))
			release_back(share, next);
		return false;
	}
	const struct hw_held held = *now;

	now->dir = 0;
	struct hw_place from = place_of(share, held.dir, held.name, held.len);
	struct hw_place to = place_of(share, held.to_dir, held.to_name, held.to_len);

	if (!from.dir || !to.dir)
		return false;
	if (next && is_inverse(&held, next)) {
		if (is_back(share, next, &from, &to))
			hold_back(share, &held);
		else
			hw_hint_exchanged(share, &from, &to);
		return true;
	}
	/* The kernel queues both moves while the directories are locked: a hint about another name
	 * in them proves that there is no second move. */
	bool certain = next && next->what & ENTRY_EVENTS && is_in_held_dir(&held, next);

	if (!certain && from.id && to.id && hw_place_has(share, &from, to.id) &&
	    hw_place_has(share, &to, from.id)) {
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
	return false;
}
