/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by plan.c, plan_moves.c and plan_leave.c: the moves of an observation, and which of them
 * is next. */
#ifndef HW_PLAN_H
#define HW_PLAN_H

#include "heap.h"
#include "observe.h"

struct hw_plan_source {
	uint32_t entry, item;
};

/*
 * The moves. A move whose new name is still held by the source of another move waits for that move
 * only, so a chain of moves takes one step per move. Other moves that are not possible yet are
 * parked until a directory has moved or an entry was deleted or created.
 */
struct hw_plan {
	struct hw_observation *o; /* borrowed */
	struct hw_plan_source *sources; /* owned, by entry */
	uint32_t source_count;
	struct hw_heap now, next; /* items to try, in this pass and in the next one */
	struct hw_ids parked;
	bool stirred; /* parked items may be possible now */
	uint32_t pending; /* moves that are not done */
	uint32_t first; /* every move before this item is done */
	uint32_t cycle; /* no item before this one can begin an exchange */
};

/* Returns 0 or -ENOMEM; plan needs hw_plan_free() in both cases. */
int hw_plan_init(struct hw_plan *plan, struct hw_observation *o);
void hw_plan_free(struct hw_plan *plan);
/* Tries every move that may be possible, until none is left to try. Returns 0 or -ENOMEM. */
int hw_plan_run_moves(struct hw_plan *plan);
/* Every remaining move waits for another one: exchanges the source of the first one that allows it
 * with the entry that has its new name. Returns 1 if there was one, 0, or -ENOMEM. */
int hw_plan_break_cycle(struct hw_plan *plan);
/* Notes that parked moves may be possible now. */
void hw_plan_stir(struct hw_plan *plan);
/* Returns whether a listing of a new directory has yet to find this entry. */
bool hw_plan_is_awaited(const struct hw_observation *o, uint32_t id);
/* Returns false if the source was deleted with a parent: the item becomes a create. */
bool hw_plan_source_is_valid(struct hw_observation *o, struct hw_item *item);
/* plan_leave.c: reports that the entry of this item, whose name is gone, left the share, if a
 * record or its file handle says so. Returns whether it did. */
bool hw_plan_leave(struct hw_observation *o, struct hw_item *item);

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
