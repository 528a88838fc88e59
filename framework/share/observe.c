/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "observe.h"

#include "ahead.h"
#include "arm.h"
#include "fill.h"
#include "hint.h"
#include "retry.h"
#include "scan.h"
#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct hw_entry *entry_of(const struct hw_observation *o, uint32_t id)
{
	return hw_tree_entry(&o->share->tree, id);
}

#define DOUBT_ROUNDS_MAX 32u

/* ---- collecting ---- */

static int add_item(struct hw_observation *o, hw_token dir, const char *name, uint8_t len,
		    uint8_t what)
{
	if (o->count == o->room) {
		uint32_t room = o->room ? o->room * 2 : 64;
		struct hw_item *items = realloc(o->items, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		o->items = items;
		o->room = room;
	}
	o->items[o->count++] =
		(struct hw_item){ .dir = dir, .name = name, .len = len, .what = what };
	return 0;
}

static int collect(struct hw_observation *o, struct hw_suspects *suspects)
{
	hw_suspects_compact(suspects);
	for (uint32_t i = 0; i < suspects->count; i++) {
		const struct hw_suspect *s = &suspects->list[i];

		if (!hw_tree_by_token(&o->share->tree, s->dir))
			continue;
		if (add_item(o, s->dir, hw_suspects_name(suspects, s), s->name_len, s->what) < 0)
			return -ENOMEM;
		o->items[o->count - 1].inode = s->inode;
	}
	return 0;
}

/* ---- looking ---- */

void hw_observation_mark(struct hw_observation *o, uint32_t id, uint8_t bit)
{
	/* Without memory: a needless attrib, a change told by the next scan. */
	if (!entry_of(o, id)->renamed && hw_ids_add(&o->renamed, id) < 0)
		return;
	entry_of(o, id)->renamed |= bit;
}

void hw_observation_renamed(struct hw_observation *o, uint32_t id)
{
	hw_observation_mark(o, id, HW_MARK_RENAMED);
}

/*
 * A directory of the tree stands elsewhere on the disk: open it there, so that items below it can
 * be looked at before its move is told.
 */
static bool pin_moved_dir(struct hw_observation *o, const struct hw_item *item)
{
	char name[HW_NAME_MAX + 1];
	struct hw_share *share = o->share;
	uint32_t id = 0;
	struct hw_stat stat;

	while ((id = hw_tree_same_inode(&share->tree, item->stat.fs, item->stat.ino, id)))
		if (id != HW_ROOT && id != item->entry &&
		    hw_tree_is_same(entry_of(o, id), &item->stat))
			break;
	if (!id)
		return false;
	int parent = hw_disk_dir(&share->disk, (uint32_t)item->dir);

	if (parent < 0)
		return false;
	memcpy(name, item->name, item->len);
	name[item->len] = '\0';
	int fd = hw_disk_openat(&share->disk, parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);

	if (fd < 0)
		return false;
	if (hw_disk_stat_fd(&share->disk, fd, &stat) < 0 ||
	    !hw_tree_is_same(entry_of(o, id), &stat)) {
		close(fd);
		return false;
	}
	hw_disk_put_dir(&share->disk, id, fd);
	hw_observation_mark(o, id, HW_MARK_PINNED);
	return true;
}

/* In a directory that is no longer there: what an open descriptor would show is somewhere else. */
static bool is_below_gone(const struct hw_observation *o, uint32_t dir)
{
	for (uint32_t id = dir; id != HW_ROOT; id = entry_of(o, id)->parent) {
		const struct hw_entry *e = entry_of(o, id);

		if (e->renamed & HW_MARK_PINNED)
			return false;
		if (e->flags & HW_ENTRY_GONE)
			return true;
	}
	return false;
}

/* The root has no parent to be looked at from: "." stands for it. */
static bool is_root_itself(const struct hw_item *item)
{
	return item->len == 1 && item->name[0] == '.';
}

/* A watcher that reports records has one for this change. */
static bool is_unannounced(const struct hw_observation *o, const struct hw_item *item)
{
	const struct hw_entry *e = entry_of(o, item->entry);
	uint8_t watcher = entry_of(o, e->parent)->watcher;

	return !(item->what & HW_HINTS_OF_DATA) && watcher != HW_WATCHER_NONE &&
	       !(o->share->watchers[watcher].plugin->flags & HW_PLUGIN_SCANS) &&
	       hw_history_compare(e, &item->stat, false);
}

static void refused(struct hw_observation *o, const struct hw_item *item, int error)
{
	const struct hw_retry_name name = {
		.dir = (uint32_t)item->dir,
		.name = item->name,
		.len = item->len,
		.arrived = item->what & HW_HINT_ARRIVED,
	};

	if (hw_retry_is_refusal(error))
		hw_retry_name(o->share, &name, error);
}

/* Returns whether another round may find more. */
static bool look(struct hw_observation *o, struct hw_item *item)
{
	struct hw_share *share = o->share;
	uint32_t dir = (uint32_t)item->dir;
	int fd = is_below_gone(o, dir) ? -ENOENT : hw_disk_dir(&share->disk, dir);

	if (fd < 0) {
		item->resolved = hw_retry_is_refusal(fd);
		if (item->resolved)
			hw_retry_dir(share, dir, HW_RETRY_ENTRIES, HW_ARRIVED_NEW, fd);
		return false;
	}
	item->resolved = true;
	if (is_root_itself(item)) {
		item->entry = HW_ROOT;
		item->present = hw_disk_stat_fd(&share->disk, fd, &item->stat) == 0;
		return false;
	}
	int r = hw_disk_stat(&share->disk, dir, item->name, item->len, &item->stat);

	if (r < 0 && r != -ENOENT) { /* that says nothing */
		refused(o, item, r);
		return false;
	}
	item->entry = hw_tree_find(&share->tree, dir, item->name, item->len);
	item->present = r == 0 && !hw_share_is_excluded(share, dir, item->name, item->len,
							item->stat.type == HW_TYPE_DIR);
	bool same = item->present && item->entry &&
		    hw_tree_is_same(entry_of(o, item->entry), &item->stat);

	item->differs = !same && (item->present || item->entry);
	item->changed = same && is_unannounced(o, item);
	if (item->entry && !same)
		entry_of(o, item->entry)->flags |= HW_ENTRY_GONE;
	if (item->present && item->inode && item->inode != (uint32_t)item->stat.ino)
		item->what &= (uint8_t)~HW_HINTS_OF_DATA; /* of an inode that lost this name */
	return item->present && !same && item->stat.type == HW_TYPE_DIR && pin_moved_dir(o, item);
}

static void look_at_all(struct hw_observation *o)
{
	bool again = true;

	while (again) {
		again = false;
		for (uint32_t i = 0; i < o->count; i++)
			if (!o->items[i].resolved)
				again |= look(o, &o->items[i]);
	}
}

/* A name that nobody suspected. */
static void add_name_of(struct hw_observation *o, uint32_t id)
{
	const struct hw_entry *e = entry_of(o, id);
	const char *name = hw_tree_name(&o->share->tree, id);
	uint32_t ref = hw_names_add(&o->names->names, name, e->name_len);

	/* Without memory the entry that appeared is a create, and its old name is deleted later. */
	if (ref)
		(void)add_item(o, hw_tree_token(&o->share->tree, e->parent),
			       hw_names_get(&o->names->names, ref), e->name_len, 0);
}

static bool has_lost_its_name(struct hw_observation *o, uint32_t id)
{
	struct hw_share *share = o->share;
	const struct hw_entry *e = entry_of(o, id);
	struct hw_stat there;
	int r = hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			     &there);

	return r == -ENOENT || (r == 0 && !hw_tree_is_same(e, &there));
}

/* What appeared may be an entry of the tree whose old name was not suspected, but is gone all the
 * same. */
static void add_old_names(struct hw_observation *o, const struct hw_stat *stat)
{
	struct hw_share *share = o->share;
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&share->tree, stat->fs, stat->ino, id)))
		if (id != HW_ROOT && !(entry_of(o, id)->flags & HW_ENTRY_GONE) &&
		    hw_tree_is_same(entry_of(o, id), stat) && has_lost_its_name(o, id))
			add_name_of(o, id);
}

static void look_at_old_names(struct hw_observation *o)
{
	uint32_t count = o->count;

	for (uint32_t i = 0; i < count; i++) {
		struct hw_stat stat = o->items[i].stat;

		if (o->items[i].present && o->items[i].differs &&
		    (stat.nlink == 1 || stat.type == HW_TYPE_DIR))
			add_old_names(o, &stat);
		for (uint32_t j = count; j < o->count; j++)
			if (!o->items[j].resolved)
				(void)look(o, &o->items[j]);
	}
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
		struct hw_item *item = &o->items[i];

		if (!item->resolved)
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
	for (uint32_t i = 0; i < o->count; i++) {
		uint32_t id = o->items[i].entry;

		if (id && entry_of(o, id)->flags & HW_ENTRY_GONE)
			(void)hw_ids_add(&o->gone, id); /* without memory: delete and create */
	}
	if (o->gone.count)
		qsort_r(o->gone.ids, o->gone.count, sizeof(*o->gone.ids), compare_gone,
			&o->share->tree);
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

/* An entry of this inode whose name is gone and not yet taken as a source: the first by path. */
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

/* A record may prove what a birth time cannot: that it was not made here. */
static enum hw_arrival arrival_of(const struct hw_observation *o, const struct hw_item *item)
{
	int64_t since = o->since_ns;

	if (item->what & HW_HINT_ARRIVED && !(item->what & (HW_HINT_CREATED | HW_HINT_MOVED)))
		since = INT64_MAX;
	return hw_fill_arrival(o->share, &item->stat, since);
}

static void find_source(struct hw_observation *o, struct hw_item *item)
{
	uint32_t id = gone_source(o, &item->stat);

	if (!id) {
		item->arrival = (uint8_t)arrival_of(o, item);
		return;
	}
	entry_of(o, id)->flags &= (uint8_t)~HW_ENTRY_GONE; /* each entry moves once */
	item->source = id;
	hw_observation_mark(o, id, HW_MARK_SOURCE);
	o->moves++;
	if (item->stat.type == HW_TYPE_DIR)
		item->source_token = hw_tree_token(&o->share->tree, id);
}

static bool is_any_gone(const struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->gone.count; i++)
		if (entry_of(o, o->gone.ids[i])->flags & HW_ENTRY_GONE)
			return true;
	return false;
}

/* What is gone may be in a directory that is new: that one is told first, then. */
static void look_into_new_dirs(struct hw_observation *o)
{
	uint32_t budget = HW_AHEAD_MAX;
	char name[HW_NAME_MAX + 1];

	if (o->share->silent || !is_any_gone(o))
		return;
	for (uint32_t i = 0; i < o->count && budget; i++) {
		struct hw_item *item = &o->items[i];
		int parent;

		if (!has_appeared(item) || item->source || item->arrival != HW_ARRIVED_NEW ||
		    item->stat.type != HW_TYPE_DIR)
			continue;
		parent = hw_disk_dir(&o->share->disk, (uint32_t)item->dir);
		if (parent < 0)
			continue;
		memcpy(name, item->name, item->len);
		name[item->len] = '\0';
		item->holds = hw_ahead_holds_moved(o->share, parent, name, &budget);
	}
}

static int compare_items(const void *a, const void *b, void *arg)
{
	const struct hw_item *x = a, *y = b;
	return hw_tree_compare_places(arg, (uint32_t)x->dir, x->name, x->len, (uint32_t)y->dir,
				      y->name, y->len);
}

void hw_observation_sort(struct hw_observation *o)
{
	uint32_t kept = 0;

	/* What was in a directory that is gone has nothing left to tell. */
	for (uint32_t i = 0; i < o->count; i++)
		if (hw_tree_by_token(&o->share->tree, o->items[i].dir))
			o->items[kept++] = o->items[i];
	o->count = kept;
	if (o->count)
		qsort_r(o->items, o->count, sizeof(*o->items), compare_items, &o->share->tree);
}

/* ---- the observation ---- */

static void give_up(struct hw_share *share)
{
	hw_error("share %s: out of memory; sending receivers a rescan", share->name);
	hw_history_rescan(share, HW_ROOT);
}

/* Directories that could not be armed or listed when they appeared, since they or what they are in
 * stood elsewhere. */
static void fill_unlisted(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item *item = &o->items[i];

		if (!hw_observation_is_kept(o, item) || item->stat.type != HW_TYPE_DIR)
			continue;
		uint32_t id = item->source ? item->source : item->entry;
		const struct hw_entry *e = entry_of(o, id);

		if (id != HW_ROOT && !e->active &&
		    (e->watcher == HW_WATCHER_NONE || !(e->flags & HW_ENTRY_LISTED)))
			hw_fill_dir(o->share, id, HW_ARRIVED_NEW);
	}
}

/* What could not be looked at is in a directory that is somewhere else: that one is looked at
 * first, next time. */
static void doubt_again(struct hw_observation *o)
{
	struct hw_share *share = o->share;

	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item *item = &o->items[i];
		uint32_t dir = hw_tree_by_token(&share->tree, item->dir);

		if (item->resolved || !dir)
			continue;
		hw_hint_doubt(share, dir, item->name, item->len);
		hw_hint_audit(share, entry_of(o, dir)->parent ? entry_of(o, dir)->parent : HW_ROOT);
		if (dir != HW_ROOT)
			hw_hint_unsure(share, dir);
	}
}

static void forget_looks(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (o->items[i].entry)
			entry_of(o, o->items[i].entry)->flags &= (uint8_t)~HW_ENTRY_GONE;
	for (uint32_t i = 0; i < o->renamed.count; i++)
		entry_of(o, o->renamed.ids[i])->renamed = 0;
	o->renamed.count = 0;
}

struct hw_observation *hw_observation_create(struct hw_share *share, struct hw_suspects *names,
					     int64_t since_ns)
{
	struct hw_observation *o = names->count ? calloc(1, sizeof(*o)) : NULL;

	if (!o && !names->count)
		return NULL;
	if (o) {
		*o = (struct hw_observation){
			.share = share, .since_ns = since_ns, .names = names, .fold = share->fold
		};
		share->fold = (struct hw_fold){ 0 };
	}
	if (o && collect(o, names) == 0)
		return o;
	give_up(share);
	hw_observation_free(o);
	return NULL;
}

void hw_observation_free(struct hw_observation *o)
{
	if (!o)
		return;
	free(o->items);
	hw_fold_free(&o->fold);
	hw_ids_free(&o->renamed);
	hw_ids_free(&o->gone);
	free(o);
}

static bool is_one_name(const struct hw_item *a, const struct hw_item *b)
{
	return a->dir == b->dir && a->len == b->len && memcmp(a->name, b->name, a->len) == 0;
}

static void drop_duplicates(struct hw_observation *o)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < o->count; i++) {
		if (kept && is_one_name(&o->items[kept - 1], &o->items[i]))
			o->items[kept - 1].what |= o->items[i].what;
		else
			o->items[kept++] = o->items[i];
	}
	o->count = kept;
}

void hw_observation_extend(struct hw_observation *o, const struct hw_suspects *names)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item old = o->items[i];

		o->items[i] = (struct hw_item){
			.dir = old.dir, .name = old.name, .len = old.len, .what = old.what
		};
	}
	for (uint32_t i = 0; i < names->count; i++) {
		const struct hw_suspect *s = &names->list[i];
		uint32_t ref =
			hw_names_add(&o->names->names, hw_suspects_name(names, s), s->name_len);

		/* Without memory the next window examines it alone. */
		if (ref)
			(void)add_item(o, s->dir, hw_names_get(&o->names->names, ref), s->name_len,
				       0);
	}
	hw_observation_sort(o);
	drop_duplicates(o);
}

void hw_observation_examine(struct hw_observation *o)
{
	hw_observation_sort(o);
	look_at_all(o);
	look_at_old_names(o);
	forget_looks(o);
}

/* The tree may have changed since they were examined, the names that are left have not. */
static void compare_with_tree(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = &o->items[i];

		if (!item->resolved || is_root_itself(item))
			continue;
		item->entry =
			hw_tree_find(&o->share->tree, (uint32_t)item->dir, item->name, item->len);
		if (item->entry &&
		    !(item->present && hw_tree_is_same(entry_of(o, item->entry), &item->stat)))
			entry_of(o, item->entry)->flags |= HW_ENTRY_GONE;
	}
}

static void report(struct hw_observation *o)
{
	hw_observation_sort(o);
	compare_with_tree(o);
	hw_observation_take_facts(o);
	classify(o);
	collect_gone(o);
	for (uint32_t i = 0; i < o->count; i++)
		if (has_appeared(&o->items[i]))
			find_source(o, &o->items[i]);
	look_into_new_dirs(o);
	hw_plan_names(o);
	fill_unlisted(o);
	hw_observation_tell_changes(o);
	for (uint32_t i = 0; i < o->renamed.count; i++)
		entry_of(o, o->renamed.ids[i])->renamed = 0;
	hw_observation_tell_closes(o);
	doubt_again(o);
}

void hw_observation_report(struct hw_observation *o)
{
	struct hw_share *share = o->share;

	share->observing = true;
	share->scan.since_ns = o->since_ns;
	report(o);
	share->scan.since_ns = 0;
	share->observing = false;
}

/* Doubts that an observation itself leaves are for the next turn, but not for ever. */
static void check_doubts(struct hw_share *share)
{
	if (!hw_share_has_doubts(share)) {
		share->doubt_rounds = 0;
		return;
	}
	if (share->settle_ns)
		hw_settle_begin(share);
	hw_share_kick(share);
	if (++share->doubt_rounds <= DOUBT_ROUNDS_MAX)
		return;
	hw_suspects_clear(&share->suspects);
	share->unsure.count = 0;
	share->doubt_rounds = 0;
	hw_debug("share %s: names still unverified after %u rounds; scanning", share->name,
		 DOUBT_ROUNDS_MAX);
	hw_scan_lost(share, HW_ROOT);
}

static void compare_left_out(struct hw_share *share)
{
	if (!share->suspects_full)
		return;
	share->suspects_full = false;
	hw_scan_lost(share, HW_ROOT);
}

void hw_observe_finish(struct hw_share *share)
{
	hw_scan_retry(share);
	check_doubts(share);
	compare_left_out(share);
}

void hw_observe(struct hw_share *share, int64_t since_ns)
{
	struct hw_suspects names;
	struct hw_observation *o;

	hw_fold_expand(share);
	hw_hint_doubt_unsure(share);
	share->unsure.count = 0;
	names = share->suspects;
	share->suspects = share->spare_suspects;
	share->spare_suspects = (struct hw_suspects){ 0 };
	o = hw_observation_create(share, &names, since_ns);
	if (o) {
		hw_observation_examine(o);
		hw_observation_report(o);
		hw_observation_free(o);
	}
	hw_suspects_clear(&names);
	share->spare_suspects = names;
	hw_observe_finish(share);
}
