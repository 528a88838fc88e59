/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Detects brief files: created and deleted before their record was read. The kernel merges a record
 * into an older equal one, so a record that says both created and deleted does not say which came
 * last. But an inode that was created under this name and has had no other name cannot come back
 * after its deletion. It has had another name if another record of it has a name, or if its link
 * count changed before: link(2) queues a record of the inode, without a name, before that of the
 * new name.
 */
#ifndef HW_FANOTIFY_BRIEF_H
#define HW_FANOTIFY_BRIEF_H

#include "record.h"

#include <stdbool.h>

struct hw_brief_inode;

/* All zero: holds no memory and reports no file as brief. */
struct hw_brief {
	struct hw_brief_inode *inodes; /* owned: inodes of the current batch */
	uint64_t *linked; /* owned: inodes whose link count changed, in this or an earlier batch */
	uint32_t batch; /* number of the batch */
	bool usable; /* the batch was examined, and contains everything that was queued */
};

int hw_brief_init(struct hw_brief *brief); /* 0 or -ENOMEM */
void hw_brief_finish(struct hw_brief *brief);
/* Examines a batch of at most HW_BRIEF_BYTES that reaches to the end of the queue, before its first
 * record is handled. */
#define HW_BRIEF_BYTES (128u * 1024)
void hw_brief_begin(struct hw_brief *brief, const struct hw_handle_seed *seed, const char *bytes,
		    size_t len);
/* Call this instead of hw_brief_begin() if the queue has more records than the buffer, or if the
 * marks do not report link counts. */
void hw_brief_skip(struct hw_brief *brief);
/* Call this for each record, in order. Returns whether the object that the record created is gone
 * for good. */
bool hw_brief_take(struct hw_brief *brief, const struct hw_handle_seed *seed,
		   const struct hw_record *record);

#endif
