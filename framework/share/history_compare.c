/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which change of data or attributes it is, by what the tree holds and what the disk shows. */
#include "history.h"

bool hw_history_is_unannounced(const struct hw_entry *entry)
{
	return entry->type == HW_TYPE_FILE && entry->size && entry->flags & HW_ENTRY_NEW &&
	       !(entry->flags & HW_ENTRY_MODIFIED);
}

bool hw_history_is_data(const struct hw_entry *entry, const struct hw_stat *stat)
{
	if (entry->type != HW_TYPE_FILE)
		return false;
	/* The times of a file that is made and still empty belong to its create. */
	if (entry->flags & HW_ENTRY_NEW && !entry->size && !stat->size)
		return false;
	return entry->mtime_ns != stat->mtime_ns || entry->size != stat->size;
}

bool hw_history_is_copy_up(const struct hw_entry *entry, const struct hw_stat *stat, uint32_t what)
{
	if (entry->identity != HW_BY_HANDLE || entry->attr != stat->attr || what & HW_HINT_ATTRIB)
		return false;
	/* A directory is copied up, and later marked, for changes of what is in it. Of a file, an
	 * attribute may have changed as well: only a watcher knows that none did. */
	return entry->type == HW_TYPE_DIR || (what && entry->ident != stat->ident);
}

unsigned hw_history_compare(const struct hw_entry *entry, const struct hw_stat *stat, bool renamed)
{
	bool mtime = entry->mtime_ns != stat->mtime_ns;
	bool ctime = entry->ctime_ns != stat->ctime_ns && !renamed;
	bool links = entry->nlink != (uint16_t)stat->nlink;

	if (hw_history_is_data(entry, stat))
		return HW_MODIFY;
	if (entry->attr != stat->attr)
		return HW_ATTRIB;
	/* What changed ctime alone was chmod to the same, an extended attribute, a time; or link
	 * and unlink (no event). */
	if (ctime && !links && (!mtime || entry->type == HW_TYPE_SYMLINK))
		return HW_ATTRIB;
	return 0;
}
