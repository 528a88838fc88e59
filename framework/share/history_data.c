/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of data and attributes, which concern each name of an inode. */
#include "history_private.h"
#include "quiet.h"
#include "stage.h"

#include <errno.h>
#include <stdlib.h>

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

void hw_history_siblings(struct hw_share *share, uint32_t self, const struct hw_stat *stat,
			 bool told)
{
	uint32_t id = 0, left = told ? UINT32_MAX : HW_LINKS_EXAMINED;

	if (stat->nlink < 2 || stat->type == HW_TYPE_DIR)
		return;
	while (left-- && (id = hw_tree_same_inode(&share->tree, stat->fs, stat->ino, id))) {
		struct hw_entry *e = entry_of(share, id);

		if (id == self || !hw_tree_is_link(e, stat))
			continue;
		if (told) {
			hw_tree_update(&share->tree, id, stat);
			continue;
		}
		/* It was written through a name in a directory that was not watched yet. */
		if (!share->silent && !(e->flags & HW_ENTRY_STALE) &&
		    (e->mtime_ns != stat->mtime_ns || e->size != stat->size ||
		     e->attr != stat->attr || e->ctime_ns == HW_TIME_UNKNOWN)) {
			if (!share->fill.joins || hw_ids_add(&share->fill.moved, id) < 0)
				hw_unverified_entry(share, id);
			continue;
		}
		hw_tree_note(&share->tree, id);
		e->ctime_ns = stat->ctime_ns;
		e->nlink = (uint16_t)stat->nlink;
	}
}

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
	    hw_tree_ident(e) == hw_lasting_ident(HW_BY_HANDLE, stat.ident) ||
	    !hw_tree_is_same(e, &stat))
		return;
	hw_tree_note(&share->tree, id);
	e->ident = stat.ident;
	e->nlink = (uint16_t)stat.nlink;
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
	if (!hw_history_is_repetition(share, id, HW_MODIFY))
		hw_history_report_entry(share, id, HW_MODIFY);
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
	if (!is_new && !hw_history_is_repetition(share, id, HW_ATTRIB))
		hw_history_report_entry(share, id, HW_ATTRIB);
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
		hw_shortage_found(share);
		hw_history_rescan(share, HW_ROOT);
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
	HW_STAGE(HW_STAGE_HISTORY);
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
	return hw_history_is_repetition(share, id, HW_MODIFY);
}

void hw_history_attrib(struct hw_share *share, uint32_t id)
{
	HW_STAGE(HW_STAGE_HISTORY);
	each_name(share, id, attrib_one);
}

void hw_history_close(struct hw_share *share, uint32_t id)
{
	HW_STAGE(HW_STAGE_HISTORY);
	struct hw_entry *e = entry_of(share, id);

	if (!(e->flags & HW_ENTRY_DIRTY))
		return;
	hw_tree_note(&share->tree, id);
	e->flags &= (uint8_t) ~(HW_ENTRY_DIRTY | HW_ENTRY_NEW | HW_ENTRY_MODIFIED);
	hw_history_report_entry(share, id, HW_CLOSE_WRITE);
}
