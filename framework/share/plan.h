/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between plan.c and plan_moves.c: the moves of an observation and which of them is next. */
#ifndef HW_PLAN_H
#define HW_PLAN_H

#include "heap.h"
#include "observe.h"

struct hw_plan_source {
	uint32_t entry, item;
};

/*
 * The moves. One whose new name is taken by the source of another waits for that one alone, so a
 * chain of any length takes a step for each of its moves. The others that cannot go yet are parked
 * until a directory moved or something was deleted or created.
 */
struct hw_plan {
	struct hw_observation *o; /* borrowed */
	struct hw_plan_source *sources; /* owned, by entry */
	uint32_t source_count;
	struct hw_heap now, next; /* items to try, in this round and in the next one */
	struct hw_ids parked;
	bool stirred; /* parked items may be able to go */
	uint32_t pending; /* moves that are not done */
	uint32_t first; /* every move before this item is done */
	uint32_t cycle; /* no item before this one can begin an exchange */
};

/* 0 or -ENOMEM, with a plan that needs hw_plan_free(). */
int hw_plan_init(struct hw_plan *plan, struct hw_observation *o);
void hw_plan_free(struct hw_plan *plan);
/* Tries every move that may be able to go, until none is left. 0 or -ENOMEM. */
int hw_plan_run_moves(struct hw_plan *plan);
/* Every move that is left waits for another: the first one swaps places with the entry that holds
 * its name. 1 when there was one, 0, -ENOMEM. */
int hw_plan_break_cycle(struct hw_plan *plan);
/* Parked moves may be able to go. */
void hw_plan_stir(struct hw_plan *plan);
/* A listing of a new directory is still to find the entry where it is now. */
bool hw_plan_is_awaited(const struct hw_observation *o, uint32_t id);
/* False when the source was lost with a parent that went away: the item is a create, then. */
bool hw_plan_source_is_valid(struct hw_observation *o, struct hw_item *item);

static inline uint32_t hw_plan_at_name(const struct hw_observation *o, const struct hw_item *item)
{
	return hw_tree_find(&o->share->tree, (uint32_t)item->dir, item->name, item->len);
}

static inline bool hw_plan_is_alive_dir(const struct hw_observation *o, const struct hw_item *item)
{
	return hw_tree_by_token(&o->share->tree, item->dir) != 0;
}

static inline bool hw_plan_has_appeared(const struct hw_item *item)
{
	return item->finding == HW_FOUND_APPEARED || item->finding == HW_FOUND_REPLACED;
}

static inline bool hw_plan_is_move(const struct hw_item *item)
{
	return hw_plan_has_appeared(item) && !item->done && item->source;
}

static inline bool hw_plan_is_move_in(const struct hw_item *item)
{
	return hw_plan_has_appeared(item) && !item->done && !item->source &&
	       item->arrival == HW_ARRIVED_MOVED_IN;
}

#endif
