/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares what programs know of the watched files and directories with the disk, and reports the
 * differences as events: after a rescan, which means that events are missing. Works in slices;
 * events of the host are delivered meanwhile.
 */
#ifndef GUEST_COMPARE_H
#define GUEST_COMPARE_H

#include "known.h"

struct hw_compare_ops {
	/* Adds an event to those that are delivered. Returns 0; -ENODEV: the mount is gone. */
	int (*send)(void *arg, const struct hw_event *event);
	/* Opens the root of the mount (O_PATH). Returns a descriptor that the caller closes;
	 * -errno. */
	int (*open_root)(void *arg);
};

struct hw_compare {
	struct hw_knowns known;
	const struct hw_compare_ops *ops; /* borrowed */
	void *arg;
	bool active; /* a comparison runs */
	bool joined; /* moves were searched for in what was found */
	bool idle; /* no object waits to be examined */
	bool uncovered; /* there are watched objects that are not stored */
	uint64_t *numbers; /* owned: inode numbers of watched objects without a cached name */
	size_t numbers_count, numbers_room;
	int root; /* of the mount, during a slice */
	unsigned reported; /* differences, by this comparison */
	/* the directory known.current */
	char *names; /* owned: terminated, one after the other */
	size_t names_len, names_room, names_at;
	char path[HW_PATH_MAX + 1], from[HW_PATH_MAX + 1]; /* scratch */
};

/* Returns 0 or -ENOMEM. */
int hw_compare_init(struct hw_compare *c, size_t max_bytes, const struct hw_compare_ops *ops,
		    void *arg);
void hw_compare_free(struct hw_compare *c);

/* The list of all watched objects: begin, one call for each object, end. */
void hw_compare_watched_begin(struct hw_compare *c);
void hw_compare_watched(struct hw_compare *c, const struct hw_guest_object *object,
			const char *path);
void hw_compare_watched_end(struct hw_compare *c);
/* The same for a list as HW_GET_WATCHED returns it. An incomplete object at its end is omitted. */
void hw_compare_watched_all(struct hw_compare *c, const void *objects, size_t len);

/* Counts the watched objects that are stored, and those of them that can be compared. */
void hw_compare_count(const struct hw_compare *c, unsigned *ret_watched, unsigned *ret_examined);

/* Returns whether everything that programs watch at or below the path can be compared. */
bool hw_compare_covers(const struct hw_compare *c, const char *path, uint32_t len);

/* Begins a comparison of everything that is watched at or below the path, or extends the current
 * one. */
void hw_compare_begin(struct hw_compare *c, const char *path, uint32_t len);

/* Returns whether all earlier events must have been followed before hw_compare_event(). */
bool hw_compare_waits(const struct hw_compare *c, const struct hw_event *event);

/*
 * Call this before an event of the host is delivered. Returns whether it has to be delivered: not
 * if a comparison has reported it. During a comparison, reports a missed deletion that a create
 * implies, and a missed move that another move implies. -ENODEV: the mount is gone.
 */
int hw_compare_event(struct hw_compare *c, const struct hw_event *event);

/* Call this when the event was delivered: see hw_known_follow(). */
void hw_compare_follow(struct hw_compare *c, const struct hw_event *event,
		       const struct hw_guest_seen *seen);

/*
 * Works for one slice. `may_list`: no event is outstanding, so objects that are watched since the
 * last call can be examined. Returns 1 if more is to be done at once; 0; -ENODEV: the mount is
 * gone.
 */
int hw_compare_work(struct hw_compare *c, bool may_list);
/* The same, for about `max` entries. */
int hw_compare_work_some(struct hw_compare *c, bool may_list, int max);

/* compare_report.c: reports differences that were found. Returns 1: call it again, after the
 * objects that can be reached now were examined; 0: nothing is left; -ENODEV. */
int hw_compare_report(struct hw_compare *c);

/* compare_join.c. A list of entries. */
struct hw_found {
	struct hw_known **entries; /* owned */
	size_t count, room;
};
bool hw_found_add(struct hw_found *found, struct hw_known *e);
/* Joins the two ends of each move. Without memory, they are reported as delete and create. */
void hw_compare_join(struct hw_compare *c, bool dirs_only);
/* Returns whether one can be renamed to the other: neither is below the other, nor is `gone` below
 * the entry that is replaced. */
bool hw_compare_can_move(const struct hw_known *gone, const struct hw_known *new);

/* Watched objects at and below a directory that moved can be reached again. */
void hw_compare_unstick(struct hw_compare *c, const struct hw_known *top);

/* Reports that a directory was moved to a path from where it moves on. */
int hw_compare_report_passage(struct hw_compare *c, struct hw_known *dir, const char *path,
			      uint32_t len);

/* Reports that the entry and everything below it is gone. */
int hw_compare_report_gone(struct hw_compare *c, struct hw_known *top);

/* compare_disk.c. Opens an entry below `root` with openat2(2) and these flags. Symbolic links are
 * not followed and other mounts are not entered. Returns a descriptor or -errno. */
int hw_compare_open(int root, const char *path, int flags);
/* Gets the state of a path below `root`. Returns 0 or -errno. */
int hw_compare_look_below(int root, const char *path, struct hw_guest_seen *ret);
/* Gets the state of a name; ino is 0 if another filesystem is mounted there. Returns 0 or -errno.
 */
int hw_compare_look(int dir, const char *name, struct hw_guest_seen *ret);
/* Returns which kind of event notifies programs of the difference: NONE, DATA, or ATTRIB. */
enum hw_pending hw_compare_states(const struct hw_guest_seen *old, const struct hw_guest_seen *now,
				  bool moved);

#endif
