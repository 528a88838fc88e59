/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A directory that is new to the tree: armed, then listed, and what is in it told. Small ones at
 * once, large ones by the walk. */
#ifndef HW_FILL_H
#define HW_FILL_H

#include "history.h"
#include "list.h"
#include "retry.h"

/* Arms and lists a directory of the tree that has not been; how its entries arrive: NEW or
 * WITH_DIR. Files with content are told modify after all creates. */
void hw_fill_dir(struct hw_share *share, uint32_t dir, enum hw_arrival how);
/* A listing of such a directory. `touched`: hints about it came meanwhile, so what it says may be
 * old. */
void hw_fill_apply(struct hw_share *share, uint32_t dir, const struct hw_listing *listing,
		   enum hw_arrival how, bool touched);
/* What an unknown entry is that has appeared: its inode was known (LINK), older than the tree's
 * last look (MOVED_IN), or NEW. */
enum hw_arrival hw_fill_arrival(struct hw_share *share, const struct hw_stat *stat,
				int64_t since_ns);
/* The entry that this inode has in the tree under a name that the disk no longer has; 0. */
uint32_t hw_fill_renamed_from(struct hw_share *share, const struct hw_stat *stat);
/* Tells modify for what listings found with content. */
void hw_fill_tell_modified(struct hw_share *share);

/* A name whose stat a listing was refused, now that it works. */
void hw_fill_found(struct hw_share *share, const struct hw_retry_name *name,
		   const struct hw_stat *stat);
/* The last listing of a directory that is being filled ended, with this error or 0. `since`: see
 * hw_retry_worked(). */
void hw_fill_listed(struct hw_share *share, uint32_t dir, enum hw_arrival how, int error,
		    uint64_t since);
/* Opens a directory for reading after arming it; -errno. `anew`: see arm.h. */
int hw_fill_open(struct hw_share *share, uint32_t dir, bool anew);
/* It could not be opened: tried again later. When it is not where the tree has it, it is doubted,
 * and filled when it is found. */
void hw_fill_failed(struct hw_share *share, uint32_t dir, enum hw_arrival how, int error);

#endif
