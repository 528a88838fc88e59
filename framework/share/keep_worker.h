/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a share does with the files of its state, if their filesystem may stop answering (remote.h):
 * it runs on a thread of its own, in turn with the loop (thread.h), which continues without it. So
 * a state that waits delays the start of its share for a while, and nothing else; a daemon that
 * ends does not wait for it.
 */
#ifndef HW_KEEP_WORKER_H
#define HW_KEEP_WORKER_H

#include "slices.h"

struct hw_share;
struct hw_keep_worker;

/* Creates the thread, if any filesystem may stop answering. */
void hw_keep_worker_begin(struct hw_share *share);
/* Its works are not away. */
void hw_keep_worker_end(struct hw_share *share);

/* Runs fn(share) there, or at once if there is no thread. Returns false if a call does not return
 * for a moment, or one of an earlier work has not returned: then fn has not ended or not begun. */
bool hw_keep_worker_run(struct hw_share *share, hw_slices_fn *fn, void *arg);
/* Returns whether a work has not ended: then a call of it has not returned, and since when (loop
 * time), or it can be ended by hw_keep_worker_finish(). */
bool hw_keep_worker_is_busy(const struct hw_share *share, uint64_t *ret_since_ns);
bool hw_keep_worker_finish(struct hw_share *share);
/* The work never continues; what it uses may be released, except for the memory of the call that
 * has not returned. The lock stays open: its close(2) would wait. */
void hw_keep_worker_leave(struct hw_share *share);

#endif
