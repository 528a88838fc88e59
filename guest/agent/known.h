/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of watched files and directories of which programs were notified: the entries of each
 * watched directory, and each watched file. It follows the events that are delivered. A difference
 * between it and the disk is a change that was not delivered.
 */
#ifndef GUEST_KNOWN_H
#define GUEST_KNOWN_H

#include <hostwatch/event.h>
#include <hostwatch/guest.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* of an entry */
	HW_KNOWN_NAME = 1 << 0, /* programs know the name, and that it has `state` */
	HW_KNOWN_WATCHED = 1 << 1, /* a program watches it */
	HW_KNOWN_LISTED = 1 << 2, /* a watched directory; all its names are known */
	HW_KNOWN_FRESH = 1 << 3, /* watched, and not examined yet */
	HW_KNOWN_TOO_LARGE = 1 << 10, /* watched, but its names cannot be stored */
	/* of a comparison */
	HW_KNOWN_DUE = 1 << 4, /* watched, and has to be compared */
	HW_KNOWN_STUCK = 1 << 5, /* it could not be reached by its path */
	HW_KNOWN_MET = 1 << 6, /* found, or reported, since its directory is being compared */
	HW_KNOWN_COVERED = 1 << 7, /* gone, and `name` belongs to another entry */
	/* after a comparison: the host may report once more what the comparison reported */
	HW_KNOWN_REPEAT = 1 << 8, /* its appearance */
	HW_KNOWN_ABSENT = 1 << 9, /* its disappearance; there is no such entry */
};

/* Differences that are not reported yet. An entry has at most one. */
enum hw_pending {
	HW_PENDING_NONE,
	HW_PENDING_GONE, /* programs know it, and it is not there */
	HW_PENDING_NEW, /* programs do not know it; without HW_KNOWN_NAME */
	HW_PENDING_MOVED, /* the same, and `mate` is what they know it as */
	HW_PENDING_DATA, /* its data changed */
	HW_PENDING_ATTRIB, /* its attributes changed */
	HW_PENDING_END,
};

struct hw_list {
	struct hw_list *prev, *next; /* the list itself if it is empty */
};

struct hw_known {
	struct hw_list sibling; /* in parent->children */
	struct hw_list watched; /* in hw_knowns, if HW_KNOWN_WATCHED */
	struct hw_list pending; /* in hw_knowns, if `difference` */
	struct hw_list children;
	struct hw_known *parent; /* NULL: the root */
	struct hw_known *mate; /* the other end of a move that is not reported yet; or NULL */
	struct hw_known *over; /* of HW_PENDING_NEW: the HW_KNOWN_COVERED entry; or NULL */
	struct hw_known *cover; /* of HW_KNOWN_COVERED: whose `over` it is; or NULL */
	void *names; /* owned: children without HW_KNOWN_COVERED, a tree of tsearch(3) */
	char *name; /* owned, not terminated */
	uint32_t name_len;
	uint32_t flags;
	enum hw_pending difference;
	uint32_t watch; /* number of the list of watched objects that has it */
	struct hw_guest_seen state; /* ino 0: not known */
};

struct hw_knowns {
	struct hw_known *root; /* owned */
	struct hw_list watched; /* those that wait to be examined come first */
	struct hw_list pending[HW_PENDING_END];
	struct hw_known *current; /* borrowed: being compared; NULL after it was unlisted */
	size_t bytes, max_bytes;
	unsigned repeats; /* entries with HW_KNOWN_REPEAT or HW_KNOWN_ABSENT */
	uint32_t watch; /* number of the newest list of watched objects */
	bool full; /* something was not stored because of max_bytes */
};

#define HW_KNOWN_OF(list, member)                                                                  \
	((struct hw_known *)(void *)((char *)(list)-offsetof(struct hw_known, member)))

int hw_knowns_init(struct hw_knowns *k, size_t max_bytes); /* 0 or -ENOMEM */
void hw_knowns_free(struct hw_knowns *k);

struct hw_known *hw_known_find(const struct hw_knowns *k, const char *path, uint32_t len);
struct hw_known *hw_known_child(const struct hw_known *dir, const char *name, uint32_t len);
/* Also creates the entry and its parents, without flags. NULL: max_bytes, or no memory. */
struct hw_known *hw_known_get(struct hw_knowns *k, const char *path, uint32_t len);
struct hw_known *hw_known_add(struct hw_knowns *k, struct hw_known *dir, const char *name,
			      uint32_t len);
/* Removes it and everything below it, and parents that are not needed without it. */
void hw_known_remove(struct hw_knowns *k, struct hw_known *e);
/* Removes it, but leaves an HW_KNOWN_ABSENT entry of its name. */
void hw_known_bury(struct hw_knowns *k, struct hw_known *e);
/* Removes the name of an entry from its directory, so that another entry can have it. */
void hw_known_cover(struct hw_known *e);
/* Sets or removes the entry that `e` replaces; NULL: none. */
void hw_known_set_over(struct hw_known *e, struct hw_known *over);
/* Gives it the name and place of `to`, which is removed. Flags of `to` that concern the name are
 * kept. */
void hw_known_rename(struct hw_knowns *k, struct hw_known *e, struct hw_known *to);

/* Exchanges the names and places of two entries; neither is below the other. */
void hw_known_exchange(struct hw_knowns *k, struct hw_known *a, struct hw_known *b);
/* Removes the names of a directory that are not needed for watched objects. */
void hw_known_unlist(struct hw_knowns *k, struct hw_known *dir);
/* The same, because not all names can be stored. */
void hw_known_give_up(struct hw_knowns *k, struct hw_known *dir);

void hw_known_differ(struct hw_knowns *k, struct hw_known *e, enum hw_pending difference);
void hw_known_set(struct hw_knowns *k, struct hw_known *e, uint32_t flag);
void hw_known_clear(struct hw_knowns *k, struct hw_known *e, uint32_t flag);
/* Moves a watched entry to the beginning or the end of the list. */
void hw_known_requeue(struct hw_knowns *k, struct hw_known *e, bool first);
/* Moves those at or below `top` that have one of the flags to the beginning, in their order.
 * Returns the first entry behind them, or the list. */
const struct hw_list *hw_known_advance(struct hw_knowns *k, const struct hw_known *top,
				       uint32_t flags);
bool hw_known_is_below(const struct hw_known *e, const struct hw_known *top);
/* Returns whether neither is below the other. */
bool hw_known_are_apart(const struct hw_known *a, const struct hw_known *b);

/* Writes the path below the root to `buf`, which has HW_PATH_MAX bytes. Returns its length, or
 * -ENAMETOOLONG. */
int hw_known_path(const struct hw_known *e, char *buf);

/* Stops watching: the entry and its names are removed, unless they are needed. */
void hw_known_unwatch(struct hw_knowns *k, struct hw_known *e);

/*
 * Follows an event that is delivered to programs. `seen` is the state of its entry at some time
 * before the delivery; ino 0: not known.
 */
void hw_known_follow(struct hw_knowns *k, const struct hw_event *event,
		     const struct hw_guest_seen *seen);
/* Returns whether hw_known_is_repeat() may return true, so that earlier events have to be followed
 * before. */
bool hw_known_may_repeat(const struct hw_knowns *k, const struct hw_event *event);
/* Returns whether a comparison has already reported this event of the host. It is not delivered
 * then, and not followed. */
bool hw_known_is_repeat(struct hw_knowns *k, const struct hw_event *event);

static inline bool hw_known_is_new(const struct hw_known *e)
{
	return e->difference == HW_PENDING_NEW || e->difference == HW_PENDING_MOVED;
}

static inline bool hw_list_empty(const struct hw_list *list)
{
	return list->next == list;
}

#endif
