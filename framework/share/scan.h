/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk: directories waiting to be listed, a few listings at a time on the thread pool, results
 * applied on the loop. A directory new to the tree is filled; a known one is compared, and what
 * differs becomes suspects. When nothing is left, hw_share_walked() is called.
 */
#ifndef HW_SCAN_H
#define HW_SCAN_H

#include "history.h"

/* Fills a directory, from an fd that was read to some point (taken over) or, -1, from its beginning
 * after arming it. */
void hw_scan_fill(struct hw_share *share, uint32_t dir, int fd, enum hw_arrival how);
/* Compares a directory and all below it, whoever watches it. */
void hw_scan_below(struct hw_share *share, uint32_t dir);
/* Compares a directory, with all below it or alone, and arms what it compares from the first
 * watcher. */
void hw_scan_again(struct hw_share *share, uint32_t dir, bool below);
/* The same for every directory of one watcher. */
void hw_scan_watcher(struct hw_share *share, uint8_t watcher);
/* Events about this directory and below may have been lost: compares, counts a rescan. */
void hw_scan_lost(struct hw_share *share, uint32_t dir);
/* A hint about this directory came: a listing of it under way may be old. */
void hw_scan_touched(struct hw_share *share, uint32_t dir);
/* The whole tree is armed anew from the first candidate and compared. */
void hw_scan_rearm(struct hw_share *share);
/* Directories that could not be opened where the tree has them, to be tried again after an
 * observation. */
void hw_scan_retry(struct hw_share *share);

bool hw_scan_is_idle(const struct hw_share *share);
/* Drops what waits; what flies frees itself when it lands. For destroy. */
void hw_scan_cancel(struct hw_share *share);

#endif
