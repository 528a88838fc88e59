/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * close_write: reported when no writer has a changed file open any more. A close that the kernel
 * reports is believed; a file whose close no watcher reports is examined when it has not changed
 * for the share's interval.
 */
#ifndef HW_QUIET_H
#define HW_QUIET_H

#include "ids.h"
#include "mark.h"

struct hw_share;
struct hw_stat;
struct hw_timer;

struct hw_quiet_item {
	uint32_t id;
	uint64_t due_ns; /* loop time */
};

struct hw_quiet {
	struct hw_quiet_item *ring; /* owned, a power of two */
	uint32_t room, head, count;
	struct hw_timer *timer; /* owned */
	struct hw_ids found; /* found by listings; examined at the end of the iteration */
	struct hw_ids finished; /* found files that no writer had open: reported at the mark */
	struct hw_mark finished_mark;
	uint32_t finished_seq; /* the newest event when the mark was set */
	struct hw_ids refused; /* files that are perhaps being closed: tried again soon */
	struct hw_mark refused_mark; /* the records before it are read before the next attempt */
	bool is_refused_marked;
	struct hw_timer *retry; /* owned */
	unsigned retries; /* attempts since the last file was added */
};

int hw_quiet_init(struct hw_share *share);
void hw_quiet_free(struct hw_share *share);
/* The file became DIRTY: examine it after the interval. */
void hw_quiet_add(struct hw_share *share, uint32_t id);
/* The same, at this loop time. */
void hw_quiet_push(struct hw_share *share, uint32_t id, uint64_t due_ns);
/* Returns whether an entry of the queue is a file that still waits for its close_write. */
bool hw_quiet_is_waiting(struct hw_share *share, uint32_t id);
uint32_t hw_quiet_pop(struct hw_share *share); /* takes the first entry, which must exist */
/* A watcher reported that a writer closed the file: reports close_write if it changed since the
 * last one. `seen`: its inode, examined after the hint was read, or NULL. */
void hw_quiet_closed(struct hw_share *share, uint32_t id, const struct hw_stat *seen);
/* A file was closed, perhaps this one: reports close_write if a lease shows that no writer has it
 * open. */
void hw_quiet_try(struct hw_share *share, uint32_t id);
/* A listing found a new file, which may have been closed before its directory was watched: it is
 * examined at the end of the iteration. */
void hw_quiet_found(struct hw_share *share, uint32_t id);
/* A writer closed a file that has lost the name by which it was opened, and whose inode is not
 * known: the same for the new ones of the HW_QUIET_NEWEST files that became DIRTY last. */
#define HW_QUIET_NEWEST 64u
void hw_quiet_try_newest(struct hw_share *share);
/* Call it at the end of each iteration of the loop. A lease shows which of the found files no
 * writer has open. When the records that were queued at that point have been read, modify and
 * close_write are reported for those files which no record was about. */
void hw_quiet_try_found(struct hw_share *share);
/* Examines every waiting file now. */
void hw_quiet_flush(struct hw_share *share);

#endif
