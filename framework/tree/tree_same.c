/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether an entry, a stat and another entry are of one inode. */
#include "tree.h"

/*
 * Copy-up changes the birth time of an inode. If a file has several names in the lower layer,
 * copy-up also changes its inode number. The handle stays the same at first, and changes once the
 * kernel has evicted the inode. No other file of the lower layer gets that handle.
 */
static bool is_same_on_overlay(const struct hw_entry *entry, const struct hw_stat *stat)
{
	if (entry->ino != stat->ino)
		return entry->type != HW_TYPE_DIR && entry->ident == stat->ident;
	return hw_tree_ident(entry) == hw_lasting_ident(HW_BY_HANDLE, stat->ident) ||
	       (entry->nlink > 1 && (stat->nlink == 1 || stat->btime_ns == HW_BTIME_LOWER));
}

static bool is_same_inode(const struct hw_entry *entry, const struct hw_stat *stat)
{
	/* After a change of watchers, the two may be identified in different ways: compare the
	 * inode numbers only. */
	if (entry->identity != stat->identity)
		return entry->ino == stat->ino;
	if (entry->identity == HW_BY_HANDLE)
		return is_same_on_overlay(entry, stat);
	return entry->ino == stat->ino && entry->ident == stat->ident;
}

bool hw_tree_is_same(const struct hw_entry *entry, const struct hw_stat *stat)
{
	return entry->fs == stat->fs && entry->type == stat->type && is_same_inode(entry, stat) &&
	       !(entry->flags & HW_ENTRY_TRANSIENT);
}

bool hw_tree_is_link(const struct hw_entry *entry, const struct hw_stat *stat)
{
	return hw_tree_is_same(entry, stat) &&
	       (entry->identity != HW_BY_HANDLE ||
		hw_tree_ident(entry) == hw_lasting_ident(stat->identity, stat->ident));
}

bool hw_tree_are_links(const struct hw_entry *a, const struct hw_entry *b)
{
	return a->type == b->type &&
	       (a->identity != HW_BY_HANDLE || hw_tree_ident(a) == hw_tree_ident(b));
}
