/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history.h"

#include "arm.h"
#include "quiet.h"
#include "share_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct path {
	const char *bytes;
	size_t len;
};

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* ---- reporting ---- */

static uint64_t tell(struct hw_share *share, enum hw_kind kind, uint8_t type, uint16_t flags,
		     const struct path *from, const struct path *path)
{
	struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = (uint8_t)kind,
		.type = type,
		.flags = flags,
		.from = from ? from->bytes : NULL,
		.from_len = from ? (uint32_t)from->len : 0,
		.path = path ? path->bytes : NULL,
		.path_len = path ? (uint32_t)path->len : 0,
	};

	if (share->silent)
		return 0;
	return hw_journal_append(&share->journal, &event);
}

static bool path_in(struct hw_share *share, uint32_t id, char *buf, struct path *ret)
{
	ret->bytes = hw_tree_path(&share->tree, id, buf, HW_PATH_MAX + 1, &ret->len);
	return ret->bytes && ret->len <= HW_PATH_MAX;
}

/* Builds the path in path_a, unless it is there already: consecutive events are often about one
 * entry. */
static bool path_of(struct hw_share *share, uint32_t id, struct path *ret)
{
	struct hw_last_path *last = &share->history.last_path;

	if (last->id == id && last->places == share->tree.places) {
		*ret = (struct path){ last->bytes, last->len };
		return true;
	}
	last->id = 0;
	if (!path_in(share, id, share->history.path_a, ret))
		return false;
	*last = (struct hw_last_path){ id, share->tree.places, ret->bytes, ret->len };
	return true;
}

void hw_history_rescan(struct hw_share *share, uint32_t dir)
{
	struct hw_journal_cursor last;
	struct hw_event event;
	struct path path;

	while (!path_of(share, dir, &path))
		dir = entry_of(share, dir)->parent;
	/* Does not repeat a rescan that is already the newest event. */
	uint64_t seq = hw_journal_last_seq(&share->journal);

	if (seq && hw_journal_seek(&share->journal, seq - 1, &last) == 0 &&
	    hw_journal_next(&share->journal, &last, &event) == 1 && event.kind == HW_RESCAN &&
	    event.path_len == path.len && memcmp(event.path, path.bytes, path.len) == 0)
		return;
	(void)tell(share, HW_RESCAN, HW_TYPE_NONE, 0, NULL, &path);
}

static void remember(struct hw_share *share, uint32_t id, enum hw_kind kind, uint64_t seq)
{
	struct hw_entry *e = entry_of(share, id);

	e->last_kind = (uint8_t)kind;
	e->last_seq = (uint32_t)seq;
	if (e->nlink > 1 && kind != HW_MODIFY && kind != HW_DELETE)
		share->history.modified_inode.ino = 0;
}

/* Reports an event about one entry under its current path. */
static void tell_entry(struct hw_share *share, uint32_t id, enum hw_kind kind)
{
	struct path path;

	if (share->silent)
		return;
	if (!path_of(share, id, &path)) {
		hw_history_rescan(share, id);
		return;
	}
	remember(share, id, kind, tell(share, kind, entry_of(share, id)->type, 0, NULL, &path));
}

bool hw_history_is_fresh(const struct hw_share *share, const struct hw_entry *entry)
{
	return (int32_t)(entry->last_seq - (uint32_t)share->turn.first_seq) >= 0;
}

/* Returns whether the event equals the last one about the entry, and that one is of this iteration,
 * so that no receiver has read it. inotify(7) merges events in the same way. */
static bool is_repetition(struct hw_share *share, uint32_t id, enum hw_kind kind)
{
	const struct hw_entry *e = entry_of(share, id);

	return e->last_kind == kind && hw_history_is_fresh(share, e);
}

void hw_history_out_of_memory(struct hw_share *share, uint32_t dir)
{
	hw_log_limited(&share->history.limit, hw_loop_now_ns(share->loop), HW_LOG_WARNING,
		       "share %s: out of memory; sending receivers a rescan", share->name);
	hw_history_rescan(share, dir);
	share->history.incomplete = true;
}

void hw_history_stale(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	if (e->flags & HW_ENTRY_STALE)
		return;
	if (hw_ids_add(&share->refresh.stale, id) == 0)
		e->flags |= HW_ENTRY_STALE;
}

void hw_history_siblings(struct hw_share *share, uint32_t self, const struct hw_stat *stat,
			 bool told)
{
	uint32_t id = 0, left = told ? UINT32_MAX : HW_LINKS_EXAMINED;

	if (stat->nlink < 2 || stat->type == HW_TYPE_DIR)
		return;
	while (left-- && (id = hw_tree_same_inode(&share->tree, stat->fs, stat->ino, id))) {
		struct hw_entry *e = entry_of(share, id);

		if (id == self || !hw_tree_is_same(e, stat))
			continue;
		if (told) {
			hw_tree_update(&share->tree, id, stat);
			continue;
		}
		/* It was written through a name in a directory that was not watched yet. */
		if (!share->silent && !(e->flags & HW_ENTRY_STALE) &&
		    (e->mtime_ns != stat->mtime_ns || e->size != stat->size ||
		     e->attr != stat->attr)) {
			hw_unverified_entry(share, id);
			continue;
		}
		hw_tree_note(&share->tree, id);
		e->ctime_ns = stat->ctime_ns;
		e->nlink = (uint16_t)stat->nlink;
	}
}

/* ---- create ---- */

static void begin_data(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	e->flags &= (uint8_t)~HW_ENTRY_MODIFIED;
	e->flags |= HW_ENTRY_DIRTY | HW_ENTRY_NEW;
	hw_quiet_add(share, id);
}

uint32_t hw_history_create(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			   const struct hw_stat *stat, enum hw_arrival how)
{
	uint32_t id = hw_tree_add(&share->tree, dir, name, len, stat);
	struct path path;

	if (!id) {
		hw_history_out_of_memory(share, HW_ROOT);
		return 0;
	}
	hw_history_siblings(share, id, stat, false);
	if (share->silent)
		return id;
	hw_history_stale(share, dir);
	if (how == HW_ARRIVED_MOVED_IN) {
		if (path_of(share, id, &path))
			remember(share, id, HW_MOVE,
				 tell(share, HW_MOVE, stat->type, 0, NULL, &path));
		else
			hw_history_rescan(share, id);
		return id;
	}
	tell_entry(share, id, HW_CREATE);
	if (how == HW_ARRIVED_NEW && stat->type == HW_TYPE_FILE)
		begin_data(share, id);
	return id;
}

/* ---- delete ---- */

/* Another name of the inode is removed: the link count is unknown until the entry is examined, and
 * the last change through that name may not have been reported for this one. */
static void lose_name(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	hw_tree_note(&share->tree, id);
	e->nlink = UINT16_MAX;
	if (!share->silent)
		hw_unverified_entry(share, id);
}

static void drop_entry(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);
	uint32_t sibling = 0, left = HW_LINKS_EXAMINED;

	if (e->type == HW_TYPE_DIR) {
		hw_arm_forget(share, id);
	} else if (e->nlink > 1) {
		while (left-- &&
		       (sibling = hw_tree_same_inode(&share->tree, e->fs, e->ino, sibling)))
			if (sibling != id)
				lose_name(share, sibling);
	}
	hw_former_add_entry(share, id);
	hw_tree_remove(&share->tree, id);
}

static uint32_t deepest_first_child(struct hw_share *share, uint32_t id)
{
	while (entry_of(share, id)->type == HW_TYPE_DIR && entry_of(share, id)->dir.first_child)
		id = entry_of(share, id)->dir.first_child;
	return id;
}

/* Reports nothing. Does not recurse, because the depth is unlimited. */
static void drop_subtree(struct hw_share *share, uint32_t id)
{
	for (;;) {
		uint32_t leaf = deepest_first_child(share, id);

		drop_entry(share, leaf);
		if (leaf == id)
			return;
		hw_share_rest(share);
	}
}

/* Lists parents before children and siblings in reverse order: read from its end, this is the order
 * of deletion. */
static int list_below(struct hw_share *share, uint32_t dir, struct hw_ids *ret)
{
	struct hw_ids waiting = { 0 };
	int r = hw_ids_add(&waiting, dir);

	while (r == 0 && waiting.count) {
		uint32_t id = waiting.ids[--waiting.count], *ids = NULL;
		int count = 0;

		r = hw_ids_add(ret, id);
		if (entry_of(share, id)->type == HW_TYPE_DIR)
			count = hw_tree_children(&share->tree, id, &ids);
		if (count < 0)
			r = count;
		for (int i = 0; i < count && r == 0; i++)
			r = hw_ids_add(&waiting, ids[i]);
		free(ids);
	}
	hw_ids_free(&waiting);
	return r;
}

static void delete_one(struct hw_share *share, uint32_t id)
{
	if (!share->silent)
		hw_history_stale(share, entry_of(share, id)->parent);
	tell_entry(share, id, HW_DELETE);
	drop_entry(share, id);
}

/* Does not recurse, because users decide how deep a tree is. */
static void delete_children(struct hw_share *share, uint32_t dir)
{
	struct hw_ids ids = { 0 };

	if (list_below(share, dir, &ids) == 0) {
		while (ids.count > 1) {
			hw_share_rest(share);
			delete_one(share, ids.ids[--ids.count]);
		}
	} else { /* if out of memory: also children first, but siblings in any order */
		while (entry_of(share, dir)->dir.first_child)
			delete_one(share, deepest_first_child(share, dir));
	}
	hw_ids_free(&ids);
}

void hw_history_delete(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = entry_of(share, id);

	if (e->type == HW_TYPE_DIR && e->dir.first_child)
		delete_children(share, id);
	delete_one(share, id);
}

void hw_history_leave(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);
	uint8_t type = e->type;
	uint32_t dir = e->parent;
	struct path from;
	bool fits = path_in(share, id, share->history.path_b, &from);

	share->keep.held++; /* it may rest before the move is reported */
	drop_subtree(share, id);
	share->keep.held--;
	if (share->silent)
		return;
	hw_history_stale(share, dir);
	if (fits)
		(void)tell(share, HW_MOVE, type, 0, &from, NULL);
	else
		hw_history_rescan(share, dir);
}

/* ---- move ---- */

static void clear_target(struct hw_share *share, uint32_t old)
{
	if (entry_of(share, old)->type == HW_TYPE_DIR && entry_of(share, old)->dir.first_child)
		delete_children(share, old);
	drop_entry(share, old);
}

static void tell_move(struct hw_share *share, uint32_t id, const struct path *from, uint16_t flags)
{
	struct path path;

	if (share->silent)
		return;
	if (!from->bytes || !path_of(share, id, &path)) {
		hw_history_rescan(share, entry_of(share, id)->parent);
		return;
	}
	remember(share, id, HW_MOVE,
		 tell(share, HW_MOVE, entry_of(share, id)->type, flags, from, &path));
}

uint32_t hw_history_replace(struct hw_share *share, uint32_t old, const struct hw_stat *stat,
			    enum hw_arrival how)
{
	char name[HW_NAME_MAX];
	struct hw_entry *e = entry_of(share, old);
	uint8_t len = e->name_len;
	uint32_t dir = e->parent;
	struct path path;

	memcpy(name, hw_tree_name(&share->tree, old), len);
	clear_target(share, old);
	uint32_t id = hw_tree_add(&share->tree, dir, name, len, stat);

	if (!id) {
		hw_history_out_of_memory(share, HW_ROOT);
		return 0;
	}
	hw_history_siblings(share, id, stat, false);
	if (share->silent)
		return id;
	hw_history_stale(share, dir);
	if (path_of(share, id, &path))
		remember(share, id, HW_MOVE,
			 tell(share, HW_MOVE, stat->type, HW_FLAG_REPLACED, NULL, &path));
	else
		hw_history_rescan(share, dir);
	if (how == HW_ARRIVED_NEW && stat->type == HW_TYPE_FILE)
		begin_data(share, id);
	return id;
}

void hw_history_move(struct hw_share *share, uint32_t id, uint32_t dir, const char *name,
		     size_t len, const struct hw_stat *stat)
{
	uint32_t old = hw_tree_find(&share->tree, dir, name, len),
		 was = entry_of(share, id)->parent;
	uint16_t flags = old ? HW_FLAG_REPLACED : 0;
	struct path from;

	if (!path_in(share, id, share->history.path_b, &from))
		from.bytes = NULL;
	if (old)
		clear_target(share, old);
	if (hw_tree_move(&share->tree, id, dir, name, len) < 0) {
		hw_history_out_of_memory(share, HW_ROOT);
		return;
	}
	tell_move(share, id, &from, flags);
	if (stat) {
		hw_history_siblings(share, id, stat, false);
		struct hw_entry *e = entry_of(share, id);

		e->ctime_ns = stat->ctime_ns;
		e->nlink = (uint16_t)stat->nlink;
		e->ident = stat->ident;
		e->identity = stat->identity;
	}
	if (entry_of(share, id)->type == HW_TYPE_DIR)
		hw_arm_note_top(share, id);
	if (share->silent)
		return;
	hw_history_stale(share, was);
	hw_history_stale(share, dir);
}

/* Notes that the ctime of an exchanged entry changed. New data of a file is not taken over, because
 * no record has reported it. */
static void note_renamed(struct hw_share *share, uint32_t id)
{
	if (entry_of(share, id)->type == HW_TYPE_DIR)
		hw_history_stale(share, id);
	else
		(void)hw_ids_add(&share->refresh.renamed,
				 id); /* if out of memory: a needless attrib */
}

void hw_history_exchange(struct hw_share *share, uint32_t a, uint32_t b)
{
	struct path from, to;

	/* The event has the lesser path first. */
	if (hw_tree_compare(&share->tree, a, b) > 0) {
		uint32_t other = a;

		a = b;
		b = other;
	}
	bool fit = path_in(share, a, share->history.path_b, &from);

	fit = path_of(share, b, &to) && fit;
	hw_tree_swap(&share->tree, a, b);
	if (entry_of(share, a)->type == HW_TYPE_DIR)
		hw_arm_note_top(share, a);
	if (entry_of(share, b)->type == HW_TYPE_DIR)
		hw_arm_note_top(share, b);
	note_renamed(share, a);
	note_renamed(share, b);
	hw_history_stale(share, entry_of(share, a)->parent);
	hw_history_stale(share, entry_of(share, b)->parent);
	if (!fit) {
		hw_history_rescan(share, HW_ROOT);
		return;
	}
	uint64_t seq = tell(share, HW_MOVE, entry_of(share, a)->type, HW_FLAG_EXCHANGE, &from, &to);

	remember(share, a, HW_MOVE, seq);
	remember(share, b, HW_MOVE, seq);
}

/* ---- data and attributes ---- */

static int compare_ids(const void *a, const void *b, void *tree)
{
	return hw_tree_compare(tree, *(const uint32_t *)a, *(const uint32_t *)b);
}

/* Copy-up gives one name of a file of a lower layer its own inode, so later changes there affect no
 * other name. Updates the tree before the names of the inode are listed. */
static void separate_name(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat stat;

	if (e->identity != HW_BY_HANDLE || e->nlink < 2 || e->type == HW_TYPE_DIR ||
	    hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			 &stat) < 0 ||
	    stat.nlink > 1 || !hw_tree_is_same(e, &stat))
		return;
	hw_tree_note(&share->tree, id);
	e->ident = stat.ident;
	e->nlink = 1;
}

int hw_history_names(struct hw_share *share, uint32_t id, uint32_t **ret_ids)
{
	const struct hw_entry *e = entry_of(share, id);
	struct hw_ids names = { 0 };
	uint32_t other = 0;

	separate_name(share, id);
	if (e->type == HW_TYPE_DIR || e->nlink < 2) {
		if (hw_ids_add(&names, id) < 0)
			return -ENOMEM;
		*ret_ids = names.ids;
		return 1;
	}
	while ((other = hw_tree_same_inode(&share->tree, e->fs, e->ino, other))) {
		if (hw_tree_are_links(entry_of(share, other), e) && hw_ids_add(&names, other) < 0) {
			hw_ids_free(&names);
			return -ENOMEM;
		}
	}
	qsort_r(names.ids, names.count, sizeof(*names.ids), compare_ids, &share->tree);
	*ret_ids = names.ids;
	return (int)names.count;
}

static void modify_one(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	if (share->silent)
		return;
	if (!is_repetition(share, id, HW_MODIFY))
		tell_entry(share, id, HW_MODIFY);
	hw_tree_note(&share->tree, id);
	e->flags |= HW_ENTRY_DIRTY | HW_ENTRY_MODIFIED;
	hw_quiet_add(share, id);
}

static void attrib_one(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = entry_of(share, id);

	bool is_new = e->type == HW_TYPE_FILE && e->flags & HW_ENTRY_NEW;

	/* Attribute changes between a file's create and its first close_write belong to the
	 * create. */
	if (!is_new && !is_repetition(share, id, HW_ATTRIB))
		tell_entry(share, id, HW_ATTRIB);
}

static void each_name(struct hw_share *share, uint32_t id, void (*fn)(struct hw_share *, uint32_t))
{
	uint32_t *ids;

	if (entry_of(share, id)->nlink < 2 || entry_of(share, id)->type == HW_TYPE_DIR) {
		fn(share, id);
		return;
	}
	int count = hw_history_names(share, id, &ids);

	if (count < 0) {
		hw_history_out_of_memory(share, HW_ROOT);
		return;
	}
	for (int i = 0; i < count; i++)
		fn(share, ids[i]);
	free(ids);
}

/* A file may have many writes and many names: its names are listed once per iteration. */
static bool names_are_modified(const struct hw_share *share, const struct hw_entry *e)
{
	return e->nlink > 1 && share->history.modified_inode.ino == e->ino &&
	       share->history.modified_inode.fs == e->fs &&
	       share->history.modified_inode.turn == share->turn.first_seq;
}

void hw_history_modify(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = entry_of(share, id);

	if (e->type != HW_TYPE_FILE || names_are_modified(share, e))
		return;
	each_name(share, id, modify_one);
	share->history.modified_inode.ino = e->nlink > 1 && !share->silent ? e->ino : 0;
	share->history.modified_inode.fs = e->fs;
	share->history.modified_inode.turn = share->turn.first_seq;
}

bool hw_history_was_modified(struct hw_share *share, uint32_t id)
{
	return is_repetition(share, id, HW_MODIFY);
}

void hw_history_attrib(struct hw_share *share, uint32_t id)
{
	each_name(share, id, attrib_one);
}

void hw_history_close(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	if (!(e->flags & HW_ENTRY_DIRTY))
		return;
	hw_tree_note(&share->tree, id);
	e->flags &= (uint8_t) ~(HW_ENTRY_DIRTY | HW_ENTRY_NEW | HW_ENTRY_MODIFIED);
	tell_entry(share, id, HW_CLOSE_WRITE);
}
