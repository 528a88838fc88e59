/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Applies one change to the tree and appends its event to the journal, both or neither, so that the
 * events form a consistent history. In a silent share only the tree changes. Running out of memory
 * ends in a rescan event.
 */
#ifndef HW_HISTORY_H
#define HW_HISTORY_H

#include "log.h"
#include "tree.h"
#include <hostwatch/event.h>

struct hw_share;

/* The path of the entry that the last event was about. Valid until a name changes. */
struct hw_last_path {
	uint32_t id; /* 0: none */
	uint32_t places; /* tree.places when the path was made */
	const char *bytes; /* borrowed */
	size_t len;
};

struct hw_history {
	uint64_t rescans; /* scans after events were lost */
	struct hw_log_limit limit; /* of the lines about entries that cannot be read */
	struct {
		uint64_t ino, turn;
		uint16_t fs;
	} modified_inode; /* in this iteration, modify is the last event about each name of this
			     inode */
	char path_a[HW_PATH_MAX + 1], path_b[HW_PATH_MAX + 1]; /* scratch */
	struct hw_last_path last_path; /* in path_a */
};

/* Names of one inode that are examined for one change. Users decide how many names a file has;
 * names beyond this number rely on the next comparison. */
#define HW_LINKS_EXAMINED 16u

enum hw_arrival {
	HW_ARRIVED_NEW, /* create; a later close_write completes a file */
	HW_ARRIVED_LINK, /* create of another name for old data */
	HW_ARRIVED_MOVED_IN, /* move without from */
	HW_ARRIVED_WITH_DIR, /* create, below a directory that was moved in: its data is old */
};

/* Adds an entry under an absent name. Returns the entry, 0 if out of memory. A directory is not
 * armed yet: see arm.h, list.h. */
uint32_t hw_history_create(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			   const struct hw_stat *stat, enum hw_arrival how);
/* The same for a present name, which is replaced: a move without a source. how: MOVED_IN, LINK or
 * NEW. */
uint32_t hw_history_replace(struct hw_share *share, uint32_t old, const struct hw_stat *stat,
			    enum hw_arrival how);
/* Deletes an entry and all entries below it, children first. */
void hw_history_delete(struct hw_share *share, uint32_t id);
/* Moves an entry out of the share, with all entries below it. */
void hw_history_leave(struct hw_share *share, uint32_t id);
/* Moves an entry within the share. An entry that has the new name is replaced. stat: current state
 * of the moved entry, or NULL. */
void hw_history_move(struct hw_share *share, uint32_t id, uint32_t dir, const char *name,
		     size_t len, const struct hw_stat *stat);
void hw_history_exchange(struct hw_share *share, uint32_t a, uint32_t b);
/* Reports modify for every name of the file in the share. */
void hw_history_modify(struct hw_share *share, uint32_t id);
/* Returns whether modify, reported in this iteration, is the last event about this entry. */
bool hw_history_was_modified(struct hw_share *share, uint32_t id);
/* Returns whether the last event about this entry was reported in this iteration. */
bool hw_history_is_fresh(const struct hw_share *share, const struct hw_entry *entry);
/* Returns when it was reported (CLOCK_REALTIME); INT64_MAX if that is not known. */
int64_t hw_history_told_ns(const struct hw_share *share, const struct hw_entry *entry);
void hw_history_attrib(struct hw_share *share, uint32_t id);
/* Reports close_write for this name only, if anything changed since the last one. */
void hw_history_close(struct hw_share *share, uint32_t id);
/* Reports rescan: events below this directory may be missing. */
void hw_history_rescan(struct hw_share *share, uint32_t dir);

/* Records of changes since this time are lost: sets the times of an entry that has changed since to
 * HW_TIME_UNKNOWN, so that a comparison finds that it differs. Not those of a directory, which
 * prove nothing because its content changes them. */
void hw_history_forget_times(struct hw_entry *entry, int64_t since_ns);
/* Returns the difference between tree and disk: 0, HW_MODIFY (possibly with others) or HW_ATTRIB.
 * `renamed`: the entry was renamed, so its ctime is not compared. */
unsigned hw_history_compare(const struct hw_entry *entry, const struct hw_stat *stat, bool renamed);
/* Returns whether a difference that hw_history_compare() calls HW_ATTRIB is only the effect of
 * copying the entry, or one below it, to the upper layer of an overlayfs. `what`: HW_HINT_* of the
 * watcher; 0: none. */
bool hw_history_is_copy_up(const struct hw_entry *entry, const struct hw_stat *stat, uint32_t what);
/* Lists all names of this inode in path order. Returns the count or -ENOMEM. The caller frees the
 * array. */
int hw_history_names(struct hw_share *share, uint32_t id, uint32_t **ret_ids);
/* Returns whether a new file has content and no modify was reported for it. */
bool hw_history_is_unannounced(const struct hw_entry *entry);
/* Returns whether the data differs. */
bool hw_history_is_data(const struct hw_entry *entry, const struct hw_stat *stat);
/* Returns whether the disk shows that utimes(2) has set the mtime of this file since the write
 * whose record was read last. Then a record of this utimes(2) has been queued, or will be. */
bool hw_history_is_touched(const struct hw_share *share, const struct hw_entry *entry,
			   const struct hw_stat *stat);
/* Updates the names of this inode other than `self`. told: the change was reported for all of them.
 * Otherwise names whose data and attributes are equal take over ctime and link count, so that a
 * later examination finds no difference; the others are noted as unverified. */
void hw_history_siblings(struct hw_share *share, uint32_t self, const struct hw_stat *stat,
			 bool told);
/* The state of this entry in the tree is out of date: it is examined at the end of the
 * iteration. */
void hw_history_stale(struct hw_share *share, uint32_t id);

#endif
