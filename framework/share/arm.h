/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who watches which directory: the first candidate that can, for each filesystem and, where one
 * gives up, each subtree. */
#ifndef HW_ARM_H
#define HW_ARM_H

#include "share_private.h"

/* Gives a directory of the tree to a watcher. dirfd: open on it, borrowed. 0; -ENOENT when it no
 * longer exists; -ENODEV when no watcher takes it (logged). `anew`: from the first candidate, else
 * from the one its parent has. */
int hw_arm_dir(struct hw_share *share, uint32_t dir, int dirfd, bool anew);
/* The directory leaves the tree, or the root is gone: its watcher and the open descriptors forget
 * it. */
void hw_arm_forget(struct hw_share *share, uint32_t dir);
/* Starts a candidate that is idle. 0 or the error; the reason is in watcher->instance->reason. */
int hw_arm_start_watcher(struct hw_watcher *watcher);
/*
 * The decision which watcher gets a directory, here and in a survey: the rank of the first
 * candidate, from `rank` on, that starts and whose probe() accepts the filesystem of dirfd;
 * share->order_count when none does. `refused` (NULL: nothing) is called for each that does not.
 */
typedef void hw_arm_refused_fn(void *arg, const struct hw_watcher *watcher, const char *reason);
uint8_t hw_arm_next(struct hw_share *share, uint8_t rank, int dirfd, hw_arm_refused_fn *refused,
		    void *arg);
/* Picks the watcher of the root's filesystem and writes share->why; -ENODEV when there is none,
 * with the reasons there. */
int hw_arm_choose(struct hw_share *share);
/* If this directory is the top of a subtree of its watcher, scans of the watcher begin there. Call
 * it after a move. */
void hw_arm_note_top(struct hw_share *share, uint32_t dir);
/* Before the tops of a watcher are walked. */
void hw_arm_compact_tops(struct hw_watcher *watcher);

#endif
