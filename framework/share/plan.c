/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names of an observation in an order in which each step is possible: a rename needs its new
 * parent to be there and its new name to be free or to vanish; what rotates is told as exchanges.
 */
#include "observe.h"

#include "fill.h"
#include "heap.h"
#include "scan.h"

#include <stdlib.h>

#define NO_ITEM UINT32_MAX

struct source {
	uint32_t entry, item;
};

/*
 * The moves. One whose new name is taken by the source of another waits for that one alone, so a
 * chain of any length takes a step for each of its moves. The others that cannot go yet are parked
 * until a directory moved or something was deleted or created.
 */
struct plan {
	struct hw_observation *o; /* borrowed */
	struct source *sources; /* owned, by entry */
	uint32_t source_count;
	struct hw_heap now, next; /* items to try, in this round and in the next one */
	struct hw_ids parked;
	bool stirred; /* parked items may be able to go */
	uint32_t pending; /* moves that are not done */
	uint32_t first; /* every move before this item is done */
	uint32_t cycle; /* no item before this one can begin an exchange */
};

static struct hw_entry *entry_of(const struct hw_observation *o, uint32_t id)
{
	return hw_tree_entry(&o->share->tree, id);
}

static uint32_t at_name(const struct hw_observation *o, const struct hw_item *item)
{
	return hw_tree_find(&o->share->tree, (uint32_t)item->dir, item->name, item->len);
}

static bool is_alive_dir(const struct hw_observation *o, const struct hw_item *item)
{
	return hw_tree_by_token(&o->share->tree, item->dir) != 0;
}

static bool has_appeared(const struct hw_item *item)
{
	return item->finding == HW_FOUND_APPEARED || item->finding == HW_FOUND_REPLACED;
}

/* rename(2) replaces a file by a file, an empty directory by a directory. */
static bool can_replace(const struct hw_observation *o, uint32_t old, uint8_t type)
{
	const struct hw_entry *e = entry_of(o, old);

	if (!(e->flags & HW_ENTRY_GONE))
		return false;
	if (e->type != HW_TYPE_DIR)
		return type != HW_TYPE_DIR;
	return type == HW_TYPE_DIR && !e->dir.first_child;
}

/* ---- moves ---- */

/* A walk may have passed the place where the directory is now: what is in it is compared there. */
static void compare_moved(struct hw_observation *o, uint32_t id)
{
	if (o->since_ns && entry_of(o, id)->type == HW_TYPE_DIR)
		hw_scan_below(o->share, id);
}

/* Moves whose source was lost with a parent that went away are creates. */
static bool source_is_valid(struct hw_observation *o, struct hw_item *item)
{
	const struct hw_entry *e = entry_of(o, item->source);

	if (e->type != item->stat.type || e->ino != item->stat.ino || e->fs != item->stat.fs ||
	    (item->source_token &&
	     hw_tree_by_token(&o->share->tree, item->source_token) != item->source)) {
		item->source = 0;
		item->arrival = HW_ARRIVED_NEW;
		o->moves--;
		return false;
	}
	return true;
}

/* Returns whether the item needs no further try. *ret_holder: the entry at its new name that is in
 * the way, or 0. */
static bool try_move(struct hw_observation *o, struct hw_item *item, uint32_t *ret_holder)
{
	uint32_t old;

	if (!source_is_valid(o, item))
		return true; /* reported among the creates */
	if (!is_alive_dir(o, item) ||
	    hw_tree_is_below(&o->share->tree, (uint32_t)item->dir, item->source))
		return false;
	old = at_name(o, item);
	if (old == item->source) {
		item->done = true;
		o->moves--;
		return true;
	}
	if (old && !can_replace(o, old, item->stat.type)) {
		*ret_holder = old;
		return false;
	}
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
	uint32_t old = is_alive_dir(o, item) ? at_name(o, item) : 0, id;

	if (!is_alive_dir(o, item))
		return false;
	if (old && !can_replace(o, old, item->stat.type)) {
		*ret_holder = old;
		return false;
	}
	if (old)
		id = hw_history_replace(o->share, old, &item->stat);
	else
		id = hw_history_create(o->share, (uint32_t)item->dir, item->name, item->len,
				       &item->stat, HW_ARRIVED_MOVED_IN);
	item->entry = id;
	item->done = true;
	return true;
}

/* Marks the directories that something still to be moved is below: that must get out first. Their
 * ids go to *ret. */
static void mark_holders(const struct hw_observation *o, struct hw_ids *ret)
{
	for (uint32_t i = 0; i < o->count && o->moves; i++) {
		const struct hw_item *item = &o->items[i];
		uint32_t id = item->source && !item->done ? item->source : 0;

		/* hw_tree_is_below() holds for the directory itself as well. */
		for (; id && !(entry_of(o, id)->renamed & HW_MARK_HOLDS);
		     id = entry_of(o, id)->parent) {
			if (hw_ids_add(ret, id) < 0)
				return; /* such a directory is deleted with what is in it */
			entry_of(o, id)->renamed |= HW_MARK_HOLDS;
		}
	}
}

static void unmark_holders(const struct hw_observation *o, struct hw_ids *ids)
{
	for (uint32_t i = 0; i < ids->count; i++)
		entry_of(o, ids->ids[i])->renamed &= (uint8_t)~HW_MARK_HOLDS;
	hw_ids_free(ids);
}

static bool holds_a_source(const struct hw_observation *o, uint32_t id)
{
	const struct hw_entry *e = entry_of(o, id);

	return e->type == HW_TYPE_DIR && e->renamed & HW_MARK_HOLDS;
}

static uint32_t count_names(struct hw_observation *o, const struct hw_entry *e)
{
	uint32_t id = 0;

	if (o->counted.names && o->counted.ino == e->ino && o->counted.fs == e->fs)
		return o->counted.names;
	o->counted.names = 0;
	while ((id = hw_tree_same_inode(&o->share->tree, e->fs, e->ino, id)))
		o->counted.names++;
	o->counted.ino = e->ino;
	o->counted.fs = e->fs;
	return o->counted.names;
}

/* As many as it had, or as there are names of it in the share: one that was made meanwhile is among
 * these, while the count is that of the last look. With fewer this name was removed. */
static uint16_t links_if_left(struct hw_observation *o, const struct hw_entry *e)
{
	uint32_t names = count_names(o, e);

	return names > e->nlink ? (uint16_t)names : e->nlink;
}

static bool is_elsewhere(struct hw_observation *o, uint32_t id)
{
	const struct hw_entry *e = entry_of(o, id);

	return hw_disk_is_alive(&o->share->disk, e, links_if_left(o, e));
}

static bool try_leave(struct hw_observation *o, struct hw_item *item)
{
	if (!(entry_of(o, item->entry)->flags & HW_ENTRY_GONE))
		return true;
	if (holds_a_source(o, item->entry))
		return false;
	/* When the root came back, or another watcher took over, nobody knows what left meanwhile.
	 */
	if (!(item->what & HW_HINT_GONE) && (o->share->scan.rearm || !is_elsewhere(o, item->entry)))
		return false;
	o->counted.names = 0;
	hw_history_leave(o->share, item->entry);
	item->entry = 0;
	return true;
}

static bool is_move(const struct hw_item *item)
{
	return has_appeared(item) && !item->done && item->source;
}

static bool is_move_in(const struct hw_item *item)
{
	return has_appeared(item) && !item->done && !item->source &&
	       item->arrival == HW_ARRIVED_MOVED_IN;
}

static void leave_round(struct hw_observation *o)
{
	struct hw_ids holders = { 0 };

	mark_holders(o, &holders);
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if ((item->finding == HW_FOUND_GONE || item->finding == HW_FOUND_REPLACED) &&
		    item->entry && !item->done)
			(void)try_leave(o, item);
	}
	unmark_holders(o, &holders);
}

/* ---- which move is next ---- */

static int compare_sources(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	return (x->entry > y->entry) - (x->entry < y->entry);
}

/* The pending move of this entry. */
static uint32_t item_of_source(const struct plan *plan, uint32_t entry)
{
	struct source key = { .entry = entry };
	const struct source *found = NULL;

	if (plan->source_count)
		found = bsearch(&key, plan->sources, plan->source_count, sizeof(key),
				compare_sources);
	if (!found || !is_move(&plan->o->items[found->item]) ||
	    plan->o->items[found->item].source != entry)
		return NO_ITEM;
	return found->item;
}

static int plan_init(struct plan *plan, struct hw_observation *o)
{
	*plan = (struct plan){ .o = o };
	plan->sources = malloc((o->moves ? o->moves : 1) * sizeof(*plan->sources));
	if (!plan->sources)
		return -ENOMEM;
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		item->waiter = NO_ITEM;
		if (!is_move(item) && !is_move_in(item))
			continue;
		plan->pending++;
		if (hw_heap_push(&plan->now, i) < 0)
			return -ENOMEM;
		if (is_move(item))
			plan->sources[plan->source_count++] = (struct source){ item->source, i };
	}
	qsort(plan->sources, plan->source_count, sizeof(*plan->sources), compare_sources);
	return 0;
}

static void plan_free(struct plan *plan)
{
	free(plan->sources);
	hw_heap_free(&plan->now);
	hw_heap_free(&plan->next);
	hw_ids_free(&plan->parked);
}

/* A round tries items in the order of paths: one that lies behind waits for the next round. */
static int try_again(struct plan *plan, uint32_t item, uint32_t current)
{
	if (item == NO_ITEM)
		return 0;
	return hw_heap_push(item > current ? &plan->now : &plan->next, item);
}

/* The source of this item has left its old name, or never will. */
static int wake_waiter(struct plan *plan, uint32_t i)
{
	uint32_t waiter = plan->o->items[i].waiter;

	plan->o->items[i].waiter = NO_ITEM;
	return try_again(plan, waiter, i);
}

static void stir(struct plan *plan)
{
	const struct hw_observation *o = plan->o;

	plan->stirred = true;
	while (plan->first < o->count && !is_move(&o->items[plan->first]) &&
	       !is_move_in(&o->items[plan->first]))
		plan->first++;
	plan->cycle = plan->first;
}

static int wait_for(struct plan *plan, uint32_t i, uint32_t holder)
{
	uint32_t first = holder ? item_of_source(plan, holder) : NO_ITEM;

	if (first == NO_ITEM || first == i)
		return hw_ids_add(&plan->parked, i);
	plan->o->items[first].waiter = i; /* the only one: two items never share a name */
	return 0;
}

static int try_item(struct plan *plan, uint32_t i)
{
	struct hw_observation *o = plan->o;
	struct hw_item *item = &o->items[i];
	bool move = is_move(item), gone;
	uint32_t holder = 0, source = item->source;

	if (!move && !is_move_in(item))
		return 0; /* done meanwhile */
	uint32_t parent = move ? entry_of(o, source)->parent : 0;

	gone = move ? try_move(o, item, &holder) : try_move_in(o, item, &holder);
	if (!gone)
		return wait_for(plan, i, holder);
	plan->pending--;
	if (item->stat.type == HW_TYPE_DIR ||
	    (parent && entry_of(o, parent)->flags & HW_ENTRY_GONE))
		stir(plan);
	return wake_waiter(plan, i);
}

/* Tries every move that may be able to go, until none is left. */
static int run_moves(struct plan *plan)
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
			while (r == 0 && hw_heap_pop(&plan->now, &i))
				r = try_item(plan, i);
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

/* The moves of both entries, and the one that waited for item's old name, look again. */
static int exchange(struct plan *plan, uint32_t i, uint32_t other)
{
	struct hw_observation *o = plan->o;
	struct hw_item *item = &o->items[i];
	uint32_t partner = item_of_source(plan, other);
	int r;

	hw_history_exchange(o->share, item->source, other);
	hw_observation_renamed(o, item->source);
	hw_observation_renamed(o, other);
	compare_moved(o, item->source);
	compare_moved(o, other);
	item->done = true;
	o->moves--;
	plan->pending--;
	if (item->stat.type == HW_TYPE_DIR || entry_of(o, other)->type == HW_TYPE_DIR)
		stir(plan);
	r = wake_waiter(plan, i);
	if (r == 0 && partner != NO_ITEM)
		r = try_again(plan, partner, i);
	return r;
}

/* Every move that is left waits for another: the first one swaps places with the entry that holds
 * its name. 1 when there was one, 0, -ENOMEM. */
static int break_cycle(struct plan *plan)
{
	struct hw_observation *o = plan->o;

	for (; plan->cycle < o->count; plan->cycle++) {
		struct hw_item *item = &o->items[plan->cycle];
		uint32_t other;

		if (!is_move(item) || !is_alive_dir(o, item))
			continue;
		other = at_name(o, item);
		if (!can_exchange(o, item, other))
			continue;
		int r = exchange(plan, plan->cycle, other);

		return r < 0 ? r : 1;
	}
	return 0;
}

/* ---- deletes and creates ---- */

static bool is_gone(const struct hw_observation *o, const struct hw_item *item)
{
	uint32_t id = is_alive_dir(o, item) ? at_name(o, item) : 0;

	return (item->finding == HW_FOUND_GONE || item->finding == HW_FOUND_REPLACED) && id &&
	       id == item->entry && entry_of(o, id)->flags & HW_ENTRY_GONE;
}

/* Returns whether it deleted something. `blocking`: only what holds a name that is needed. */
static bool delete_round(struct hw_observation *o, bool blocking)
{
	struct hw_ids holders = { 0 };
	bool progress = false;

	mark_holders(o, &holders);
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if (!is_gone(o, item) || (blocking && item->finding != HW_FOUND_REPLACED) ||
		    holds_a_source(o, item->entry))
			continue;
		hw_history_delete(o->share, item->entry);
		item->entry = 0;
		progress = true;
	}
	unmark_holders(o, &holders);
	return progress;
}

static void create_one(struct hw_observation *o, struct hw_item *item)
{
	uint32_t id;

	item->done = true;
	if (at_name(o, item))
		return;
	id = hw_history_create(o->share, (uint32_t)item->dir, item->name, item->len, &item->stat,
			       (enum hw_arrival)item->arrival);
	if (!id)
		return;
	if (item->stat.type == HW_TYPE_DIR)
		hw_fill_dir(o->share, id, HW_ARRIVED_NEW);
	else if (item->arrival == HW_ARRIVED_NEW && item->stat.type == HW_TYPE_FILE &&
		 item->stat.size)
		(void)hw_ids_add(&o->share->modified, id);
}

static bool is_create(const struct hw_item *item)
{
	return has_appeared(item) && !item->done && !item->source &&
	       item->arrival != HW_ARRIVED_MOVED_IN;
}

/* A new directory that a move waits for, when nothing else can go on. */
static bool create_needed(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if (!is_create(item) || !is_alive_dir(o, item) || item->stat.type != HW_TYPE_DIR)
			continue;
		if (at_name(o, item))
			continue;
		create_one(o, item);
		return true;
	}
	return false;
}

/* New directories that something was moved into, by which it has not left. */
static bool create_holders(struct hw_observation *o)
{
	bool progress = false;

	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if (!item->holds || !is_create(item) || !is_alive_dir(o, item) || at_name(o, item))
			continue;
		create_one(o, item);
		progress = true;
	}
	return progress;
}

/* No order was found: what is left becomes deletes and creates. */
static void give_up_moves(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if (!is_move(item) && !is_move_in(item))
			continue;
		if (item->source && source_is_valid(o, item)) {
			hw_history_delete(o->share, item->source);
			o->moves--;
		}
		item->source = 0;
		item->arrival = HW_ARRIVED_NEW;
	}
}

/* Something that stood in the way is gone, or a directory is there that was missing. */
static bool make_way(struct plan *plan)
{
	if (!delete_round(plan->o, true) && !create_needed(plan->o))
		return false;
	stir(plan);
	return true;
}

static int run_plan(struct plan *plan)
{
	int r = run_moves(plan);

	while (r == 0 && create_holders(plan->o)) {
		stir(plan);
		r = run_moves(plan);
	}
	leave_round(plan->o);
	stir(plan);
	while (r == 0 && plan->pending) {
		r = run_moves(plan);
		if (r < 0 || !plan->pending)
			break;
		r = break_cycle(plan);
		if (r == 0 && !make_way(plan))
			break;
		r = r < 0 ? r : 0;
	}
	return r;
}

static void moves(struct hw_observation *o)
{
	struct plan plan;

	if (plan_init(&plan, o) < 0 || run_plan(&plan) < 0)
		hw_error("share %s: out of memory: renames are reported as delete and create",
			 o->share->name);
	plan_free(&plan);
	give_up_moves(o);
}

static void fill_moved_in(struct hw_observation *o, const struct hw_item *item)
{
	uint32_t id = item->entry;

	if (has_appeared(item) && !item->source && item->arrival == HW_ARRIVED_MOVED_IN &&
	    item->done && id && is_alive_dir(o, item) && at_name(o, item) == id &&
	    item->stat.type == HW_TYPE_DIR)
		hw_fill_dir(o->share, id, HW_ARRIVED_WITH_DIR);
}

/* A moved directory may bring items along whose directory was in another place when they were
 * sorted. */
void hw_plan_names(struct hw_observation *o)
{
	moves(o);
	while (delete_round(o, false))
		;
	hw_observation_sort(o);
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if (is_create(item) && is_alive_dir(o, item))
			create_one(o, item);
		else
			fill_moved_in(o, item);
	}
}
