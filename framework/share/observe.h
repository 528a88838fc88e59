/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One observation: all names that may differ between the tree and the disk are examined, and the
 * net effect is reported in canonical order: moves, deletes (children first), creates (parents
 * first), modify, attrib, close_write; each sorted by path. Settle windows, scans and rounds of
 * verification all use it.
 */
#ifndef HW_OBSERVE_H
#define HW_OBSERVE_H

#include "share_private.h"

/*
 * Examines all unverified names and reports the differences at once, without waiting for records
 * that may explain them: at the start and the end of a history. since_ns (CLOCK_REALTIME_COARSE):
 * entries that are new to the tree and were born before it were moved in or linked, not created. 0:
 * unknown.
 */
void hw_observe(struct hw_share *share, int64_t since_ns);
/* Call it after an observation: starts the scans and rounds that it made necessary. */
void hw_observe_finish(struct hw_share *share);

/* ---- between observe.c, observe_examine.c and verify.c: the steps of an observation ---- */

struct hw_item;
struct hw_observation;
/* Creates an observation of these names, which it borrows. Returns NULL if there are none, or if
 * out of memory: then the names and the facts about them are as before. */
struct hw_observation *hw_observation_create(struct hw_share *share, struct hw_notes *names,
					     int64_t since_ns);
/* Examines each name and the old names of each inode that appeared, and notes which differ from the
 * tree. Does not change the tree. */
void hw_observation_examine(struct hw_observation *o);
/* Adds these names to the observation and resets all items: they must be examined again. */
void hw_observation_extend(struct hw_observation *o, const struct hw_notes *names);
/* Notes a name of the observation as unverified again, with the hints about it. */
void hw_observation_give_back(struct hw_share *share, const struct hw_item *item);
/* Reports the differences that were found, for names whose directory is still in the tree. */
void hw_observation_report(struct hw_observation *o);
void hw_observation_free(struct hw_observation *o); /* NULL is allowed */

/* ---- between observe.c, plan.c and observe_close.c ---- */

enum hw_finding {
	HW_FOUND_NOTHING,
	HW_FOUND_CHANGED, /* the same inode at its name */
	HW_FOUND_GONE, /* a name of the tree that the disk no longer has */
	HW_FOUND_APPEARED, /* a name that the tree does not have */
	HW_FOUND_REPLACED, /* the name has another inode than in the tree */
};

struct hw_item {
	hw_token dir;
	const char *name; /* borrowed from the names of the observation */
	uint8_t len;
	uint8_t what; /* HW_HINT_* */
	uint32_t inode; /* low 32 bits of the inode that the hints were about; 0: unknown */
	bool resolved; /* examined */
	bool refused; /* but an error hides its state, so that nothing is reported of it */
	bool present;
	bool differs; /* in inode or type, or it exists only in the tree or only on the disk */
	bool changed; /* same inode, but other data or attributes without a hint */
	bool done; /* its create, replacement or move has been reported */
	bool told; /* its change was reported for all names of the inode */
	bool try_close; /* its close may not be reported by any hint */
	bool linked; /* its inode got another name */
	bool unknown; /* it appeared, and the tree had no name of its inode, which has several */
	bool holds; /* a new directory that an entry of the tree was moved into */
	bool inside; /* it was moved to a place below its old name */
	bool stays; /* it left the share, which cannot be reported before moves out of it */
	uint8_t finding; /* enum hw_finding */
	uint32_t entry; /* its entry in the tree before the observation; 0: none */
	uint32_t waiter; /* item that waits until the source of this one has left its old name:
			    plan.c */
	uint32_t source; /* if it appeared: the entry that was moved here, or 0 */
	uint8_t arrival; /* enum hw_arrival, if it appeared without a source */
	struct hw_stat stat;
};

/* A file of the tree that has another name and other data or attributes. The names that show the
 * difference may leave the tree before it is reported. */
struct hw_altered {
	struct hw_stat stat;
	unsigned kind; /* HW_MODIFY or HW_ATTRIB */
	uint32_t reported; /* the entry for which it was reported; 0: none */
};

struct hw_observation {
	struct hw_share *share;
	struct hw_item *items; /* owned */
	struct hw_fold fold; /* owned: the hints of the window */
	uint32_t count, room;
	int64_t since_ns;
	struct hw_notes *names; /* borrowed */
	uint32_t moves; /* moves that have not been reported yet */
	bool any_stays; /* an item has this flag */
	struct hw_ids renamed; /* entries with a mark */
	struct hw_ids gone; /* entries whose name is gone, by inode and path */
	struct hw_ids
		awaited; /* entries that a listing of a new directory will find there, by id */
	struct hw_ids found; /* files that listings of new directories found */
	struct hw_altered *altered; /* owned */
	uint32_t altered_count, altered_room;
	struct {
		uint64_t ino;
		uint32_t names;
		uint16_t fs;
	} counted; /* number of names that the tree has for the inode of the last query */
};

/* Returns an item for a loop over all of them: the work may rest here. */
static inline struct hw_item *hw_observation_item(const struct hw_observation *o, uint32_t i)
{
	hw_share_rest(o->share);
	return &o->items[i];
}

/* The root has no parent in which it could be examined: its name is ".". */
static inline bool hw_item_is_root(const struct hw_item *item)
{
	return item->len == 1 && item->name[0] == '.';
}

void hw_observation_renamed(struct hw_observation *o, uint32_t id);
/* Sets a HW_MARK_* that lasts until the observation ends. */
void hw_observation_mark(struct hw_observation *o, uint32_t id, uint8_t bit);
/* The same for all names of its inode; returns false if they already have the mark. */
bool hw_observation_mark_names(struct hw_observation *o, uint32_t id, uint8_t bit);
void hw_observation_unmark(struct hw_observation *o, uint8_t bit);
/* Returns whether the entry of this item still exists, with the inode that was found. */
bool hw_observation_is_kept(const struct hw_observation *o, const struct hw_item *item);

/* Sorts the items by path, with the current paths of directories. */
void hw_observation_sort(struct hw_observation *o);
/* Adds an entry that a listing found as an item. Returns false if out of memory. */
bool hw_observation_add_found(struct hw_observation *o, uint32_t id, const struct hw_stat *stat);
/* Adds an entry of the tree that was found under a name which the tree does not have. `dir` is a
 * directory of the tree. Returns NULL if one of the first `sorted` items has this name, or if out
 * of memory. */
struct hw_item *hw_observation_add_seen(struct hw_observation *o, uint32_t sorted, uint32_t dir,
					const char *name, const struct hw_stat *stat);
/* observe_changes.c: adds the entries that listings found and that were moved there or have
 * facts. */
void hw_observation_join_found(struct hw_observation *o);
/* plan.c: reports the moves, deletes and creates of the items, in order. */
void hw_plan_names(struct hw_observation *o);
/* observe_changes.c: assigns the facts about changes of data and attributes to the items with the
 * inodes concerned. */
void hw_observation_take_facts(struct hw_observation *o);
/* observe_changes.c: reports modify and attrib. */
void hw_observation_tell_changes(struct hw_observation *o);
/* observe_close.c */
void hw_observation_tell_closes(struct hw_observation *o);

#endif
