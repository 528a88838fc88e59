/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves onto a taken name: a later record says whether they are exchanges. */
#include "hint.h"
#include "hint_places.h"
#include "hint_private.h"

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

/* Returns whether an entry replaced another and was renamed back: its two moves are those of an
 * exchange, but the replaced entry no longer exists. The same is found after an exchange if one of
 * the entries replaced the other later: then the second record, `next`, is about the other. */
static bool came_back(struct hw_share *share, const struct hw_hint *next,
		      const struct hw_place *from, const struct hw_place *to)
{
	uint64_t ino = hw_hint_ino(next);

	return from->id && hw_place_has(share, from, from->id) && to->error == -ENOENT &&
	       (!ino || (uint32_t)ino == (uint32_t)from->stat.ino);
}

bool hw_hint_release_move(struct hw_share *share, const struct hw_hint *next)
{
	if (!share->hints.held_move.dir || must_wait(&share->hints.held_move, next))
		return false;
	const struct hw_held held = share->hints.held_move;

	share->hints.held_move.dir = 0;
	struct hw_place from = place_of(share, held.dir, held.name, held.len);
	struct hw_place to = place_of(share, held.to_dir, held.to_name, held.to_len);

	if (!from.dir || !to.dir)
		return false;
	if (next && is_inverse(&held, next) && !came_back(share, next, &from, &to)) {
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
