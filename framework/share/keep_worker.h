/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a share does with the files of its state: any disk may stop answering. So it runs on a
 * thread, in turn with the loop (thread.h), which continues without it. A state that waits delays
 * the start of its share for a while, and nothing else; a daemon that ends does not wait for it.
 * The thread exists while there is a work.
 */
#ifndef HW_KEEP_WORKER_H
#define HW_KEEP_WORKER_H

#include "slices.h"

struct hw_share;
struct hw_keep_worker;

/* Runs fn(arg) there; at once on the thread of the share, or if no thread can be created. Returns
 * false if a call does not return for a moment, or one of an earlier work has not returned: then fn
 * has not ended or not begun. */
bool hw_keep_worker_run(struct hw_share *share, hw_slices_fn *fn, void *arg);
/* Begins fn(arg), and does not wait for calls after hw_away_begin_long(). Returns 0; -EBUSY: an
 * earlier work has not ended; or another -errno: no thread. */
int hw_keep_worker_start(struct hw_share *share, hw_slices_fn *fn, void *arg);
/* Returns whether a work has not ended: then a call of it has not returned, and since when (loop
 * time), or it can be ended by hw_keep_worker_finish(). */
bool hw_keep_worker_is_busy(const struct hw_share *share, uint64_t *ret_since_ns);
/* Ends the work and the thread, if there is one. Returns false if a call does not return for a
 * moment. */
bool hw_keep_worker_finish(struct hw_share *share);
/* The work never continues; what it uses may be released, except for the memory of the call that
 * has not returned. hw_keep_worker_leave_open() is called. */
void hw_keep_worker_leave(struct hw_share *share);
/* The lock and the file that is in use stay open: their close(2) would wait. */
void hw_keep_worker_leave_open(struct hw_share *share);

#endif
