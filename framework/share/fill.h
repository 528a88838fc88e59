/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fills a directory that is new to the tree: arms it, lists it and reports its entries. Small
 * directories are listed at once, large ones by the walk. */
#ifndef HW_FILL_H
#define HW_FILL_H

#include "history.h"
#include "ids.h"
#include "list.h"
#include "retry.h"

struct hw_share;

#define HW_FILL_BUDGET 2048u /* entries listed at once in one iteration */

struct hw_fill {
	uint32_t budget; /* entries that may still be listed at once in this iteration */
	uint32_t depth;
	int64_t born_ns; /* birth time of the directory that was opened last */
	int64_t since_ns; /* birth time of the directory that is being listed at once */
	struct hw_ids modified; /* files that an observation found with content: modify is reported
				   after the creates */
	/* Entries found by listings during an observation of a settle window, which reports their
	 * changes. `moved` also has names of files that were found changed at other names. */
	struct hw_ids moved, files;
	bool joins; /* such an observation has yet to take them over */
	struct hw_ids written; /* those of `files` that came from outside, and were written since */
};

/* Arms and lists a directory of the tree for the first time. how: of its entries, NEW or WITH_DIR;
 * if they came with the directory, they did so until it is listed, under whichever name. For files
 * with content, modify is reported after all creates. */
void hw_fill_dir(struct hw_share *share, uint32_t dir, enum hw_arrival how);
/* Arms a directory that has no watcher, or was not listed, at its new place: fills it, or compares
 * it with everything below it if its entries are known. */
void hw_fill_moved(struct hw_share *share, uint32_t dir);
/* Applies a listing of such a directory. `touched`: hints about the directory arrived meanwhile, so
 * the listing may be out of date. */
void hw_fill_apply(struct hw_share *share, uint32_t dir, const struct hw_listing *listing,
		   enum hw_arrival how, bool touched);
/* Classifies a new entry: one more link to an old or known inode (LINK), born before since_ns
 * (MOVED_IN), or NEW. */
enum hw_arrival hw_fill_arrival(struct hw_share *share, const struct hw_stat *stat,
				int64_t since_ns);
/* The same for a name that the tree does not have. A file that the tree has under another name is a
 * link: unlink(2) lowers the link count before that name is gone. */
enum hw_arrival hw_fill_arrival_of_name(struct hw_share *share, const struct hw_stat *stat,
					int64_t since_ns);
/* Returns the entry that has this inode in the tree under a name that the disk no longer has; 0:
 * none. */
uint32_t hw_fill_renamed_from(struct hw_share *share, const struct hw_stat *stat);
/* The entry was reported as new before its inode was known: it has this one. If that is older, and
 * so is its data, it is not a new file. */
void hw_fill_take_inode(struct hw_share *share, uint32_t id, const struct hw_stat *stat);

/* A name whose stat was refused in a listing can now be examined. */
void hw_fill_found(struct hw_share *share, const struct hw_retry_name *name,
		   const struct hw_stat *stat);
/* The last listing of a directory that is being filled has ended, with this error or 0. `since`:
 * see hw_retry_worked(). */
void hw_fill_listed(struct hw_share *share, uint32_t dir, enum hw_arrival how, int error,
		    uint64_t since);
/* Arms a directory and opens it for reading; -errno. `anew`: see arm.h. */
int hw_fill_open(struct hw_share *share, uint32_t dir, bool anew);
/* A directory could not be opened: it is tried again later. If it is not where the tree has it, it
 * is noted as unverified, and filled when it has been found. */
void hw_fill_failed(struct hw_share *share, uint32_t dir, enum hw_arrival how, int error);

#endif
