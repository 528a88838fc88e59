/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of data and attributes of entries whose inode is the same as before the observation. */
#include "observe.h"

#include "access.h"
#include "sort.h"

#include <stdlib.h>

static struct hw_entry *entry_of(const struct hw_observation *o, uint32_t id)
{
	return hw_tree_entry(&o->share->tree, id);
}

/* An entry that was deleted with its directory is not kept. */
bool hw_observation_is_kept(const struct hw_observation *o, const struct hw_item *item)
{
	const struct hw_entry *e = entry_of(o, item->source ? item->source : item->entry);

	return (item->finding == HW_FOUND_CHANGED || (item->source && item->done)) &&
	       e->type == item->stat.type && e->ino == item->stat.ino && e->fs == item->stat.fs;
}

/* Returns the entry whose change is to be reported: one that the tree had, or one that arrived with
 * data of its own. Changes of a new entry belong to its create. 0: none. */
static uint32_t changed_entry(const struct hw_observation *o, const struct hw_item *item)
{
	uint32_t id;

	if (hw_observation_is_kept(o, item))
		return item->source ? item->source : item->entry;
	if (!item->done || item->source || item->arrival == HW_ARRIVED_NEW)
		return 0;
	id = hw_tree_find(&o->share->tree, (uint32_t)item->dir, item->name, item->len);
	return id && hw_tree_is_same(entry_of(o, id), &item->stat) ? id : 0;
}

/* Returns whether the inode has lost one of its names. */
static bool has_lost_name(const struct hw_observation *o, const struct hw_entry *e)
{
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&o->share->tree, e->fs, e->ino, id)))
		if (entry_of(o, id)->flags & HW_ENTRY_GONE)
			return true;
	return false;
}

static bool has_several_names(const struct hw_observation *o, const struct hw_entry *e)
{
	uint32_t first = hw_tree_same_inode(&o->share->tree, e->fs, e->ino, 0);

	return first && hw_tree_same_inode(&o->share->tree, e->fs, e->ino, first);
}

/* Returns which of the changes that may belong to this inode are possible according to its
 * times. */
static uint8_t likely(const struct hw_observation *o, const struct hw_item *item, uint8_t maybe)
{
	uint32_t id = hw_tree_find(&o->share->tree, (uint32_t)item->dir, item->name, item->len);
	const struct hw_entry *e = entry_of(o, id);
	const struct hw_stat *stat = &item->stat;
	uint8_t what = 0;

	/* A rename also changes ctime. */
	if (!id || !hw_tree_is_same(e, stat) || e->ctime_ns == stat->ctime_ns)
		return 0;
	bool names = e->nlink != (uint16_t)stat->nlink || has_lost_name(o, e);

	/* A second write within one tick of the clock may leave no difference, nor does one whose
	 * mtime is set back: then nothing else explains the new ctime. */
	if (hw_history_is_data(e, stat) || !o->since_ns || stat->mtime_ns >= o->since_ns ||
	    (e->attr == stat->attr && !names))
		what |= HW_HINT_MODIFIED;
	if (!names || e->attr != stat->attr)
		what |= HW_HINT_ATTRIB; /* not by link or unlink */
	return what & maybe;
}

static const struct hw_fold_inode *facts_of(struct hw_observation *o, uint32_t id)
{
	const struct hw_entry *e = entry_of(o, id);
	const struct hw_stat stat = {
		.ino = e->ino, .fs = e->fs, .ident = e->ident, .identity = e->identity
	};

	return o->fold.inode_count ? hw_fold_facts(&o->fold, &stat) : NULL;
}

static struct hw_fold_at place_of(const struct hw_item *item)
{
	return (struct hw_fold_at){ .dir = (uint32_t)item->dir,
				    .name = item->name,
				    .len = item->len };
}

/* Returns whether the inode of this entry left the share under another name. If it has several
 * names in the tree, it is unknown which one that was: the number of its links decides. */
static bool left_under_another_name(struct hw_observation *o, uint32_t id)
{
	const struct hw_fold_inode *facts = id ? facts_of(o, id) : NULL;

	return facts && facts->left &&
	       !hw_fold_may_be_back(&o->fold, entry_of(o, id), facts->left) &&
	       !hw_fold_is_number_used_again(facts, entry_of(o, id)) &&
	       !has_several_names(o, entry_of(o, id));
}

/* Assigns the proofs that entries of the tree left the share. */
static void take_leave(struct hw_observation *o, struct hw_item *item)
{
	const struct hw_fold_at at = place_of(item);

	if (item->what & HW_HINT_GONE && !hw_fold_has_left(o->share, &o->fold, &at, item->what))
		item->what &= (uint8_t)~HW_HINT_GONE;
	if (left_under_another_name(o, item->entry))
		item->what |= HW_HINT_GONE;
}

void hw_observation_take_facts(struct hw_observation *o)
{
	if (!o->fold.inode_count)
		return;
	o->fold.since_ns = o->since_ns;
	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item *item = hw_observation_item(o, i);
		const struct hw_fold_at at = place_of(item);

		if (item->present)
			hw_fold_found(o->share, &o->fold, &at, &item->stat);
		else if (item->resolved && !item->refused)
			hw_fold_absent(o->share, &o->fold, &at, item->what);
	}
	hw_fold_all_found(o->share, &o->fold);
	for (uint32_t i = 0; i < o->count; i++) {
		struct hw_item *item = hw_observation_item(o, i);
		const struct hw_fold_inode *facts;

		take_leave(o, item);
		facts = item->present ? hw_fold_facts(&o->fold, &item->stat) : NULL;
		if (!facts)
			continue;
		item->what |= facts->what;
		item->what |= likely(o, item, facts->maybe);
		item->try_close |= (facts->maybe & HW_HINT_CLOSE_WRITE) != 0;
	}
}

/* ---- what the listings of new directories found ---- */

/* Makes an item of an entry that came with its directory or was moved there. */
static void join(struct hw_observation *o, uint32_t id, uint8_t what)
{
	struct hw_share *share = o->share;
	const struct hw_entry *e = entry_of(o, id);
	struct hw_stat stat;

	if (e->type == HW_TYPE_NONE)
		return;
	if (hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			 &stat) < 0 ||
	    !hw_tree_is_same(e, &stat) || !hw_observation_add_found(o, id, &stat)) {
		hw_unverified_entry(share, id);
		return;
	}
	o->items[o->count - 1].what = what;
	hw_observation_renamed(o, id);
}

static uint8_t known_changes(struct hw_observation *o, uint32_t id)
{
	const struct hw_fold_inode *facts = facts_of(o, id);

	return facts ? facts->what : 0;
}

/* Returns whether a name of this file is that of a new one: its changes belong to the create. */
static bool is_of_new_file(const struct hw_observation *o, uint32_t file)
{
	const struct hw_entry *e = entry_of(o, file);
	uint32_t id = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&o->share->tree, e->fs, e->ino, id)))
		if (entry_of(o, id)->flags & HW_ENTRY_NEW && hw_tree_are_links(entry_of(o, id), e))
			return true;
	return false;
}

/* `written` has some of the files, in the same order. */
static void join_files(struct hw_observation *o, const struct hw_ids *files,
		       const struct hw_ids *written)
{
	for (uint32_t i = 0, k = 0; i < files->count; i++) {
		uint32_t id = files->ids[i];
		bool is_written = k < written->count && written->ids[k] == id;
		uint8_t what = is_of_new_file(o, id) ? 0 : known_changes(o, id);

		hw_share_rest(o->share);
		k += is_written;
		if (is_written)
			what |= HW_HINT_MODIFIED;
		if (what)
			join(o, id, what);
	}
}

void hw_observation_join_found(struct hw_observation *o)
{
	struct hw_fill *fill = &o->share->fill;
	struct hw_ids moved = fill->moved, files = fill->files, written = fill->written;

	fill->joins = false;
	fill->moved = fill->files = fill->written = (struct hw_ids){ 0 };
	for (uint32_t i = 0; i < moved.count; i++) {
		hw_share_rest(o->share);
		join(o, moved.ids[i], known_changes(o, moved.ids[i]));
	}
	join_files(o, &files, &written);
	hw_ids_free(&moved);
	hw_ids_free(&written);
	o->found = files;
}

/* ---- changes ---- */

/* A rename changes ctime, so ctime cannot show a change of attributes: the hint does. */
static bool is_attrib_of_renamed(const struct hw_entry *e, const struct hw_stat *stat, uint8_t what)
{
	return what & HW_HINT_ATTRIB && e->renamed & HW_MARK_RENAMED &&
	       (e->type != HW_TYPE_DIR || e->mtime_ns == stat->mtime_ns);
}

static bool has_arrived(const struct hw_item *item)
{
	return item->arrival == HW_ARRIVED_MOVED_IN && !item->source &&
	       item->finding != HW_FOUND_CHANGED;
}

/* Its earlier data is unknown, but mtime shows when it was written. */
static bool is_written_since(const struct hw_observation *o, const struct hw_item *item)
{
	return (has_arrived(item) || item->unknown) && o->since_ns &&
	       item->stat.mtime_ns >= o->since_ns;
}

/* Returns whether the file was examined only because one of all files had another name for a while,
 * which also changes ctime. */
static bool is_link_and_unlink(const struct hw_observation *o, const struct hw_entry *e,
			       const struct hw_item *item)
{
	return o->fold.all_examined && !item->what && e->type == HW_TYPE_FILE &&
	       e->attr == item->stat.attr;
}

/* Returns whether the entry was moved away from its name and has it again. */
static bool is_back(const struct hw_observation *o, const struct hw_entry *e,
		    const struct hw_item *item)
{
	return item->what & HW_HINT_AWAY && !o->share->settle.window_ns &&
	       item->inode == (uint32_t)e->ino;
}

/* Returns the event for an entry whose inode is the same as before: HW_MODIFY, HW_ATTRIB or 0. */
static unsigned change_of(struct hw_observation *o, uint32_t id, const struct hw_item *item)
{
	struct hw_entry *e = entry_of(o, id);
	const struct hw_stat *stat = &item->stat;
	uint8_t what = item->what;

	if (e->type == HW_TYPE_FILE && (what & HW_HINT_MODIFIED || is_written_since(o, item)))
		return HW_MODIFY;
	unsigned kind = hw_history_compare(e, stat, e->renamed & HW_MARK_RENAMED);

	if (kind == HW_ATTRIB && is_link_and_unlink(o, e, item))
		return 0;
	if (!kind)
		return is_attrib_of_renamed(e, stat, what) ||
				       (what & HW_HINT_ATTRIB && has_arrived(item) &&
					e->type != HW_TYPE_DIR) ||
				       is_back(o, e, item)
			       ? HW_ATTRIB
			       : 0;
	return kind == HW_ATTRIB && hw_history_is_copy_up(e, stat, what) ? 0 : kind;
}

static int compare_ids(const void *a, const void *b, void *tree)
{
	return hw_tree_compare(tree, *(const uint32_t *)a, *(const uint32_t *)b);
}

static void sort_ids(struct hw_observation *o, struct hw_ids *ids)
{
	const struct hw_sort how = { compare_ids, &o->share->tree, &o->share->work };
	uint32_t kept = 0;

	hw_sort(ids->ids, ids->count, sizeof(*ids->ids), &how);
	for (uint32_t i = 0; i < ids->count; i++)
		if (!kept || ids->ids[kept - 1] != ids->ids[i])
			ids->ids[kept++] = ids->ids[i];
	ids->count = kept;
}

/* Adds all names of a file, and marks them. A file that has the mark was added before. */
static void add_names(struct hw_observation *o, struct hw_ids *list, uint32_t id, uint8_t bit)
{
	uint32_t *ids;
	int count;

	if (entry_of(o, id)->renamed & bit)
		return;
	count = hw_history_names(o->share, id, &ids);
	for (int i = 0; i < count; i++) {
		(void)hw_ids_add(list, ids[i]); /* if out of memory: the next change */
		hw_observation_mark(o, ids[i], bit);
	}
	if (count > 0)
		free(ids);
}

/* Changes are reported for all names of a file: all are compared before any is updated. */
static void add_change(struct hw_observation *o, struct hw_ids *modified, struct hw_ids *attrib,
		       struct hw_item *item)
{
	uint32_t id = changed_entry(o, item);
	unsigned kind = id ? change_of(o, id, item) : 0;

	if (!id)
		return;
	item->told = kind != 0;
	/* A name that it got in this observation is also one of its names. */
	if (kind && item->stat.nlink > entry_of(o, id)->nlink)
		entry_of(o, id)->nlink = (uint16_t)item->stat.nlink;
	item->try_close |= kind == HW_MODIFY && !(item->what & HW_HINT_MODIFIED);
	if (kind == HW_MODIFY)
		add_names(o, modified, id, HW_MARK_MODIFY);
	else if (kind)
		add_names(o, attrib, id, HW_MARK_ATTRIB);
}

/* Returns the name of the file that was added in this observation; 0: none, or the tree has an
 * older name, which shows the change. */
static uint32_t new_name(const struct hw_observation *o, const struct hw_stat *stat)
{
	uint32_t id = 0, found = 0, left = HW_LINKS_EXAMINED;

	while (left-- && (id = hw_tree_same_inode(&o->share->tree, stat->fs, stat->ino, id))) {
		if (!hw_tree_is_link(entry_of(o, id), stat))
			continue;
		if (hw_history_compare(entry_of(o, id), stat, true))
			return 0;
		found = id;
	}
	return found;
}

static void add_altered(struct hw_observation *o, struct hw_ids *modified, struct hw_ids *attrib)
{
	for (uint32_t i = 0; i < o->altered_count; i++) {
		struct hw_altered *altered = &o->altered[i];
		uint32_t id = new_name(o, &altered->stat);

		hw_share_rest(o->share);
		if (!id || entry_of(o, id)->flags & HW_ENTRY_NEW)
			continue;
		altered->reported = id;
		if (altered->kind == HW_MODIFY)
			add_names(o, modified, id, HW_MARK_MODIFY);
		else
			add_names(o, attrib, id, HW_MARK_ATTRIB);
	}
}

/* Returns whether an event about the entry, or about a directory that it moved with, was reported
 * since the first entry was moved away. */
static bool was_reported(const struct hw_observation *o, uint32_t id, uint32_t top)
{
	const uint32_t entry = id, since = (uint32_t)o->share->unverified.away_seq;

	for (; id != top; id = entry_of(o, id)->parent) {
		const struct hw_entry *e = entry_of(o, id);

		if ((int32_t)(e->last_seq - since) >= 0 && (id == entry || e->last_kind == HW_MOVE))
			return true;
	}
	return false;
}

static uint32_t next_below(const struct hw_observation *o, uint32_t id, uint32_t top)
{
	if (entry_of(o, id)->type == HW_TYPE_DIR && entry_of(o, id)->dir.first_child)
		return entry_of(o, id)->dir.first_child;
	while (id != top && !entry_of(o, id)->next_sibling)
		id = entry_of(o, id)->parent;
	return id == top ? 0 : entry_of(o, id)->next_sibling;
}

/* A directory is back at its place: receivers of events about entries in it may not have found them
 * meanwhile. */
static void add_reported_below(struct hw_observation *o, const struct hw_item *item,
			       struct hw_ids *attrib)
{
	uint32_t top = changed_entry(o, item);

	if (!top || entry_of(o, top)->type != HW_TYPE_DIR || !is_back(o, entry_of(o, top), item))
		return;
	for (uint32_t id = next_below(o, top, top); id; id = next_below(o, id, top)) {
		hw_share_rest(o->share);
		if (was_reported(o, id, top) && !(entry_of(o, id)->renamed & HW_MARK_MODIFY))
			(void)hw_ids_add(attrib, id); /* if out of memory: its next change */
	}
}

bool hw_observation_mark_names(struct hw_observation *o, uint32_t id, uint8_t bit)
{
	struct hw_tree *tree = &o->share->tree;
	const struct hw_entry *e = entry_of(o, id);
	uint32_t other = 0;

	if (e->nlink < 2 || e->type == HW_TYPE_DIR)
		return true;
	if (e->renamed & bit)
		return false;
	while ((other = hw_tree_same_inode(tree, e->fs, e->ino, other)))
		if (hw_tree_are_links(entry_of(o, other), e))
			hw_observation_mark(o, other, bit);
	return true;
}

void hw_observation_unmark(struct hw_observation *o, uint8_t bit)
{
	for (uint32_t i = 0; i < o->renamed.count; i++) {
		hw_share_rest(o->share);
		entry_of(o, o->renamed.ids[i])->renamed &= (uint8_t)~bit;
	}
}

static void tell_ids(struct hw_observation *o, struct hw_ids *ids,
		     void (*tell)(struct hw_share *, uint32_t))
{
	sort_ids(o, ids);
	for (uint32_t i = 0; i < ids->count; i++) {
		hw_share_rest(o->share);
		if (hw_observation_mark_names(o, ids->ids[i], HW_MARK_REPORTED))
			tell(o->share, ids->ids[i]);
	}
	hw_observation_unmark(o, HW_MARK_REPORTED);
	hw_ids_free(ids);
}

static void update(struct hw_observation *o, const struct hw_item *item)
{
	uint32_t id = changed_entry(o, item);

	if (!id)
		return;
	bool first = hw_observation_mark_names(o, id, HW_MARK_UPDATED);

	if (entry_of(o, id)->type == HW_TYPE_DIR && entry_of(o, id)->attr != item->stat.attr)
		hw_retry_access_changed(o->share, id);
	hw_tree_update(&o->share->tree, id, &item->stat);
	if (first)
		hw_history_siblings(o->share, id, &item->stat, item->told);
	if (!o->share->settle.window_ns)
		hw_former_confirm(o->share, id);
}

/* Adds the new files whose content is to be reported. An entry that was created and deleted in this
 * observation is not among them, nor is the next one that got its id. */
static void add_unannounced(struct hw_observation *o, struct hw_ids *modified)
{
	struct hw_ids ids = o->share->fill.modified;

	o->share->fill.modified = (struct hw_ids){ 0 };
	for (uint32_t i = 0; i < ids.count; i++) {
		hw_share_rest(o->share);
		if (hw_history_is_unannounced(entry_of(o, ids.ids[i])))
			add_names(o, modified, ids.ids[i], HW_MARK_MODIFY);
	}
	hw_ids_free(&ids);
}

void hw_observation_tell_changes(struct hw_observation *o)
{
	struct hw_ids modified = { 0 }, attrib = { 0 };

	add_unannounced(o, &modified);
	for (uint32_t i = 0; i < o->count; i++)
		add_change(o, &modified, &attrib, hw_observation_item(o, i));
	add_altered(o, &modified, &attrib);
	for (uint32_t i = 0; i < o->count; i++)
		add_reported_below(o, hw_observation_item(o, i), &attrib);
	for (uint32_t i = 0; i < o->count; i++)
		update(o, hw_observation_item(o, i));
	tell_ids(o, &modified, hw_history_modify);
	tell_ids(o, &attrib, hw_history_attrib);
}
