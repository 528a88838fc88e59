/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names of an observation in an order in which each step is possible: a rename needs its new
 * parent to be there and its new name to be free or to vanish; what rotates is told as exchanges.
 */
#include "observe.h"

#include "fill.h"
#include "scan.h"

#include <stdlib.h>

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

static bool try_move(struct hw_observation *o, struct hw_item *item)
{
	uint32_t old;

	if (!source_is_valid(o, item))
		return true; /* told among the creates */
	if (!is_alive_dir(o, item) ||
	    hw_tree_is_below(&o->share->tree, (uint32_t)item->dir, item->source))
		return false;
	old = at_name(o, item);
	if (old == item->source) {
		item->done = true;
		o->moves--;
		return true;
	}
	if (old && !can_replace(o, old, item->stat.type))
		return false;
	hw_history_move(o->share, item->source, (uint32_t)item->dir, item->name, item->len,
			&item->stat);
	hw_observation_renamed(o, item->source);
	compare_moved(o, item->source);
	item->done = true;
	o->moves--;
	return true;
}

static bool try_move_in(struct hw_observation *o, struct hw_item *item)
{
	uint32_t old = is_alive_dir(o, item) ? at_name(o, item) : 0, id;

	if (!is_alive_dir(o, item) || (old && !can_replace(o, old, item->stat.type)))
		return false;
	if (old)
		id = hw_history_replace(o->share, old, &item->stat);
	else
		id = hw_history_create(o->share, (uint32_t)item->dir, item->name, item->len,
				       &item->stat, HW_ARRIVED_MOVED_IN);
	item->entry = id;
	item->done = true;
	return true;
}

/* Something still to be moved is below it: it must get out first. */
static bool holds_a_source(const struct hw_observation *o, uint32_t dir)
{
	if (!o->moves || entry_of(o, dir)->type != HW_TYPE_DIR)
		return false;
	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item *item = &o->items[i];

		if (item->source && !item->done &&
		    hw_tree_is_below(&o->share->tree, item->source, dir))
			return true;
	}
	return false;
}

/* As many as it had, or as there are names of it in the share: one that was made meanwhile is among
 * these, while the count is that of the last look. With fewer this name was removed. */
static uint16_t links_if_left(const struct hw_observation *o, const struct hw_entry *e)
{
	uint32_t names = 0, id = 0;

	while ((id = hw_tree_same_inode(&o->share->tree, e->fs, e->ino, id)))
		names++;
	return names > e->nlink ? (uint16_t)names : e->nlink;
}

static bool is_elsewhere(const struct hw_observation *o, uint32_t id)
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

static bool move_round(struct hw_observation *o)
{
	bool progress = false;

	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if (is_move(item))
			progress |= try_move(o, item);
		else if (is_move_in(item))
			progress |= try_move_in(o, item);
	}
	return progress;
}

static void leave_round(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if ((item->finding == HW_FOUND_GONE || item->finding == HW_FOUND_REPLACED) &&
		    item->entry && !item->done)
			(void)try_leave(o, item);
	}
}

/* Every move that is left waits for another: the first one swaps places with what holds its name.
 */
static bool break_cycle(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];
		uint32_t other;

		if (!is_move(item) || !is_alive_dir(o, item))
			continue;
		other = at_name(o, item);
		if (!other || entry_of(o, other)->flags & HW_ENTRY_GONE ||
		    hw_tree_is_below(&o->share->tree, other, item->source) ||
		    hw_tree_is_below(&o->share->tree, item->source, other))
			continue;
		hw_history_exchange(o->share, item->source, other);
		hw_observation_renamed(o, item->source);
		hw_observation_renamed(o, other);
		compare_moved(o, item->source);
		compare_moved(o, other);
		item->done = true;
		o->moves--;
		return true;
	}
	return false;
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
	bool progress = false;

	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if (!is_gone(o, item) || (blocking && item->finding != HW_FOUND_REPLACED) ||
		    holds_a_source(o, item->entry))
			continue;
		hw_history_delete(o->share, item->entry);
		item->entry = 0;
		progress = true;
	}
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

static bool is_waiting(const struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (is_move(&o->items[i]) || is_move_in(&o->items[i]))
			return true;
	return false;
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

static void moves(struct hw_observation *o)
{
	do {
		while (move_round(o))
			;
	} while (create_holders(o));
	leave_round(o);
	while (is_waiting(o)) {
		if (move_round(o) || break_cycle(o) || delete_round(o, true) || create_needed(o))
			continue;
		give_up_moves(o);
	}
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
