/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "refresh.h"

#include "history.h"
#include "settle.h"
#include "share_private.h"

#include <errno.h>

enum outcome {
	UPDATED,
	GONE, /* the name has another entry or none: a hint that is still to come moves or removes
		 this one */
	TOUCHED, /* a hint about utimes(2) may be still to come: it finds another mtime, and reports
		    modify */
};

static enum outcome refresh_one(struct hw_share *share, uint32_t id, bool all_read)
{
	struct hw_entry *e = hw_tree_entry(&share->tree, id);
	struct hw_stat stat;
	int r;

	if (id == HW_ROOT)
		r = hw_disk_stat_fd(&share->disk, hw_disk_root(&share->disk), &stat);
	else
		r = hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id),
				 e->name_len, &stat);
	if (r == -ENOENT || (r == 0 && !hw_tree_is_same(e, &stat)))
		return GONE;
	if (r == 0 && !all_read && hw_history_is_touched(share, e, &stat))
		return TOUCHED;
	e->flags &= (uint8_t)~HW_ENTRY_STALE;
	if (r < 0)
		return UPDATED;
	stat.attr = hw_tree_attr_seen(e, &stat);
	/* The modify was reported for every name. */
	bool written = (e->last_kind == HW_MODIFY || e->last_kind == HW_CLOSE_WRITE) &&
		       (e->mtime_ns != stat.mtime_ns || e->size != stat.size);

	hw_tree_update(&share->tree, id, &stat);
	if (written)
		hw_history_siblings(share, id, &stat, true);
	return UPDATED;
}

/* No hint explains why these are gone: they are examined like other unverified names. */
static void note_stale(struct hw_share *share)
{
	for (uint32_t i = 0; i < share->refresh.stale.count; i++) {
		uint32_t id = share->refresh.stale.ids[i];

		hw_tree_entry(&share->tree, id)->flags &= (uint8_t)~HW_ENTRY_STALE;
		hw_unverified_entry(share, id);
	}
	share->refresh.stale.count = 0;
	if (share->settle.window_ns && !share->silent)
		hw_settle_begin(share);
	hw_share_kick(share);
}

static void refresh_renamed(struct hw_share *share)
{
	struct hw_stat stat;

	for (uint32_t i = 0; i < share->refresh.renamed.count; i++) {
		uint32_t id = share->refresh.renamed.ids[i];
		struct hw_entry *e = hw_tree_entry(&share->tree, id);

		if (e->type == HW_TYPE_NONE || e->type == HW_TYPE_DIR ||
		    hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id),
				 e->name_len, &stat) < 0 ||
		    !hw_tree_is_same(e, &stat))
			continue;
		hw_tree_note(&share->tree, id);
		e->ctime_ns = stat.ctime_ns;
		e->nlink = (uint16_t)stat.nlink;
	}
	share->refresh.renamed.count = 0;
}

/* Refreshes the entries of this list that are still in it. Entries that are gone remain in it. */
static void refresh_all(struct hw_share *share, struct hw_ids *ids, bool all_read)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < ids->count; i++) {
		uint32_t id = ids->ids[i];
		const struct hw_entry *e = hw_tree_entry(&share->tree, id);

		hw_share_rest(share);
		if (e->type == HW_TYPE_NONE || !(e->flags & HW_ENTRY_STALE))
			continue;
		enum outcome outcome = refresh_one(share, id, all_read);

		if (outcome == TOUCHED && hw_ids_add(&share->refresh.touched_later, id) < 0)
			outcome = GONE; /* out of memory: it is examined in the next iteration */
		if (outcome == GONE)
			ids->ids[kept++] = id;
	}
	ids->count = kept;
}

/* The record of utimes(2) has been read, or none was queued: if it set no atime, its record is that
 * of a write. */
static void update_touched(struct hw_share *share)
{
	struct hw_ids *ids = &share->refresh.touched;

	refresh_all(share, ids, true);
	for (uint32_t i = 0; i < ids->count; i++) {
		struct hw_entry *e = hw_tree_entry(&share->tree, ids->ids[i]);

		e->flags &= (uint8_t)~HW_ENTRY_STALE;
		hw_history_stale(share, ids->ids[i]);
	}
	ids->count = 0;
}

static void refresh_touched(struct hw_share *share)
{
	struct hw_refresh *refresh = &share->refresh;

	while (refresh->touched.count || refresh->touched_later.count) {
		struct hw_ids spare = refresh->touched;

		if (refresh->touched.count) {
			if (!hw_mark_is_reached(share, &refresh->mark))
				return;
			update_touched(share);
			continue;
		}
		refresh->touched = refresh->touched_later;
		refresh->touched_later = spare;
		hw_mark_set(share, &refresh->mark);
	}
}

void hw_refresh(struct hw_share *share)
{
	struct hw_ids *ids = &share->refresh.stale;

	refresh_renamed(share);
	refresh_all(share, ids, false);
	refresh_touched(share);
	if (ids->count && !hw_watchers_have_unread(share))
		note_stale(share);
	if (ids->room > 65536 && !ids->count)
		hw_ids_free(ids);
}
