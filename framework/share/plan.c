/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reports the names of an observation in an order in which each step is possible: a rename needs
 * its new parent to exist, and its new name to be free or replaceable. Cycles of renames are
 * reported as exchanges.
 */
#include "plan.h"

#include "fill.h"
#include "quiet.h"

static struct hw_entry *entry_of(const struct hw_observation *o, uint32_t id)
{
	return hw_tree_entry(&o->share->tree, id);
}

/* Marks the entry and the directories above it. Adds their ids to *ret. If out of memory, they are
 * deleted with their content. */
static void mark_above(const struct hw_observation *o, uint32_t id, struct hw_ids *ret)
{
	for (; id && !(entry_of(o, id)->renamed & HW_MARK_HOLDS); id = entry_of(o, id)->parent) {
		if (hw_ids_add(ret, id) < 0)
			return;
		entry_of(o, id)->renamed |= HW_MARK_HOLDS;
	}
}

/* Marks the directories that contain the source of a pending move, which has to be moved out
 * first. */
static void mark_holders(const struct hw_observation *o, struct hw_ids *ret)
{
	for (uint32_t i = 0; i < o->count && o->moves; i++) {
		const struct hw_item *item = hw_observation_item(o, i);

		if (item->source && !item->done)
			mark_above(o, item->source, ret);
	}
}

/* Marks the awaited entries and the directories that contain one. */
static void mark_awaited(const struct hw_observation *o, struct hw_ids *ret)
{
	for (uint32_t i = 0; i < o->awaited.count; i++) {
		hw_share_rest(o->share);
		if (entry_of(o, o->awaited.ids[i])->flags & HW_ENTRY_GONE)
			mark_above(o, o->awaited.ids[i], ret);
	}
}

static void unmark_holders(const struct hw_observation *o, struct hw_ids *ids)
{
	for (uint32_t i = 0; i < ids->count; i++) {
		hw_share_rest(o->share);
		entry_of(o, ids->ids[i])->renamed &= (uint8_t)~HW_MARK_HOLDS;
	}
	hw_ids_free(ids);
}

static bool holds_a_source(const struct hw_observation *o, uint32_t id)
{
	const struct hw_entry *e = entry_of(o, id);

	return e->type == HW_TYPE_DIR && e->renamed & HW_MARK_HOLDS;
}

/* Returns whether the entry was reported as having left the share. */
static bool try_leave(struct hw_observation *o, struct hw_item *item)
{
	item->stays = false;
	if (item->inside || !(entry_of(o, item->entry)->flags & HW_ENTRY_GONE))
		return false;
	if (holds_a_source(o, item->entry)) {
		item->stays = o->any_stays = true;
		return false;
	}
	return hw_plan_leave(o, item);
}

/* Returns whether an entry left. `again`: only directories that held the source of a move. */
static bool leave_round(struct hw_observation *o, bool again)
{
	struct hw_ids holders = { 0 };
	bool progress = false;

	if (again && !o->any_stays)
		return false;
	o->any_stays = false;
	mark_holders(o, &holders);
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if ((item->finding == HW_FOUND_GONE || item->finding == HW_FOUND_REPLACED) &&
		    item->entry && !item->done && (!again || item->stays))
			progress |= try_leave(o, item);
	}
	unmark_holders(o, &holders);
	return progress;
}

/* ---- deletes and creates ---- */

static bool is_gone(const struct hw_observation *o, const struct hw_item *item)
{
	return (item->finding == HW_FOUND_GONE || item->finding == HW_FOUND_REPLACED) &&
	       item->entry && entry_of(o, item->entry)->flags & HW_ENTRY_GONE &&
	       hw_plan_is_alive_dir(o, item) && hw_plan_at_name(o, item) == item->entry;
}

/* Returns whether the name has another inode, without a known source: as far as can be known, it
 * was replaced and never absent. Not for directories: rename(2) replaces only empty ones. */
static bool is_replaced_in_place(const struct hw_observation *o, const struct hw_item *item)
{
	return item->finding == HW_FOUND_REPLACED && !item->done && !item->source &&
	       item->arrival != HW_ARRIVED_MOVED_IN && item->stat.type != HW_TYPE_DIR &&
	       is_gone(o, item) && entry_of(o, item->entry)->type != HW_TYPE_DIR;
}

/* Its close may have been reported under a name that was never examined, or before the directory
 * was watched; with a settle window, the window ends with that. */
static void add_new_file(struct hw_observation *o, uint32_t id, const struct hw_stat *stat)
{
	if (stat->size)
		(void)hw_ids_add(&o->share->fill.modified, id);
	if (!o->share->settle.window_ns)
		hw_quiet_found(o->share, id);
}

static void replace_in_place(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (!is_replaced_in_place(o, item))
			continue;
		item->entry = hw_history_replace(o->share, item->entry, &item->stat,
						 (enum hw_arrival)item->arrival);
		item->done = true;
		if (item->entry && item->arrival == HW_ARRIVED_NEW &&
		    item->stat.type == HW_TYPE_FILE)
			add_new_file(o, item->entry, &item->stat);
	}
}

/* Returns whether it deleted an entry. `blocking`: only entries whose name is needed. */
static bool delete_round(struct hw_observation *o, bool blocking)
{
	struct hw_ids holders = { 0 };
	bool progress = false;

	mark_holders(o, &holders);
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (!is_gone(o, item) || (blocking && item->finding != HW_FOUND_REPLACED) ||
		    holds_a_source(o, item->entry) || is_replaced_in_place(o, item))
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
	if (hw_plan_at_name(o, item))
		return;
	id = hw_history_create(o->share, (uint32_t)item->dir, item->name, item->len, &item->stat,
			       (enum hw_arrival)item->arrival);
	if (!id)
		return;
	if (item->stat.type == HW_TYPE_DIR)
		hw_fill_dir(o->share, id, HW_ARRIVED_NEW);
	else if (item->arrival == HW_ARRIVED_NEW && item->stat.type == HW_TYPE_FILE)
		add_new_file(o, id, &item->stat);
}

static bool is_create(const struct hw_item *item)
{
	return hw_plan_has_appeared(item) && !item->done && !item->source &&
	       item->arrival != HW_ARRIVED_MOVED_IN;
}

/* Creates one new directory, which a move may wait for when nothing else is possible. Returns
 * whether there was one. */
static bool create_needed(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (!is_create(item) || !hw_plan_is_alive_dir(o, item) ||
		    item->stat.type != HW_TYPE_DIR)
			continue;
		if (hw_plan_at_name(o, item))
			continue;
		create_one(o, item);
		return true;
	}
	return false;
}

static bool fill_moved_in(struct hw_observation *o, const struct hw_item *item)
{
	uint32_t id = item->entry;

	if (!hw_plan_has_appeared(item) || item->source || !item->done || !id ||
	    item->arrival != HW_ARRIVED_MOVED_IN || item->stat.type != HW_TYPE_DIR ||
	    !hw_plan_is_alive_dir(o, item) || hw_plan_at_name(o, item) != id ||
	    entry_of(o, id)->flags & HW_ENTRY_LISTED)
		return false;
	hw_fill_dir(o->share, id, HW_ARRIVED_WITH_DIR);
	return true;
}

/* Returns whether the directory is, or is below, one that will be moved into a new directory. */
static bool is_below_awaited(const struct hw_observation *o, uint32_t dir)
{
	for (uint32_t id = dir; id && id != HW_ROOT; id = entry_of(o, id)->parent)
		if (hw_plan_is_awaited(o, id) && entry_of(o, id)->flags & HW_ENTRY_GONE)
			return true;
	return false;
}

static bool create_holder(struct hw_observation *o, struct hw_item *item)
{
	if (fill_moved_in(o, item)) {
		item->holds = false;
		return true;
	}
	if (!is_create(item) || !hw_plan_is_alive_dir(o, item) || hw_plan_at_name(o, item))
		return false;
	create_one(o, item);
	return true;
}

/* A new directory may have the name of an entry that is gone: that one leaves or is deleted, unless
 * something is still to be moved out of it. Returns whether there was one. */
static bool free_names_of_holders(struct hw_observation *o)
{
	struct hw_ids marked = { 0 };
	bool progress = false;

	if (!o->awaited.count)
		return false;
	mark_holders(o, &marked);
	mark_awaited(o, &marked);
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (!item->holds || !is_create(item) || !is_gone(o, item) ||
		    entry_of(o, item->entry)->renamed & HW_MARK_HOLDS)
			continue;
		if (!try_leave(o, item))
			hw_history_delete(o->share, item->entry);
		item->entry = 0;
		progress = true;
	}
	unmark_holders(o, &marked);
	return progress;
}

/* Creates or fills new directories that an entry of the tree was moved into: that entry has not
 * left the share. A directory that will be moved into another one comes after it. */
static bool create_holders(struct hw_observation *o)
{
	bool progress = false;

	for (uint32_t i = 0; i < o->count; i++)
		if (hw_observation_item(o, i)->holds &&
		    !is_below_awaited(o, (uint32_t)o->items[i].dir))
			progress |= create_holder(o, &o->items[i]);
	for (uint32_t i = 0; i < o->count && !progress; i++)
		if (hw_observation_item(o, i)->holds)
			progress = create_holder(o, &o->items[i]);
	return progress;
}

/* No order was found: the remaining moves become deletes and creates. */
static void give_up_moves(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (!hw_plan_is_move(item) && !hw_plan_is_move_in(item))
			continue;
		if (item->source && hw_plan_source_is_valid(o, item)) {
			hw_history_delete(o->share, item->source);
			o->moves--;
		}
		item->source = 0;
		item->arrival = HW_ARRIVED_NEW;
	}
}

/* Lets entries leave, deletes those whose name is needed, or creates a missing directory. Returns
 * whether it did. */
static bool make_way(struct hw_plan *plan)
{
	if (!leave_round(plan->o, true) && !delete_round(plan->o, true) && !create_needed(plan->o))
		return false;
	hw_plan_stir(plan);
	return true;
}

/* An awaited entry that no listing found is in a directory that was moved into a new one. It is
 * noted as unverified, so that the next round finds it there. If something else has its name, it
 * may be below that, where no move leads. */
static void end_waiting(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count && o->awaited.count && !o->share->verify.stuck_seq; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (!item->entry || !hw_plan_is_awaited(o, item->entry) ||
		    !(entry_of(o, item->entry)->flags & HW_ENTRY_GONE))
			continue;
		item->inside = true;
		if (item->finding != HW_FOUND_GONE)
			continue;
		entry_of(o, item->entry)->flags &= (uint8_t)~HW_ENTRY_GONE;
		hw_unverified_entry(o->share, item->entry);
	}
	o->awaited.count = 0;
}

static int run_plan(struct hw_plan *plan)
{
	int r = hw_plan_run_moves(plan);

	while (r == 0 && (create_holders(plan->o) || free_names_of_holders(plan->o))) {
		hw_plan_stir(plan);
		r = hw_plan_run_moves(plan);
	}
	end_waiting(plan->o);
	(void)leave_round(plan->o, false);
	hw_plan_stir(plan);
	while (r == 0 && plan->pending) {
		r = hw_plan_run_moves(plan);
		if (r < 0 || !plan->pending)
			break;
		r = hw_plan_break_cycle(plan);
		if (r == 0 && !make_way(plan))
			break;
		r = r < 0 ? r : 0;
	}
	return r;
}

static void moves(struct hw_observation *o)
{
	struct hw_plan plan;

	if (hw_plan_init(&plan, o) < 0 || run_plan(&plan) < 0)
		hw_error("share %s: out of memory: renames are reported as delete and create",
			 o->share->name);
	hw_plan_free(&plan);
	give_up_moves(o);
	(void)leave_round(o, true);
}

/* Sorts again after the moves: the paths of items in moved directories have changed. */
void hw_plan_names(struct hw_observation *o)
{
	moves(o);
	hw_observation_sort(o);
	replace_in_place(o);
	while (delete_round(o, false))
		;
	hw_observation_sort(o);
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (is_create(item) && hw_plan_is_alive_dir(o, item))
			create_one(o, item);
		else
			(void)fill_moved_in(o, item);
	}
}
