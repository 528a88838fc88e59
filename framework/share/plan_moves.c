/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include "scan.h"
#include "sort.h"

#include <errno.h>
#include <stdlib.h>

#define NO_ITEM UINT32_MAX

static struct hw_entry *entry_of(const struct hw_observation *o, uint32_t id)
{
	return hw_tree_entry(&o->share->tree, id);
}

bool hw_plan_is_awaited(const struct hw_observation *o, uint32_t id)
{
	const struct hw_ids *awaited = &o->awaited;

	return awaited->count &&
	       bsearch(&id, awaited->ids, awaited->count, sizeof(*awaited->ids), hw_compare_ids);
}

/* rename(2) replaces a file by a file, an empty directory by a directory. */
static bool can_replace(const struct hw_observation *o, uint32_t old, uint8_t type)
{
	const struct hw_entry *e = entry_of(o, old);

	if (!(e->flags & HW_ENTRY_GONE) || hw_plan_is_awaited(o, old))
		return false;
	if (e->type != HW_TYPE_DIR)
		return type != HW_TYPE_DIR;
	return type == HW_TYPE_DIR && !e->dir.first_child;
}

/* Reports that a directory left the share before another one takes its name: rename(2) would have
 * replaced it as well, since it is empty. A file is replaced in both cases (rule 3). */
static bool has_left(struct hw_observation *o, struct hw_item *item, uint32_t old)
{
	return item->entry == old && entry_of(o, old)->type == HW_TYPE_DIR &&
	       hw_plan_leave(o, item);
}

/* ---- moves ---- */

static void compare_moved(struct hw_observation *o, uint32_t id)
{
	if (o->share->verify.compares && entry_of(o, id)->type == HW_TYPE_DIR)
		hw_scan_below(o->share, id);
}

bool hw_plan_source_is_valid(struct hw_observation *o, struct hw_item *item)
{
	if (hw_tree_is_same(entry_of(o, item->source), &item->stat))
		return true;
	item->source = 0;
	item->arrival = HW_ARRIVED_NEW;
	o->moves--;
	return false;
}

/* Returns whether the item needs no further try. *ret_holder: the entry that blocks its new name,
 * or 0. */
static bool try_move(struct hw_observation *o, struct hw_item *item, uint32_t *ret_holder)
{
	uint32_t old;

	if (!hw_plan_source_is_valid(o, item))
		return true; /* reported among the creates */
	if (!hw_plan_is_alive_dir(o, item) ||
	    hw_tree_is_below(&o->share->tree, (uint32_t)item->dir, item->source))
		return false;
	old = hw_plan_at_name(o, item);
	if (old == item->source) {
		item->done = true;
		o->moves--;
		return true;
	}
	if (old && !can_replace(o, old, item->stat.type)) {
		*ret_holder = old;
		return false;
	}
	if (old)
		(void)has_left(o, item, old); /* the name is free, or the move replaces it */
	hw_history_move(o->share, item->source, (uint32_t)item->dir, item->name, item->len,
			&item->stat);
	hw_observation_renamed(o, item->source);
	compare_moved(o, item->source);
	item->done = true;
	o->moves--;
	return true;
}

static bool try_move_in(struct hw_observation *o, struct hw_item *item, uint32_t *ret_holder)
{
	uint32_t old = hw_plan_is_alive_dir(o, item) ? hw_plan_at_name(o, item) : 0, id;

	if (!hw_plan_is_alive_dir(o, item))
		return false;
	if (old && !can_replace(o, old, item->stat.type)) {
		*ret_holder = old;
		return false;
	}
	if (old && !has_left(o, item, old))
		id = hw_history_replace(o->share, old, &item->stat, HW_ARRIVED_MOVED_IN);
	else
		id = hw_history_create(o->share, (uint32_t)item->dir, item->name, item->len,
				       &item->stat, HW_ARRIVED_MOVED_IN);
	item->entry = id;
	item->done = true;
	return true;
}

/* ---- which move is next ---- */

static int compare_sources(const void *a, const void *b)
{
	const struct hw_plan_source *x = a, *y = b;

	return (x->entry > y->entry) - (x->entry < y->entry);
}

/* Returns the item of the pending move of this entry, or NO_ITEM. */
static uint32_t item_of_source(const struct hw_plan *plan, uint32_t entry)
{
	struct hw_plan_source key = { .entry = entry };
	const struct hw_plan_source *found = NULL;

	if (plan->source_count)
		found = bsearch(&key, plan->sources, plan->source_count, sizeof(key),
				compare_sources);
	if (!found || !hw_plan_is_move(&plan->o->items[found->item]) ||
	    plan->o->items[found->item].source != entry)
		return NO_ITEM;
	return found->item;
}

static int compare_for_sort(const void *a, const void *b, void *arg)
{
	(void)arg;
	return compare_sources(a, b);
}

int hw_plan_init(struct hw_plan *plan, struct hw_observation *o)
{
	const struct hw_sort how = { compare_for_sort, NULL, &o->share->work };

	*plan = (struct hw_plan){ .o = o };
	plan->sources = malloc((o->moves ? o->moves : 1) * sizeof(*plan->sources));
	if (!plan->sources)
		return -ENOMEM;
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		item->waiter = NO_ITEM;
		if (!hw_plan_is_move(item) && !hw_plan_is_move_in(item))
			continue;
		plan->pending++;
		if (hw_heap_push(&plan->now, i) < 0)
			return -ENOMEM;
		if (hw_plan_is_move(item))
			plan->sources[plan->source_count++] =
				(struct hw_plan_source){ item->source, i };
	}
	hw_sort(plan->sources, plan->source_count, sizeof(*plan->sources), &how);
	return 0;
}

void hw_plan_free(struct hw_plan *plan)
{
	free(plan->sources);
	hw_heap_free(&plan->now);
	hw_heap_free(&plan->next);
	hw_ids_free(&plan->parked);
}

/* A pass tries items in path order: an item before the current one waits for the next pass. */
static int try_again(struct hw_plan *plan, uint32_t item, uint32_t current)
{
	if (item == NO_ITEM)
		return 0;
	return hw_heap_push(item > current ? &plan->now : &plan->next, item);
}

/* The source of this item has left its old name, or never will: the item that waits for this name
 * is tried again. */
static int wake_waiter(struct hw_plan *plan, uint32_t i)
{
	uint32_t waiter = plan->o->items[i].waiter;

	plan->o->items[i].waiter = NO_ITEM;
	return try_again(plan, waiter, i);
}

void hw_plan_stir(struct hw_plan *plan)
{
	const struct hw_observation *o = plan->o;

	plan->stirred = true;
	while (plan->first < o->count && !hw_plan_is_move(&o->items[plan->first]) &&
	       !hw_plan_is_move_in(&o->items[plan->first]))
		plan->first++;
	plan->cycle = plan->first;
}

static int wait_for(struct hw_plan *plan, uint32_t i, uint32_t holder)
{
	uint32_t first = holder ? item_of_source(plan, holder) : NO_ITEM;

	if (first == NO_ITEM || first == i)
		return hw_ids_add(&plan->parked, i);
	plan->o->items[first].waiter = i; /* the only one: two items never share a name */
	return 0;
}

static int try_item(struct hw_plan *plan, uint32_t i)
{
	struct hw_observation *o = plan->o;
	struct hw_item *item = &o->items[i];
	bool move = hw_plan_is_move(item), gone;
	uint32_t holder = 0, source = item->source;

	if (!move && !hw_plan_is_move_in(item))
		return 0; /* done meanwhile */
	uint32_t parent = move ? entry_of(o, source)->parent : 0;

	gone = move ? try_move(o, item, &holder) : try_move_in(o, item, &holder);
	if (!gone)
		return wait_for(plan, i, holder);
	plan->pending--;
	if (item->stat.type == HW_TYPE_DIR ||
	    (parent && entry_of(o, parent)->flags & HW_ENTRY_GONE))
		hw_plan_stir(plan);
	return wake_waiter(plan, i);
}

int hw_plan_run_moves(struct hw_plan *plan)
{
	uint32_t i;
	int r = 0;

	do {
		while (r == 0 && plan->stirred && plan->parked.count)
			r = hw_heap_push(&plan->next, plan->parked.ids[--plan->parked.count]);
		plan->stirred = false;
		while (r == 0 && (plan->now.count || plan->next.count)) {
			if (!plan->now.count) {
				struct hw_heap empty = plan->now;

				plan->now = plan->next;
				plan->next = empty;
			}
			while (r == 0 && hw_heap_pop(&plan->now, &i)) {
				hw_share_rest(plan->o->share);
				r = try_item(plan, i);
			}
		}
	} while (r == 0 && plan->stirred && plan->parked.count);
	return r;
}

static bool can_exchange(const struct hw_observation *o, const struct hw_item *item, uint32_t other)
{
	return other && !(entry_of(o, other)->flags & HW_ENTRY_GONE) &&
	       !hw_tree_is_below(&o->share->tree, other, item->source) &&
	       !hw_tree_is_below(&o->share->tree, item->source, other);
}

/* Exchanges the source of item i with the other entry. The move of the other entry, and the move
 * that waits for the old name, are tried again. */
static int exchange(struct hw_plan *plan, uint32_t i, uint32_t other)
{
	struct hw_observation *o = plan->o;
	struct hw_item *item = &o->items[i];
	uint32_t partner = item_of_source(plan, other);
	int r;

	hw_history_exchange(o->share, item->source, other);
	entry_of(o, item->source)->unseen = entry_of(o, other)->unseen = 0;
	hw_observation_renamed(o, item->source);
	hw_observation_renamed(o, other);
	compare_moved(o, item->source);
	compare_moved(o, other);
	item->done = true;
	o->moves--;
	plan->pending--;
	if (item->stat.type == HW_TYPE_DIR || entry_of(o, other)->type == HW_TYPE_DIR)
		hw_plan_stir(plan);
	r = wake_waiter(plan, i);
	if (r == 0 && partner != NO_ITEM)
		r = try_again(plan, partner, i);
	return r;
}

int hw_plan_break_cycle(struct hw_plan *plan)
{
	struct hw_observation *o = plan->o;

	for (; plan->cycle < o->count; plan->cycle++) {
		struct hw_item *item = hw_observation_item(o, plan->cycle);
		uint32_t other;

		if (!hw_plan_is_move(item) || !hw_plan_is_alive_dir(o, item))
			continue;
		other = hw_plan_at_name(o, item);
		if (!can_exchange(o, item, other))
			continue;
		int r = exchange(plan, plan->cycle, other);

		return r < 0 ? r : 1;
	}
	return 0;
}
