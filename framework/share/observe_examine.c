/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first half of an observation: collects its names and examines them on the disk. */
#include "observe.h"

#include "ahead.h"
#include "fill.h"
#include "lock.h"
#include "retry.h"
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

/* ---- collecting ---- */

static int make_room(struct hw_observation *o, uint32_t room)
{
	struct hw_item *items = realloc(o->items, room * sizeof(*items));

	if (!items)
		return -ENOMEM;
	o->items = items;
	o->room = room;
	return 0;
}

static int add_item(struct hw_observation *o, hw_token dir, const char *name, uint8_t len,
		    uint8_t what)
{
	if (o->count == o->room && make_room(o, o->room ? o->room * 2 : 64) < 0)
		return -ENOMEM;
	o->items[o->count++] =
		(struct hw_item){ .dir = dir, .name = name, .len = len, .what = what };
	return 0;
}

static int collect(struct hw_observation *o, struct hw_notes *notes)
{
	hw_notes_compact(notes);
	/* A copy of many items would be a long step without rest. */
	if (notes->count && make_room(o, notes->count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < notes->count; i++) {
		const struct hw_note *s = &notes->list[i];

		hw_share_rest(o->share);
		if (!hw_tree_by_token(&o->share->tree, s->dir))
			continue;
		if (add_item(o, s->dir, hw_notes_name(notes, s), s->name_len, s->what) < 0)
			return -ENOMEM;
		o->items[o->count - 1].inode = s->inode;
	}
	return 0;
}

/* ---- examining ---- */

void hw_observation_mark(struct hw_observation *o, uint32_t id, uint8_t bit)
{
	/* If out of memory: a needless attrib, or a change that the next scan reports. */
	if (!entry_of(o, id)->renamed && hw_ids_add(&o->renamed, id) < 0)
		return;
	entry_of(o, id)->renamed |= bit;
}

void hw_observation_renamed(struct hw_observation *o, uint32_t id)
{
	hw_observation_mark(o, id, HW_MARK_RENAMED);
}

/* Opens a directory of the tree under this name in `parent`, where it is on the disk now, in order
 * to examine names in it. Returns whether it was there. */
static bool pin(struct hw_observation *o, uint32_t id, int parent, const char *name)
{
	struct hw_disk *disk = &o->share->disk;
	int fd = hw_disk_openat(disk, parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
	struct hw_stat stat;

	if (fd < 0)
		return false;
	if (hw_disk_stat_fd(disk, fd, &stat) < 0 || !hw_tree_is_same(entry_of(o, id), &stat)) {
		close(fd);
		return false;
	}
	hw_disk_put_dir(disk, id, fd);
	hw_observation_mark(o, id, HW_MARK_PINNED);
	return true;
}

/* Returns the entry that the tree has for the directory of this item under another name; 0:
 * none. */
static uint32_t known_dir(const struct hw_observation *o, const struct hw_item *item)
{
	uint32_t id = 0;

	while ((id = hw_tree_same_inode(&o->share->tree, item->stat.fs, item->stat.ino, id)))
		if (id != HW_ROOT && id != item->entry &&
		    hw_tree_is_same(entry_of(o, id), &item->stat))
			break;
	return id;
}

/* If a directory of the tree has another place on the disk, opens it there, so that items below it
 * can be examined before its move is reported. */
static bool pin_moved_dir(struct hw_observation *o, const struct hw_item *item)
{
	char name[HW_NAME_MAX + 1];
	uint32_t id = known_dir(o, item);

	if (!id)
		return false;
	int parent = hw_disk_dir(&o->share->disk, (uint32_t)item->dir);

	if (parent < 0)
		return false;
	memcpy(name, item->name, item->len);
	name[item->len] = '\0';
	return pin(o, id, parent, name);
}

/* Returns whether `dir` is below a directory that is no longer at its place, so that an open
 * descriptor would show another place. */
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

/* Returns whether the entry changed without a hint, although its watcher has a record of the
 * change. */
static bool is_unannounced(const struct hw_observation *o, const struct hw_item *item)
{
	const struct hw_entry *e = entry_of(o, item->entry);
	uint8_t watcher = entry_of(o, e->parent)->watcher;

	return !(item->what & HW_HINTS_OF_DATA) && watcher != HW_WATCHER_NONE &&
	       !(o->share->watchers.list[watcher].plugin->flags & HW_PLUGIN_SCANS) &&
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

	if (hw_disk_is_refusal(error))
		hw_retry_name(o->share, &name, error);
}

/* A change of its content sets ctime of a directory before mtime, while its lock is held. If the
 * root was examined between the two, which looks like a change of attributes, this waits until the
 * change has ended. */
static int stat_root(struct hw_observation *o, struct hw_item *item, int fd)
{
	const struct hw_entry *e = entry_of(o, HW_ROOT);
	struct hw_disk *disk = &o->share->disk;
	int r = hw_disk_stat_fd(disk, fd, &item->stat);

	if (r == 0 && e->attr == item->stat.attr && hw_history_compare(e, &item->stat, false) &&
	    hw_disk_lock(disk, HW_ROOT) == 0)
		r = hw_disk_stat_fd(disk, fd, &item->stat);
	return r;
}

/* Examines an item. Returns whether another pass may find more. */
static bool look(struct hw_observation *o, struct hw_item *item)
{
	struct hw_share *share = o->share;
	uint32_t dir = (uint32_t)item->dir;
	int fd = is_below_gone(o, dir) ? -ENOENT : hw_disk_dir(&share->disk, dir);

	item->entry = hw_item_is_root(item)
			      ? HW_ROOT
			      : hw_tree_find(&share->tree, dir, item->name, item->len);
	if (fd < 0) {
		item->resolved = item->refused = hw_disk_is_refusal(fd);
		if (item->refused)
			hw_retry_dir(share, dir, HW_RETRY_ENTRIES, HW_ARRIVED_NEW, fd);
		return false;
	}
	item->resolved = true;
	if (hw_item_is_root(item)) {
		item->present = stat_root(o, item, fd) == 0;
		return false;
	}
	int r = hw_disk_stat(&share->disk, dir, item->name, item->len, &item->stat);

	if (r < 0 && r != -ENOENT) { /* the error does not say whether the entry exists */
		item->refused = true;
		refused(o, item, r);
		return false;
	}
	item->present = r == 0 && !hw_share_is_excluded(share, dir, item->name, item->len,
							item->stat.type == HW_TYPE_DIR);
	bool same = item->present && item->entry &&
		    hw_tree_is_same(entry_of(o, item->entry), &item->stat);

	item->differs = !same && (item->present || item->entry);
	item->changed = same && is_unannounced(o, item);
	if (item->entry && !same)
		entry_of(o, item->entry)->flags |= HW_ENTRY_GONE;
	if (item->present && item->inode && item->inode != (uint32_t)item->stat.ino)
		item->what &= (uint8_t)~HW_HINTS_OF_DATA; /* about an inode that lost this name */
	return item->present && !same && item->stat.type == HW_TYPE_DIR && pin_moved_dir(o, item);
}

struct looking_ahead {
	struct hw_observation *o;
	bool found;
};

static bool pin_found(void *arg, int dir, const char *name, const struct hw_stat *stat)
{
	struct looking_ahead *ahead = arg;
	uint32_t id = stat->type == HW_TYPE_DIR ? hw_fill_renamed_from(ahead->o->share, stat) : 0;

	if (id && !(entry_of(ahead->o, id)->renamed & HW_MARK_PINNED))
		ahead->found |= pin(ahead->o, id, dir, name);
	return false;
}

static bool is_new_dir(const struct hw_observation *o, const struct hw_item *item)
{
	return item->resolved && item->present && item->differs && item->stat.type == HW_TYPE_DIR &&
	       !known_dir(o, item);
}

/* Searches new directories for directories that are not where the tree has them, so that names in
 * these can be examined. Returns whether one was found. */
static bool look_ahead(struct hw_observation *o, uint32_t *budget)
{
	struct looking_ahead ahead = { .o = o };
	const struct hw_ahead how = { .visit = pin_found, .arg = &ahead };
	bool missing = false;

	for (uint32_t i = 0; i < o->count && !missing; i++)
		missing = !o->items[i].resolved;
	for (uint32_t i = 0; i < o->count && missing && *budget; i++) {
		const struct hw_item *item = hw_observation_item(o, i);
		const struct hw_ahead_place place = { (uint32_t)item->dir, item->name, item->len };

		if (is_new_dir(o, item))
			hw_ahead_walk(o->share, &place, &how, budget);
	}
	return ahead.found;
}

static void look_at_all(struct hw_observation *o)
{
	uint32_t budget = HW_AHEAD_MAX;
	bool again = true;

	while (again) {
		again = false;
		for (uint32_t i = 0; i < o->count; i++)
			if (!hw_observation_item(o, i)->resolved)
				again |= look(o, &o->items[i]);
		if (!again)
			again = look_ahead(o, &budget);
	}
}

/* Adds the name of an entry that was not noted as unverified. */
static void add_name_of(struct hw_observation *o, uint32_t id)
{
	const struct hw_entry *e = entry_of(o, id);
	const char *name = hw_tree_name(&o->share->tree, id);
	uint32_t ref = hw_names_add(&o->names->names, name, e->name_len);

	/* If out of memory, the entry that appeared is a create, and its old name is deleted
	 * later. */
	if (ref)
		(void)add_item(o, hw_tree_token(&o->share->tree, e->parent),
			       hw_names_get(&o->names->names, ref), e->name_len, 0);
}

bool hw_observation_add_found(struct hw_observation *o, uint32_t id, const struct hw_stat *stat)
{
	uint32_t count = o->count;

	add_name_of(o, id);
	if (o->count == count)
		return false;
	struct hw_item *item = &o->items[count];

	item->resolved = item->present = true;
	item->finding = HW_FOUND_CHANGED;
	item->entry = id;
	item->stat = *stat;
	return true;
}

static bool is_item(const struct hw_observation *o, uint32_t sorted, uint32_t dir, const char *name)
{
	uint32_t low = 0, high = sorted;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct hw_item *item = &o->items[middle];
		int c = hw_tree_compare_places(&o->share->tree, (uint32_t)item->dir, item->name,
					       item->len, dir, name, strlen(name));

		if (!c)
			return true;
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

struct hw_item *hw_observation_add_seen(struct hw_observation *o, uint32_t sorted, uint32_t dir,
					const char *name, const struct hw_stat *stat)
{
	hw_token token = hw_tree_token(&o->share->tree, dir);
	size_t len = strlen(name);
	uint32_t ref;

	if (hw_tree_find(&o->share->tree, dir, name, len) || is_item(o, sorted, dir, name))
		return NULL;
	ref = hw_names_add(&o->names->names, name, len);
	if (!ref || add_item(o, token, hw_names_get(&o->names->names, ref), (uint8_t)len, 0) < 0)
		return NULL;
	struct hw_item *item = &o->items[o->count - 1];

	item->resolved = item->present = item->differs = true;
	item->finding = HW_FOUND_APPEARED;
	item->stat = *stat;
	return item;
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

/* An inode that appeared may be an entry of the tree whose old name is gone but was not noted as
 * unverified: adds that name. */
static void add_old_names(struct hw_observation *o, const struct hw_stat *stat)
{
	struct hw_share *share = o->share;
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&share->tree, stat->fs, stat->ino, id)))
		if (id != HW_ROOT && !(entry_of(o, id)->flags & HW_ENTRY_GONE) &&
		    hw_tree_is_same(entry_of(o, id), stat) && has_lost_its_name(o, id))
			add_name_of(o, id);
}

/* A name that appeared or is gone belongs to a file of the tree: its changes are reported for all
 * its names, so one of them is examined with the new one. */
static void add_linked_name(struct hw_observation *o, const struct hw_stat *stat)
{
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&o->share->tree, stat->fs, stat->ino, id))) {
		if (entry_of(o, id)->flags & HW_ENTRY_GONE ||
		    !hw_tree_is_same(entry_of(o, id), stat))
			continue;
		if (entry_of(o, id)->renamed & HW_MARK_LINKED)
			return;
		hw_observation_mark(o, id, HW_MARK_LINKED);
		uint32_t count = o->count;

		add_name_of(o, id);
		if (o->count > count)
			o->items[count].linked = true;
		return;
	}
}

/* The inode has one link, under another name: it has lost this one even if the directory of this
 * name was not found. */
static void look_at_old_name(struct hw_observation *o, struct hw_item *item)
{
	(void)look(o, item);
	if (item->resolved || !item->entry || item->linked)
		return;
	item->resolved = item->differs = true;
	entry_of(o, item->entry)->flags |= HW_ENTRY_GONE;
}

static bool has_lost_a_link(const struct hw_observation *o, const struct hw_item *item)
{
	const struct hw_entry *e = item->entry ? entry_of(o, item->entry) : NULL;

	return e && item->differs && o->share->settle.window_ns && e->type != HW_TYPE_DIR &&
	       e->nlink > 1;
}

static struct hw_stat inode_of(const struct hw_entry *e)
{
	return (struct hw_stat){ .ino = e->ino,
				 .fs = e->fs,
				 .type = e->type,
				 .ident = e->ident,
				 .identity = e->identity };
}

static void look_at_old_names(struct hw_observation *o)
{
	uint32_t count = o->count;

	for (uint32_t i = 0; i < count; i++) {
		struct hw_stat stat = hw_observation_item(o, i)->stat;

		if (o->items[i].present && o->items[i].differs &&
		    (stat.nlink == 1 || stat.type == HW_TYPE_DIR))
			add_old_names(o, &stat);
		else if (o->items[i].present && o->items[i].differs && o->share->settle.window_ns)
			add_linked_name(o, &stat);
		if (has_lost_a_link(o, &o->items[i])) {
			stat = inode_of(entry_of(o, o->items[i].entry));
			add_linked_name(o, &stat);
		}
		for (uint32_t j = count; j < o->count; j++)
			if (!o->items[j].resolved)
				look_at_old_name(o, &o->items[j]);
		/* The other links are in a directory that was moved: its own round finds them. */
		if (o->count > count && o->items[o->count - 1].linked &&
		    !o->items[o->count - 1].resolved)
			o->count--;
	}
}

static int compare_items(const void *a, const void *b, void *arg)
{
	const struct hw_item *x = a, *y = b;
	int c;

	if (x->dir != y->dir)
		return hw_tree_compare_places(arg, (uint32_t)x->dir, x->name, x->len,
					      (uint32_t)y->dir, y->name, y->len);
	c = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);
	return c ? c : x->len - y->len;
}

void hw_observation_sort(struct hw_observation *o)
{
	const struct hw_sort how = { compare_items, &o->share->tree, &o->share->work };
	uint32_t kept = 0;

	/* Items in a directory that is gone have nothing left to report. */
	for (uint32_t i = 0; i < o->count; i++)
		if (hw_tree_by_token(&o->share->tree, hw_observation_item(o, i)->dir))
			o->items[kept++] = o->items[i];
	o->count = kept;
	hw_sort(o->items, o->count, sizeof(*o->items), &how);
}

/* ---- the observation ---- */

static void forget_looks(struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (hw_observation_item(o, i)->entry)
			entry_of(o, o->items[i].entry)->flags &= (uint8_t)~HW_ENTRY_GONE;
	for (uint32_t i = 0; i < o->renamed.count; i++)
		entry_of(o, o->renamed.ids[i])->renamed = 0;
	o->renamed.count = 0;
}

struct hw_observation *hw_observation_create(struct hw_share *share, struct hw_notes *names,
					     int64_t since_ns)
{
	struct hw_observation *o = names->count ? calloc(1, sizeof(*o)) : NULL;

	if (!o)
		return NULL;
	*o = (struct hw_observation){ .share = share, .since_ns = since_ns, .names = names };
	if (collect(o, names) < 0) {
		hw_observation_free(o);
		return NULL;
	}
	o->fold = share->settle.fold;
	share->settle.fold = (struct hw_fold){ 0 };
	return o;
}

void hw_observation_free(struct hw_observation *o)
{
	if (!o)
		return;
	free(o->items);
	free(o->altered);
	hw_fold_free(&o->fold);
	hw_ids_free(&o->renamed);
	hw_ids_free(&o->gone);
	hw_ids_free(&o->awaited);
	hw_ids_free(&o->found);
	free(o);
}

static bool is_one_name(const struct hw_item *a, const struct hw_item *b)
{
	return a->dir == b->dir && a->len == b->len && memcmp(a->name, b->name, a->len) == 0;
}

static void keep_one(struct hw_item *kept, const struct hw_item *other)
{
	uint8_t what = kept->what | other->what;
	bool linked = kept->linked || other->linked;

	if (!kept->resolved && other->resolved)
		*kept = *other;
	kept->what = what;
	kept->linked = linked;
}

static void drop_duplicates(struct hw_observation *o)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < o->count; i++) {
		if (kept && is_one_name(&o->items[kept - 1], hw_observation_item(o, i)))
			keep_one(&o->items[kept - 1], &o->items[i]);
		else
			o->items[kept++] = o->items[i];
	}
	o->count = kept;
}

void hw_observation_extend(struct hw_observation *o, const struct hw_notes *names)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item old = *hw_observation_item(o, i);

		o->items[i] = (struct hw_item){
			.dir = old.dir, .name = old.name, .len = old.len, .what = old.what
		};
	}
	for (uint32_t i = 0; i < names->count; i++) {
		const struct hw_note *s = &names->list[i];
		uint32_t ref = hw_names_add(&o->names->names, hw_notes_name(names, s), s->name_len);

		/* If out of memory, the next window examines it alone. */
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
	uint32_t count = o->count;

	look_at_old_names(o);
	forget_looks(o);
	if (o->count == count)
		return;
	hw_observation_sort(o);
	drop_duplicates(o);
}
