/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The events of a history: each has the path that its entry has at that moment. */
#include "history_private.h"

#include <hostwatch/probe.h>
#include <string.h>

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

uint64_t hw_history_report(struct hw_share *share, enum hw_kind kind, uint8_t type, uint16_t flags,
			   const struct hw_history_path *from, const struct hw_history_path *path)
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
	HW_PROBE4(history, event.kind, event.type, event.path, event.path_len);
	return hw_journal_append(&share->journal, &event);
}

bool hw_history_path_in(struct hw_share *share, uint32_t id, char *buf, struct hw_history_path *ret)
{
	ret->bytes = hw_tree_path(&share->tree, id, buf, HW_PATH_MAX + 1, &ret->len);
	return ret->bytes && ret->len <= HW_PATH_MAX;
}

bool hw_history_path(struct hw_share *share, uint32_t id, struct hw_history_path *ret)
{
	struct hw_last_path *last = &share->history.last_path;

	if (last->id == id && last->places == share->tree.places) {
		*ret = (struct hw_history_path){ last->bytes, last->len };
		return true;
	}
	last->id = 0;
	if (!hw_history_path_in(share, id, share->history.path_a, ret))
		return false;
	*last = (struct hw_last_path){ id, share->tree.places, ret->bytes, ret->len };
	return true;
}

void hw_history_rescan(struct hw_share *share, uint32_t dir)
{
	struct hw_journal_cursor last;
	struct hw_event event;
	struct hw_history_path path;

	while (!hw_history_path(share, dir, &path))
		dir = entry_of(share, dir)->parent;
	/* Does not repeat a rescan that is already the newest event. */
	uint64_t seq = hw_journal_last_seq(&share->journal);

	if (seq && hw_journal_seek(&share->journal, seq - 1, &last) == 0 &&
	    hw_journal_next(&share->journal, &last, &event) == 1 && event.kind == HW_RESCAN &&
	    event.path_len == path.len && memcmp(event.path, path.bytes, path.len) == 0)
		return;
	(void)hw_history_report(share, HW_RESCAN, HW_TYPE_NONE, 0, NULL, &path);
}

void hw_history_remember(struct hw_share *share, uint32_t id, enum hw_kind kind, uint64_t seq)
{
	struct hw_entry *e = entry_of(share, id);

	e->last_kind = kind & 0x7fu;
	e->last_seq = (uint32_t)seq;
	if (e->nlink > 1 && kind != HW_MODIFY && kind != HW_DELETE)
		share->history.modified_inode.ino = 0;
}

void hw_history_report_entry(struct hw_share *share, uint32_t id, enum hw_kind kind)
{
	struct hw_history_path path;

	if (share->silent)
		return;
	if (!hw_history_path(share, id, &path)) {
		hw_history_rescan(share, id);
		return;
	}
	hw_history_remember(share, id, kind,
			    hw_history_report(share, kind, entry_of(share, id)->type, 0, NULL,
					      &path));
}

bool hw_history_is_fresh(const struct hw_share *share, const struct hw_entry *entry)
{
	return (int32_t)(entry->last_seq - (uint32_t)share->turn.first_seq) >= 0;
}

int64_t hw_history_told_ns(const struct hw_share *share, const struct hw_entry *e)
{
	uint64_t last = hw_journal_last_seq(&share->journal);
	uint64_t seq = last - ((uint32_t)last - e->last_seq);
	struct hw_journal_cursor cursor;
	struct hw_event event;

	if (!e->last_seq || hw_journal_seek(&share->journal, seq - 1, &cursor) < 0 ||
	    hw_journal_next(&share->journal, &cursor, &event) <= 0)
		return INT64_MAX;
	return event.time_ns;
}

bool hw_history_is_repetition(struct hw_share *share, uint32_t id, enum hw_kind kind)
{
	const struct hw_entry *e = entry_of(share, id);

	return e->last_kind == kind && hw_history_is_fresh(share, e);
}

void hw_history_stale(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	if (e->flags & HW_ENTRY_STALE)
		return;
	if (hw_ids_add(&share->refresh.stale, id) == 0)
		e->flags |= HW_ENTRY_STALE;
}
