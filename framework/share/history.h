/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One change becomes a change of the tree and an event of the journal, both or neither: whatever is
 * told is a consistent history. In a silent share only the tree changes. Out of memory ends in a
 * rescan event.
 */
#ifndef HW_HISTORY_H
#define HW_HISTORY_H

#include "share_private.h"

/* Names of one inode that are examined for one change. Others decide how many names a file has; of
 * more than these, some rely on the next comparison. */
#define HW_LINKS_EXAMINED 16u

enum hw_arrival {
	HW_ARRIVED_NEW, /* create; a file is finished by a later close_write */
	HW_ARRIVED_LINK, /* create of one more name for old data */
	HW_ARRIVED_MOVED_IN, /* move without from */
	HW_ARRIVED_WITH_DIR, /* create, below a directory that moved in: its data is old */
};

/* An absent name appears. Returns the entry, 0 when out of memory. A directory is not armed yet:
 * arm.h, list.h. */
uint32_t hw_history_create(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			   const struct hw_stat *stat, enum hw_arrival how);
/* The same onto a present name, which it replaces: a move without a source. how: MOVED_IN, LINK or
 * NEW. */
uint32_t hw_history_replace(struct hw_share *share, uint32_t old, const struct hw_stat *stat,
			    enum hw_arrival how);
/* An entry and all below it are deleted, children first. */
void hw_history_delete(struct hw_share *share, uint32_t id);
/* An entry moved out of the share, with all below it. */
void hw_history_leave(struct hw_share *share, uint32_t id);
/* A rename inside; the name may be taken by another entry, which is replaced. stat: of the moved
 * entry now, or NULL. */
void hw_history_move(struct hw_share *share, uint32_t id, uint32_t dir, const char *name,
		     size_t len, const struct hw_stat *stat);
void hw_history_exchange(struct hw_share *share, uint32_t a, uint32_t b);
/* Told for every name of the file in the share. */
void hw_history_modify(struct hw_share *share, uint32_t id);
/* Is modify the last event about this entry, reported in this turn? */
bool hw_history_was_modified(struct hw_share *share, uint32_t id);
void hw_history_attrib(struct hw_share *share, uint32_t id);
/* close_write for this name alone, if anything changed since the last one. */
void hw_history_close(struct hw_share *share, uint32_t id);
/* Events below this directory may be missing. */
void hw_history_rescan(struct hw_share *share, uint32_t dir);

/* What changed between the tree and the disk: 0, HW_MODIFY (whatever else) or HW_ATTRIB. `renamed`:
 * its ctime says nothing. */
unsigned hw_history_compare(const struct hw_entry *entry, const struct hw_stat *stat, bool renamed);
/* Is what hw_history_compare() calls HW_ATTRIB only the copying of the entry, or of something below
 * it, to the upper layer of an overlayfs? `what`: the watcher's hints (HW_HINT_*), 0: none. */
bool hw_history_is_copy_up(const struct hw_entry *entry, const struct hw_stat *stat, uint32_t what);
/* All names of this inode in path order; the count or -ENOMEM. The caller frees the array. */
int hw_history_names(struct hw_share *share, uint32_t id, uint32_t **ret_ids);
/* A new file has content, and no modify was reported. */
bool hw_history_is_unannounced(const struct hw_entry *entry);
/* Is it a change of data? */
bool hw_history_is_data(const struct hw_entry *entry, const struct hw_stat *stat);
/* The names of this inode other than `self`. told: what changed was told for all of them. Else they
 * take over its ctime and link count, so that a later look finds no difference there; what differs
 * beyond that is doubted. */
void hw_history_siblings(struct hw_share *share, uint32_t self, const struct hw_stat *stat,
			 bool told);
/* The tree's data about this entry is old: look again at the end of the turn. */
void hw_history_stale(struct hw_share *share, uint32_t id);

#endif
