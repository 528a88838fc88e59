/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One observation: everything that is suspected to differ between the tree and the disk is looked
 * at, and the net effect is told in the canonical order: moves, deletes (children first), creates
 * (parents first), modify, attrib, close_write; by path within each. Settling, comparing after a
 * loss, polling and doubts all end here.
 */
#ifndef HW_OBSERVE_H
#define HW_OBSERVE_H

#include "history.h"

/*
 * Examines all names that wait and reports the difference at once, without waiting for records that
 * may explain it: at the start and the end of a history. since_ns: what was born before it
 * (CLOCK_REALTIME_COARSE) and is new to the tree was moved in or linked, not made. 0: not known.
 */
void hw_observe(struct hw_share *share, int64_t since_ns);
/* After an observation: what it made necessary. */
void hw_observe_finish(struct hw_share *share);

/* ---- between observe.c, observe_examine.c and verify.c: the steps of an observation ---- */

struct hw_item;
struct hw_observation;
/* Of these names, which it borrows. NULL: there are none, or no memory, which ends in a rescan. */
struct hw_observation *hw_observation_create(struct hw_share *share, struct hw_suspects *names,
					     int64_t since_ns);
/* Looks at each name and at the old names of each inode that appeared, and notes which differ from
 * the tree. Changes nothing. */
void hw_observation_examine(struct hw_observation *o);
/* These names join the observation, and all of them are to be examined again. */
void hw_observation_extend(struct hw_observation *o, const struct hw_suspects *names);
/* A name of the observation waits for another one, with what is known of it. */
void hw_observation_give_back(struct hw_share *share, const struct hw_item *item);
/* Reports what was found, as it was found, of names that the tree still has in the same place. */
void hw_observation_report(struct hw_observation *o);
void hw_observation_free(struct hw_observation *o); /* NULL is allowed */

/* ---- between observe.c, plan.c and observe_close.c ---- */

enum hw_finding {
	HW_FOUND_NOTHING,
	HW_FOUND_CHANGED, /* the same inode at its name */
	HW_FOUND_GONE, /* a name of the tree that the disk no longer has */
	HW_FOUND_APPEARED, /* a name that the tree does not have */
	HW_FOUND_REPLACED, /* gone and appeared at one name */
};

struct hw_item {
	hw_token dir;
	const char *name; /* borrowed from the names of the observation */
	uint8_t len;
	uint8_t what; /* HW_HINT_* */
	uint32_t inode; /* low half, of the inode that the hints were about; 0: not known */
	bool resolved; /* looked at */
	bool present;
	bool differs; /* in inode or type, or one of the two is missing */
	bool changed; /* the same inode in another state, which no hint has announced */
	bool done; /* told, as far as names go */
	bool told; /* its change was told for all names of the inode */
	bool try_close; /* no hint is certain to report its close */
	bool holds; /* a new directory that something was moved into */
	uint8_t finding; /* enum hw_finding */
	uint32_t entry; /* in the tree before, 0 */
	uint32_t waiter; /* item whose new name is the old name of this one's source: plan.c */
	uint32_t source; /* of what appeared: the entry that moved here, 0 */
	hw_token source_token; /* of a directory */
	uint8_t arrival; /* enum hw_arrival of what appeared without a source */
	struct hw_stat stat;
};

struct hw_observation {
	struct hw_share *share;
	struct hw_item *items; /* owned */
	struct hw_fold fold; /* owned: the hints of the window */
	uint32_t count, room;
	int64_t since_ns;
	struct hw_suspects *names; /* borrowed */
	uint32_t moves; /* items with a source that are not told yet */
	struct hw_ids renamed; /* entries with a mark */
	struct hw_ids gone; /* entries whose name is gone, by inode and path */
	struct hw_ids
		awaited; /* entries that a listing of a new directory will find there, by id */
	struct hw_ids found; /* files that listings of new directories found */
	struct {
		uint64_t ino;
		uint32_t names;
		uint16_t fs;
	} counted; /* names that the tree has of one inode, the last that was asked for */
};

/* The root has no parent to be looked at from: "." stands for it. */
static inline bool hw_item_is_root(const struct hw_item *item)
{
	return item->len == 1 && item->name[0] == '.';
}

void hw_observation_renamed(struct hw_observation *o, uint32_t id);
/* Sets a HW_MARK_* that lasts until the observation ends. */
void hw_observation_mark(struct hw_observation *o, uint32_t id, uint8_t bit);
/* The same for all names of its inode; returns false if they have it already. */
bool hw_observation_mark_names(struct hw_observation *o, uint32_t id, uint8_t bit);
void hw_observation_unmark(struct hw_observation *o, uint8_t bit);
/* The entry of this item is there still, as the inode that was found. */
bool hw_observation_is_kept(const struct hw_observation *o, const struct hw_item *item);

int hw_compare_ids(const void *a, const void *b); /* for qsort(3) and bsearch(3) */
/* By path, as the tree has the directories now. */
void hw_observation_sort(struct hw_observation *o);
/* An entry that a listing found becomes an item. False: no memory. */
bool hw_observation_add_found(struct hw_observation *o, uint32_t id, const struct hw_stat *stat);
/* observe_changes.c: all that listings found which was moved there, or has facts. */
void hw_observation_join_found(struct hw_observation *o);
/* plan.c: tells the moves, deletes and creates of the items, in order. */
void hw_plan_names(struct hw_observation *o);
/* observe_changes.c: what the hints said about data and attributes goes to the items whose inode it
 * is about. */
void hw_observation_take_facts(struct hw_observation *o);
/* observe_changes.c: reports modify and attrib. */
void hw_observation_tell_changes(struct hw_observation *o);
/* observe_close.c */
void hw_observation_tell_closes(struct hw_observation *o);

#endif
