/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories of a share that may not be read, or that no watcher takes: each is logged once, with
 * its path, the cause and the remedy. Everything else that opens or arms a directory leaves it to
 * these functions to log the failure.
 */
#ifndef HW_ACCESS_H
#define HW_ACCESS_H

#include "share_private.h"

/* The full path of a directory of the tree, quoted. Returns buf. */
const char *hw_access_path(struct hw_share *share, uint32_t dir, char *buf, size_t size);

/* The directory, or one above it, could not be opened for reading. Logs the one that is at fault
 * unless that was done before, and returns it. Errors that mean "it is elsewhere or gone" are not
 * logged. */
uint32_t hw_access_failed(struct hw_share *share, uint32_t dir, int error);
/* All of it was read: the next failure is logged again. */
void hw_access_gained(struct hw_share *share, uint32_t dir);
/* Its mode or owner changed: logs the loss of access; on regained access the directory is compared
 * with the disk. */
void hw_access_changed(struct hw_share *share, uint32_t dir);

/* Why watchers refused one directory; zeroed by the caller. */
struct hw_access_refusals {
	char text[900];
	size_t len;
	bool of_root;
};
/* Notes that this watcher refused the directory. An error that the watcher gave before for another
 * directory is not noted again. */
void hw_access_refused(struct hw_access_refusals *refusals, struct hw_watcher *watcher,
		       uint32_t dir, int error);
/* Logs what was noted, if anything, and which watcher takes the directory instead, NULL: none. For
 * the root of a share that is starting, which fails then, the text goes to share->why. */
void hw_access_log_refusals(const struct hw_access_refusals *refusals, struct hw_share *share,
			    const struct hw_watcher *taker);

/* Something works again: the next refusal is noted, whatever was before. */
void hw_access_forget_refusals(struct hw_share *share);

/* Writes why the root cannot be opened. */
void hw_access_explain_root(const struct hw_share *share, int error, char *buf, size_t size);

#endif
