/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Assigns directories to watchers. Each filesystem gets the first candidate that works; if a
 * watcher gives up a subtree, the next one takes it. */
#ifndef HW_ARM_H
#define HW_ARM_H

#include "share_private.h"

/* Gives a directory of the tree to a watcher. dirfd: open on it, borrowed. Returns 0; -ENOENT if it
 * no longer exists; -ENODEV if no watcher takes it (logged). `anew`: tries all candidates, else
 * those from the watcher of its parent on. */
int hw_arm_dir(struct hw_share *share, uint32_t dir, int dirfd, bool anew);
/* Two entries of one directory inode both seemed to exist. Returns whether they are in one mount,
 * where a directory has one place: then it was moved between the two examinations. */
bool hw_arm_is_one_place(struct hw_share *share, uint32_t a, uint32_t b);
/* The directory leaves the tree, or the root is gone: unregisters it from its watcher and closes
 * its descriptors. */
void hw_arm_forget(struct hw_share *share, uint32_t dir);
/* Unregisters it from its watcher. */
void hw_arm_leave_watcher(struct hw_share *share, uint32_t dir);
/* Starts an idle candidate. Returns 0 or the error; the reason is in watcher->instance->reason. */
int hw_arm_start_watcher(struct hw_watcher *watcher);
/*
 * Decides which watcher gets a directory, here and in a survey: returns the rank of the first
 * candidate, from `rank` on, that starts and whose probe() accepts the filesystem of dirfd;
 * share->watchers.order_count if there is none. `refused` (NULL: not called) is called for each
 * candidate that fails.
 */
typedef void hw_arm_refused_fn(void *arg, const struct hw_watcher *watcher, const char *reason);
uint8_t hw_arm_next(struct hw_share *share, uint8_t rank, int dirfd, hw_arm_refused_fn *refused,
		    void *arg);
/* Returns the rank of a watcher; order_count if it is not a candidate, or no longer one. */
uint8_t hw_arm_rank(const struct hw_share *share, uint8_t index);
/* Chooses the watcher of the root's filesystem and writes share->why. Returns -ENODEV if no watcher
 * works; share->why then has the reasons. */
int hw_arm_choose(struct hw_share *share);
/* Notes the directory if it is the top of a subtree of its watcher: scans of the watcher begin
 * there. Call it after a move. */
void hw_arm_note_top(struct hw_share *share, uint32_t dir);
/* Drops duplicate and stale tops. Call it before the tops of a watcher are walked. */
void hw_arm_compact_tops(struct hw_watcher *watcher);

#endif
