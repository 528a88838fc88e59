/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "observe.h"

#include "ahead.h"
#include "arm.h"
#include "fill.h"
#include "history.h"
#include "quiet.h"
#include "retry.h"
#include "scan.h"
#include "settle.h"
#include "sort.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct hw_entry *entry_of(const struct hw_observation *o, uint32_t id)
{
	return hw_tree_entry(&o->share->tree, id);
}

/* ---- classifying ---- */

static void classify_present(struct hw_observation *o, struct hw_item *item)
{
	if (!item->entry)
		item->finding = HW_FOUND_APPEARED;
	else
		item->finding = entry_of(o, item->entry)->flags & HW_ENTRY_GONE ? HW_FOUND_REPLACED
										: HW_FOUND_CHANGED;
}

static void classify(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (!item->resolved || item->refused)
			continue;
		if (item->present)
			classify_present(o, item);
		else if (item->entry)
			item->finding = HW_FOUND_GONE;
	}
}

static bool has_appeared(const struct hw_item *item)
{
	return item->finding == HW_FOUND_APPEARED || item->finding == HW_FOUND_REPLACED;
}

static int compare_inodes(const struct hw_entry *x, uint16_t fs, uint64_t ino)
{
	if (x->fs != fs)
		return x->fs < fs ? -1 : 1;
	return (x->ino > ino) - (x->ino < ino);
}

static int compare_gone(const void *a, const void *b, void *arg)
{
	const struct hw_tree *tree = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct hw_entry *e = hw_tree_entry(tree, y);
	int c = compare_inodes(hw_tree_entry(tree, x), e->fs, e->ino);

	return c ? c : hw_tree_compare(tree, x, y);
}

static void collect_gone(struct hw_observation *o)
{
	const struct hw_sort how = { compare_gone, &o->share->tree, &o->share->work };

	for (uint32_t i = 0; i < o->count; i++) {
		uint32_t id = hw_observation_item(o, i)->entry;

		if (id && entry_of(o, id)->flags & HW_ENTRY_GONE)
			(void)hw_ids_add(&o->gone, id); /* if out of memory: delete and create */
	}
	hw_sort(o->gone.ids, o->gone.count, sizeof(*o->gone.ids), &how);
}

static uint32_t first_gone(const struct hw_observation *o, const struct hw_stat *stat)
{
	uint32_t low = 0, high = o->gone.count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_inodes(entry_of(o, o->gone.ids[middle]), stat->fs, stat->ino) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Returns the first entry by path that has this inode, whose name is gone, and which is not a
 * source yet; 0: none. */
static uint32_t gone_source(struct hw_observation *o, const struct hw_stat *stat)
{
	uint32_t i = first_gone(o, stat);

	for (; i < o->gone.count; i++) {
		struct hw_entry *e = entry_of(o, o->gone.ids[i]);

		if (compare_inodes(e, stat->fs, stat->ino) != 0)
			return 0;
		if (e->flags & HW_ENTRY_GONE && hw_tree_is_same(e, stat))
			return o->gone.ids[i];
	}
	return 0;
}

/* A record may prove, unlike a birth time, that the entry was not created in the share; unless one
 * that was created in it left it before. */
static enum hw_arrival arrival_of(const struct hw_observation *o, const struct hw_item *item)
{
	int64_t since = hw_mount_points_since(o->share, item->dir, item->name, item->len);

	if (!since)
		since = o->since_ns;
	if (item->what & HW_HINT_ARRIVED && !(item->what & (HW_HINT_CREATED | HW_HINT_MOVED)) &&
	    !o->fold.new_left)
		since = INT64_MAX;
	return hw_fill_arrival(o->share, &item->stat, since);
}

static bool is_linked(const struct hw_stat *stat)
{
	return stat->type == HW_TYPE_FILE && stat->nlink > 1;
}

/* Returns an entry of this inode; 0: none. */
static uint32_t known_link(const struct hw_observation *o, const struct hw_stat *stat)
{
	const struct hw_tree *tree = &o->share->tree;
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(tree, stat->fs, stat->ino, id)))
		if (hw_tree_is_link(hw_tree_entry(tree, id), stat))
			return id;
	return 0;
}

/* Call it before any name leaves the tree. */
static void note_altered(struct hw_observation *o, const struct hw_stat *stat)
{
	struct hw_tree *tree = &o->share->tree;
	uint32_t id = is_linked(stat) ? known_link(o, stat) : 0;
	unsigned kind = id ? hw_history_compare(hw_tree_entry(tree, id), stat, true) : 0;

	if (!kind)
		return;
	if (o->altered_count == o->altered_room) {
		uint32_t room = o->altered_room ? o->altered_room * 2 : 16;
		struct hw_altered *more = realloc(o->altered, room * sizeof(*more));

		if (!more)
			return; /* its next change is reported */
		o->altered = more;
		o->altered_room = room;
	}
	o->altered[o->altered_count++] = (struct hw_altered){ .stat = *stat, .kind = kind };
}

static void set_source(struct hw_observation *o, struct hw_item *item, uint32_t id)
{
	entry_of(o, id)->flags &= (uint8_t)~HW_ENTRY_GONE; /* each entry moves once */
	item->source = id;
	hw_observation_mark(o, id, HW_MARK_SOURCE);
	o->moves++;
}

static void find_source(struct hw_observation *o, struct hw_item *item)
{
	uint32_t id = gone_source(o, &item->stat);

	if (id)
		set_source(o, item, id);
	else
		item->arrival = (uint8_t)arrival_of(o, item);
	if (!id)
		note_altered(o, &item->stat);
	item->unknown = !id && is_linked(&item->stat) && !known_link(o, &item->stat);
}

/* The kernel may have merged the record of a rename with an equal one that was queued before the
 * entry was created: an entry that was examined too late is known by the number in its record.
 * After a walk, records may be missing, and another file may have got the number. */
static void find_transient_source(struct hw_observation *o, struct hw_item *item)
{
	uint32_t id = o->share->verify.walk ? 0 : hw_vanished_entry(o->share, &item->stat);

	if (!id || !(entry_of(o, id)->flags & HW_ENTRY_GONE))
		return;
	hw_fill_take_inode(o->share, id, &item->stat);
	set_source(o, item, id);
	hw_quiet_found(o->share, id); /* its close may have been reported under the old name */
}

static bool is_any_gone(const struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->gone.count; i++)
		if (entry_of(o, o->gone.ids[i])->flags & HW_ENTRY_GONE)
			return true;
	return false;
}

struct looking_ahead {
	struct hw_observation *o;
	uint32_t item; /* the directory */
	uint32_t sorted; /* items before the walk, sorted by path */
};

static uint32_t known_dir(const struct hw_observation *o, int fd)
{
	struct hw_stat stat;
	uint32_t id = 0;

	if (hw_disk_stat_fd(&o->share->disk, fd, &stat) < 0)
		return 0;
	while ((id = hw_tree_same_inode(&o->share->tree, stat.fs, stat.ino, id)))
		if (hw_tree_is_same(entry_of(o, id), &stat))
			break;
	return id;
}

/* An entry that was moved into a directory of the tree is found there: that move comes before the
 * one of the directory. */
static bool add_moved(const struct looking_ahead *ahead, uint32_t id, int fd, const char *name,
		      const struct hw_stat *stat)
{
	struct hw_observation *o = ahead->o;
	uint32_t dir = entry_of(o, id)->flags & HW_ENTRY_GONE ? known_dir(o, fd) : 0;
	struct hw_item *item = NULL;

	if (dir && !hw_tree_is_below(&o->share->tree, dir, id))
		item = hw_observation_add_seen(o, ahead->sorted, dir, name, stat);
	if (item)
		set_source(o, item, id);
	return item;
}

static bool await(void *arg, int dir, const char *name, const struct hw_stat *stat)
{
	struct looking_ahead *ahead = arg;
	uint32_t id = hw_fill_renamed_from(ahead->o->share, stat);

	note_altered(ahead->o, stat);
	if (!id || add_moved(ahead, id, dir, name, stat))
		return false;
	ahead->o->items[ahead->item].holds = true;
	(void)hw_ids_add(&ahead->o->awaited, id); /* if out of memory: delete and create */
	return false;
}

/* An entry whose name is gone may be in a new directory: if so, that directory is reported
 * first. */
static void look_into_new_dirs(struct hw_observation *o)
{
	uint32_t budget = HW_AHEAD_MAX, count = o->count;

	if (o->share->silent || !is_any_gone(o))
		return;
	for (uint32_t i = 0; i < count && budget; i++) {
		const struct hw_item *item = hw_observation_item(o, i);
		struct looking_ahead ahead = { .o = o, .item = i, .sorted = count };
		const struct hw_ahead how = { .visit = await, .arg = &ahead };
		const struct hw_ahead_place place = { (uint32_t)item->dir, item->name, item->len };

		if (has_appeared(item) && !item->source && item->stat.type == HW_TYPE_DIR)
			hw_ahead_walk(o->share, &place, &how, &budget);
	}
	if (o->count > count)
		hw_observation_sort(o);
	if (o->awaited.count)
		qsort(o->awaited.ids, o->awaited.count, sizeof(*o->awaited.ids), hw_compare_ids);
}

/* ---- the observation ---- */

/* Fills directories that could not be armed or listed when they appeared, because they or a
 * directory above them had been moved. */
static void fill_unlisted(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item *item = hw_observation_item(o, i);

		if (!hw_observation_is_kept(o, item) || item->stat.type != HW_TYPE_DIR)
			continue;
		uint32_t id = item->source ? item->source : item->entry;
		const struct hw_entry *e = entry_of(o, id);

		if (id != HW_ROOT && !e->active &&
		    (e->watcher == HW_WATCHER_NONE || !(e->flags & HW_ENTRY_LISTED)))
			hw_fill_moved(o->share, id);
	}
}

void hw_observation_give_back(struct hw_share *share, const struct hw_item *item)
{
	hw_mark_noted_again(share);
	int r = hw_notes_add(&share->unverified.names, item->dir, item->name, item->len, item->what,
			     item->inode);

	if (r < 0)
		hw_unverified_left_out(share, r);
}

/* A name that could not be examined is in a directory that was moved. Notes the name and the
 * directories above it as unverified; at least the root can be examined. */
static void note_again(struct hw_observation *o)
{
	struct hw_share *share = o->share;
	hw_token last = HW_NO_DIR;

	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item *item = hw_observation_item(o, i);
		uint32_t dir = hw_tree_by_token(&share->tree, item->dir);

		if (item->resolved || !dir)
			continue;
		hw_observation_give_back(share, item);
		if (item->entry) /* it may have another name when it is examined */
			hw_unverified_entry(share, item->entry);
		if (item->dir == last)
			continue;
		last = item->dir;
		hw_unverified_below(share,
				    entry_of(o, dir)->parent ? entry_of(o, dir)->parent : HW_ROOT);
		for (; dir != HW_ROOT; dir = entry_of(o, dir)->parent)
			hw_unverified_entry(share, dir);
	}
}

/* Compares again: the tree may have changed since the names were examined. The remaining names on
 * the disk have not. */
static void compare_with_tree(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (!item->resolved || item->refused || hw_item_is_root(item))
			continue;
		item->entry =
			hw_tree_find(&o->share->tree, (uint32_t)item->dir, item->name, item->len);
		if (item->entry &&
		    !(item->present && hw_tree_is_same(entry_of(o, item->entry), &item->stat)))
			entry_of(o, item->entry)->flags |= HW_ENTRY_GONE;
		else if (item->entry && item->linked)
			hw_observation_renamed(o, item->entry); /* link(2) changes ctime, too */
	}
}

/* Returns whether the disk has a transient entry after all. Every record about its name has been
 * read, and none says that another entry took it; after a walk, records may be missing. */
static bool is_there_after_all(const struct hw_observation *o, const struct hw_item *item)
{
	const struct hw_entry *e = entry_of(o, item->entry);

	return item->finding == HW_FOUND_REPLACED && !item->source && !o->share->verify.walk &&
	       e->flags & HW_ENTRY_TRANSIENT && e->type == item->stat.type &&
	       e->type != HW_TYPE_DIR;
}

/* It may have been written and closed under another name, with which its inode was unknown. */
static void materialize(struct hw_observation *o, struct hw_item *item)
{
	entry_of(o, item->entry)->flags &= (uint8_t)~HW_ENTRY_GONE;
	hw_fill_take_inode(o->share, item->entry, &item->stat);
	if (hw_history_is_unannounced(entry_of(o, item->entry)))
		hw_history_modify(o->share, item->entry);
	hw_quiet_found(o->share, item->entry);
	item->finding = HW_FOUND_CHANGED;
}

static void find_sources(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (has_appeared(item))
			find_source(o, item);
		if (is_there_after_all(o, item))
			materialize(o, item);
	}
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);

		if (item->finding == HW_FOUND_APPEARED && !item->source)
			find_transient_source(o, item);
	}
}

static void report(struct hw_observation *o)
{
	hw_observation_sort(o);
	compare_with_tree(o);
	hw_observation_take_facts(o);
	classify(o);
	collect_gone(o);
	find_sources(o);
	look_into_new_dirs(o);
	hw_plan_names(o);
	fill_unlisted(o);
	hw_observation_join_found(o);
	hw_observation_tell_changes(o);
	for (uint32_t i = 0; i < o->renamed.count; i++)
		entry_of(o, o->renamed.ids[i])->renamed = 0;
	hw_observation_tell_closes(o);
	note_again(o);
}

void hw_observation_report(struct hw_observation *o)
{
	struct hw_share *share = o->share;

	share->verify.reporting = true;
	share->fill.joins = share->settle.window_ns;
	share->scan.since_ns = o->since_ns;
	report(o);
	share->scan.since_ns = 0;
	share->verify.reporting = false;
}

/* The next round verifies the names that this one left unverified. If it reports nothing and leaves
 * names again, without a record in between, examining them once more would not help: the share is
 * scanned. */
static void check_unverified(struct hw_share *share)
{
	uint64_t seq = share->journal.next_seq;
	bool stuck = share->verify.stuck_seq == seq;

	share->verify.stuck_seq = 0;
	if (!hw_unverified_any(&share->unverified)) {
		share->unverified.away_seq = 0;
		return;
	}
	if (share->settle.window_ns)
		hw_settle_begin(share);
	hw_share_kick(share);
	if (!stuck) {
		share->verify.stuck_seq = seq;
		return;
	}
	hw_notes_clear(&share->unverified.names);
	share->unverified.entries.count = 0;
	hw_debug("share %s: names cannot be verified where they are; scanning", share->name);
	hw_scan_lost(share, HW_ROOT);
}

static void compare_left_out(struct hw_share *share)
{
	if (!share->unverified.full)
		return;
	share->unverified.full = false;
	hw_scan_lost(share, HW_ROOT);
}

void hw_observe_finish(struct hw_share *share)
{
	hw_scan_retry(share);
	check_unverified(share);
	compare_left_out(share);
	if (!hw_unverified_any(&share->unverified))
		hw_notes_clear(&share->mount_names.changed);
}

void hw_observe(struct hw_share *share, int64_t since_ns)
{
	struct hw_notes names;
	struct hw_observation *o;

	hw_fold_expand(share);
	hw_unverified_name_entries(share);
	share->unverified.entries.count = 0;
	names = share->unverified.names;
	share->unverified.names = share->unverified.spare;
	share->unverified.spare = (struct hw_notes){ .work = &share->work };
	o = hw_observation_create(share, &names, since_ns);
	if (o) {
		hw_observation_examine(o);
		hw_observation_report(o);
		hw_observation_free(o);
	} else if (names.count) {
		hw_shortage_found(share);
	}
	hw_notes_clear(&names);
	share->unverified.spare = names;
	hw_observe_finish(share);
}
