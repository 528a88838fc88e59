/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Positions in the queues of the watchers. A mark is the position of the end of each queue at one
 * moment; once it has been reached, every record that the kernel had queued at that moment has been
 * passed on. It says nothing about changes whose records were not queued yet: lock the parent
 * directory (hw_disk_lock()) after examining an entry and before setting the mark.
 */
#ifndef HW_MARK_H
#define HW_MARK_H

#include "share.h"
#include <stdbool.h>
#include <stdint.h>

struct hw_mark {
	struct {
		uint64_t at;
		uint64_t serial; /* of the watcher; 0: this queue is not waited for */
	} of[HW_WATCHERS_MAX];
};

/* Sets a mark at the end of each queue. */
void hw_mark_set(struct hw_share *share, struct hw_mark *mark);
/* Returns whether the mark has been reached. Flushes a watcher without position() that has
 * something to read. */
bool hw_mark_is_reached(struct hw_share *share, struct hw_mark *mark);
/* The same, although hints may wait for a held move (hint_wait.h). */
bool hw_mark_is_read(struct hw_share *share, struct hw_mark *mark);
/* Passes on everything that is queued. */
void hw_mark_flush(struct hw_share *share);

/*
 * A record with one known directory says only that the other one was not watched when the record
 * was queued. It proves that the other one is outside the share if every directory of the share had
 * been armed and listed at that point. Otherwise the birth time of the entry decides: an entry that
 * was born before the time until which all changes are known was not created in the share.
 */
struct hw_arming {
	struct hw_mark mark;
	int64_t known_ns;
	bool set;
};
struct hw_marks {
	struct hw_mark rolling;
	int64_t rolling_ns; /* CLOCK_REALTIME_COARSE when it was set; 0: not set */
	uint64_t rolling_seq; /* next sequence number when it was set */
	uint32_t rolling_count; /* how many were set */
	uint32_t read_count; /* how many had been set when the last one was that was reached */
	int64_t read_until_ns; /* the same clock: all records that were queued before have been
				  passed on */
	uint64_t read_until_seq; /* earlier events were reported before that time */
	uint64_t read_before_seq; /* its value before the last one */
	struct hw_arming arming[2]; /* the older one first */
	bool armed; /* a directory was armed in this iteration */
	bool noted, examined; /* there are unverified names that may be directories: waiting; or in
				 the round that waits for its mark */
	int64_t noted_ns, examined_ns, walk_ns; /* read_until_ns when these began */
};

/* Call it when all directories of the share have been armed and listed. */
void hw_mark_begin_history(struct hw_share *share);
/* Call it at the end of each iteration of the loop. */
void hw_mark_roll(struct hw_share *share);
void hw_mark_armed(struct hw_share *share); /* a directory was armed */
void hw_mark_noted(struct hw_share *share); /* an unverified name, maybe of a directory */
void hw_mark_noted_again(struct hw_share *share); /* such a name was noted again because the round
						     did not verify it */
void hw_mark_round_begins(struct hw_share *share);
void hw_mark_round_ends(struct hw_share *share);
/* Returns whether all records have been read of changes that the tree may have, because an
 * examination showed them. Only while the state is kept, which notes changes of the tree. Otherwise
 * those that were made at or after read_until_ns may be unread. */
bool hw_mark_covers_tree(const struct hw_share *share);
/* Returns whether the record that is being passed on proves that an unknown directory is outside
 * the share. */
bool hw_mark_proves_outside(struct hw_share *share);
/* Returns a time (CLOCK_REALTIME_COARSE): an entry that was born at or after it may have been
 * created in the share. */
int64_t hw_mark_known_ns(struct hw_share *share);

#endif
