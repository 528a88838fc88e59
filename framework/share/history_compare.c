/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Classifies a change of data or attributes by comparing the tree with the disk. */
#include "history.h"

#include "share_private.h"

bool hw_history_is_unannounced(const struct hw_entry *entry)
{
	return entry->type == HW_TYPE_FILE && entry->size && entry->flags & HW_ENTRY_NEW &&
	       !(entry->flags & HW_ENTRY_MODIFIED);
}

bool hw_history_is_data(const struct hw_entry *entry, const struct hw_stat *stat)
{
	if (entry->type != HW_TYPE_FILE)
		return false;
	/* Changed times of a new and still empty file belong to its create. */
	if (entry->flags & HW_ENTRY_NEW && !entry->size && !stat->size)
		return false;
	return entry->mtime_ns != stat->mtime_ns || entry->size != stat->size;
}

/*
 * A write sets mtime and ctime to its time, which is not before the entry's last known change, nor
 * before the records that had all been read when its record was. Any later attribute change sets
 * ctime, and only utimes(2) sets mtime: to any time, or with atime to its own.
 */
bool hw_history_is_touched(const struct hw_share *share, const struct hw_entry *entry,
			   const struct hw_stat *stat)
{
	int64_t since = share->marks.read_until_ns;

	if (entry->type != HW_TYPE_FILE || !hw_history_is_data(entry, stat))
		return false;
	if (stat->mtime_ns == stat->ctime_ns && entry->mtime_ns == stat->mtime_ns)
		return false; /* a write within a tick of the clock */
	if (stat->mtime_ns == stat->ctime_ns)
		return stat->atime_ns == stat->mtime_ns;
	if (since < entry->ctime_ns)
		since = entry->ctime_ns;
	return stat->mtime_ns < since || stat->mtime_ns > stat->ctime_ns;
}

bool hw_history_is_copy_up(const struct hw_entry *entry, const struct hw_stat *stat, uint32_t what)
{
	if (entry->identity != HW_BY_HANDLE || entry->attr != stat->attr || what & HW_HINT_ATTRIB)
		return false;
	/* A directory is copied up, and later marked, when its content changes. An attribute of a
	 * file may have changed, too: only a watcher knows that none did. */
	return entry->type == HW_TYPE_DIR || (what && entry->ident != stat->ident);
}

void hw_history_forget_times(struct hw_entry *e, int64_t since_ns)
{
	if (e->type == HW_TYPE_DIR || e->ctime_ns < since_ns)
		return;
	e->ctime_ns = HW_TIME_UNKNOWN;
	if (e->type == HW_TYPE_FILE && e->mtime_ns >= since_ns)
		e->mtime_ns = HW_TIME_UNKNOWN;
}

unsigned hw_history_compare(const struct hw_entry *entry, const struct hw_stat *stat, bool renamed)
{
	bool mtime = entry->mtime_ns != stat->mtime_ns;
	bool unknown = entry->ctime_ns == HW_TIME_UNKNOWN;
	bool ctime = entry->ctime_ns != stat->ctime_ns && (!renamed || unknown);
	bool links = entry->nlink != (uint16_t)stat->nlink && !unknown;

	if (hw_history_is_data(entry, stat))
		return HW_MODIFY;
	if (entry->attr != stat->attr)
		return HW_ATTRIB;
	/* ctime alone changes by chmod to the same mode, by setting an extended attribute or a
	 * time; and by link and unlink, which cause no event. */
	if (ctime && !links && (!mtime || entry->type == HW_TYPE_SYMLINK))
		return HW_ATTRIB;
	return 0;
}
