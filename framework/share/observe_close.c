/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "observe.h"

#include "quiet.h"
#include "sort.h"

#include <stdlib.h>

static struct hw_entry *entry_of(const struct hw_observation *o, uint32_t id)
{
	return hw_tree_entry(&o->share->tree, id);
}

static uint32_t file_of(const struct hw_observation *o, const struct hw_item *item)
{
	uint32_t dir = hw_tree_by_token(&o->share->tree, item->dir), id;

	id = dir ? hw_tree_find(&o->share->tree, dir, item->name, item->len) : 0;
	return id && entry_of(o, id)->type == HW_TYPE_FILE ? id : 0;
}

struct closed {
	uint32_t id;
	const struct hw_stat *seen; /* state of the item; NULL: the item has another inode */
	bool guess; /* no hint named this file: a lease decides */
};

static int compare_closed(const void *a, const void *b, void *tree)
{
	const struct closed *x = a, *y = b;

	int c = hw_tree_compare(tree, x->id, y->id);

	return c ? c : x->guess - y->guess;
}

static struct closed closed_item(const struct hw_observation *o, const struct hw_item *item,
				 uint32_t id)
{
	bool same = item->present && hw_tree_is_same(entry_of(o, id), &item->stat);

	return (struct closed){ .id = id, .seen = same ? &item->stat : NULL };
}

/* Returns whether a watcher reports closes in the directory of this file. */
static bool hears_closes(const struct hw_observation *o, uint32_t id)
{
	uint8_t watcher = entry_of(o, entry_of(o, id)->parent)->watcher;

	return watcher != HW_WATCHER_NONE &&
	       !(o->share->watchers.list[watcher].plugin->flags & HW_PLUGIN_SCANS);
}

/* Returns whether a new file may have been closed under a name that was never examined. */
static bool is_new_without_close(const struct hw_observation *o, const struct hw_item *item)
{
	uint32_t id = item->done && !item->source && !(item->what & HW_HINT_CLOSE_WRITE)
			      ? file_of(o, item)
			      : 0;

	return id && o->share->settle.window_ns && entry_of(o, id)->flags & HW_ENTRY_NEW;
}

static void add_try(const struct hw_observation *o, uint32_t id, struct closed *closed,
		    uint32_t *count)
{
	if (id && hears_closes(o, id))
		closed[(*count)++] = (struct closed){ .id = id, .guess = true };
}

/* Files in directories that are only scanned wait for the idle interval instead. */
static void add_tries(const struct hw_observation *o, struct closed *closed, uint32_t *count)
{
	for (uint32_t i = 0; i < o->found.count; i++)
		if (entry_of(o, o->found.ids[i])->flags & HW_ENTRY_NEW &&
		    entry_of(o, o->found.ids[i])->type == HW_TYPE_FILE)
			add_try(o, o->found.ids[i], closed, count);
	for (uint32_t i = 0; i < o->altered_count; i++)
		if (o->altered[i].kind == HW_MODIFY)
			add_try(o, o->altered[i].reported, closed, count);
	for (uint32_t i = 0; i < o->count; i++)
		if (hw_observation_item(o, i)->try_close || is_new_without_close(o, &o->items[i]))
			add_try(o, file_of(o, &o->items[i]), closed, count);
}

/* Finds the closes that were reported while the changes waited. A close reported under a name that
 * is gone belongs to a file that was renamed since, as editors do: renamed files are tried. Returns
 * the number; `closed` has room for three of each item, one of each file found and one of each
 * altered one. */
static uint32_t find_closed(const struct hw_observation *o, struct closed *closed)
{
	bool renamed = false;
	uint32_t count = 0;

	for (uint32_t i = 0; i < o->count; i++) {
		uint32_t id;

		if (!(hw_observation_item(o, i)->what & HW_HINT_CLOSE_WRITE))
			continue;
		id = file_of(o, &o->items[i]);
		renamed |= !id;
		if (id)
			closed[count++] = closed_item(o, &o->items[i], id);
	}
	for (uint32_t i = 0; renamed && i < o->count; i++) {
		const struct hw_item *item = hw_observation_item(o, i);
		uint32_t id = item->what & HW_HINT_MOVED ? file_of(o, item) : 0;

		if (id && entry_of(o, id)->flags & HW_ENTRY_DIRTY)
			closed[count++] = (struct closed){ .id = id, .guess = true };
	}
	add_tries(o, closed, &count);
	return count;
}

static void report(struct hw_share *share, const struct closed *closed)
{
	if (closed->guess)
		hw_quiet_try(share, closed->id);
	else
		hw_quiet_closed(share, closed->id, closed->seen);
}

/* An inode is closed once, under all its names; its place in the order is that of the first
 * name. If out of memory, it is that of another name. Returns false if the inode is in the list
 * already. */
static bool take_first_name(struct hw_observation *o, struct closed *closed)
{
	uint32_t *ids;
	int count;

	if (entry_of(o, closed->id)->nlink < 2)
		return true;
	if (!hw_observation_mark_names(o, closed->id, HW_MARK_REPORTED))
		return false;
	count = hw_history_names(o->share, closed->id, &ids);
	if (count > 0) {
		closed->id = ids[0];
		free(ids);
	}
	return true;
}

/* Returns the number of closes that are left. */
static uint32_t take_first_names(struct hw_observation *o, struct closed *closed, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		hw_share_rest(o->share);
		if (take_first_name(o, &closed[i]))
			closed[kept++] = closed[i];
	}
	hw_observation_unmark(o, HW_MARK_REPORTED);
	return kept;
}

void hw_observation_tell_closes(struct hw_observation *o)
{
	const struct hw_sort how = { compare_closed, &o->share->tree, &o->share->work };
	size_t room = 3 * (size_t)o->count + o->found.count + o->altered_count;
	struct closed *closed = reallocarray(NULL, room, sizeof(*closed));
	uint32_t count;

	if (!closed)
		return; /* they are reported after the idle interval */
	count = take_first_names(o, closed, find_closed(o, closed));
	hw_sort(closed, count, sizeof(*closed), &how);
	for (uint32_t i = 0; i < count; i++) {
		hw_share_rest(o->share);
		if (!i || closed[i].id != closed[i - 1].id)
			report(o->share, &closed[i]);
	}
	free(closed);
}
