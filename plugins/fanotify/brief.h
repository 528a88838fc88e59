/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that came and went before their record was read. The kernel merges a record into an older
 * equal one, so a record that says both created and deleted does not say which came last. But an
 * inode that was made under this name and has had no other name cannot come back once it was
 * deleted. It has had another name if another record of it has a name, or if its link count changed
 * before: link(2) queues a record of the inode, without a name, before that of the new name.
 */
#ifndef HW_FANOTIFY_BRIEF_H
#define HW_FANOTIFY_BRIEF_H

#include "record.h"

#include <stdbool.h>

struct hw_brief_inode;

/* All zero holds no memory and knows of no file that it is brief. */
struct hw_brief {
	struct hw_brief_inode *inodes; /* owned: those of the batch */
	uint64_t *linked; /* owned: inodes whose link count changed, of this and former batches */
	uint32_t batch; /* number of the batch */
	bool usable; /* the batch was looked through, and is all that was queued */
};

int hw_brief_init(struct hw_brief *brief); /* 0 or -ENOMEM */
void hw_brief_finish(struct hw_brief *brief);
/* Looks through a batch of at most HW_BRIEF_BYTES that ends where the queue ended, before the first
 * of its records is handled. */
#define HW_BRIEF_BYTES (128u * 1024)
void hw_brief_begin(struct hw_brief *brief, const struct hw_handle_seed *seed, const char *bytes,
		    size_t len);
/* There are more records than the batch holds, or none are to be judged. */
void hw_brief_skip(struct hw_brief *brief);
/* For each record, in order. Whether what it created is gone for good. */
bool hw_brief_take(struct hw_brief *brief, const struct hw_handle_seed *seed,
		   const struct hw_record *record);

#endif
