/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories of a share that cannot be read, or that no watcher takes. Each is logged once, with
 * its path, the cause and the remedy. All other code that opens or arms a directory leaves it to
 * these functions to log the failure.
 */
#ifndef HW_ACCESS_H
#define HW_ACCESS_H

#include "share_private.h"

/* The full path of a directory of the tree, quoted. Returns buf. */
const char *hw_access_path(struct hw_share *share, uint32_t dir, char *buf, size_t size);

/* A directory, or one above it, could not be opened for reading. Logs the one that caused the
 * error unless it was logged before, and returns it. Errors that mean "moved or deleted" are not
 * logged. */
uint32_t hw_access_failed(struct hw_share *share, uint32_t dir, int error);
/* Returns whether the directory, or one above it, cannot be read: that one is tried again. */
bool hw_access_is_locked(const struct hw_share *share, uint32_t dir);
/* The whole directory was read: the next failure is logged again. */
void hw_access_gained(struct hw_share *share, uint32_t dir);

/* The reasons why watchers refused one directory; zeroed by the caller. */
struct hw_access_refusals {
	char text[900];
	size_t len;
	bool of_root;
};
/* Notes that this watcher refused the directory. An error that the watcher gave before for another
 * directory is not noted again. */
void hw_access_refused(struct hw_access_refusals *refusals, struct hw_watcher *watcher,
		       uint32_t dir, int error);
/* Logs the noted refusals, if any, and the watcher that takes the directory instead (NULL:
 * none). If the root of a starting share is refused, the start fails and the text is stored in
 * share->why. */
void hw_access_log_refusals(const struct hw_access_refusals *refusals, struct hw_share *share,
			    const struct hw_watcher *taker);

/* A directory was accepted again: the next refusal is noted even if it is a repetition. */
void hw_access_forget_refusals(struct hw_share *share);

/* Writes why the root cannot be opened. */
void hw_access_explain_root(const struct hw_share *share, int error, char *buf, size_t size);

#endif
