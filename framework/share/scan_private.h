/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Internal interface of scan.c (listings), scan_jobs.c (the queue) and scan_compare.c. */
#ifndef HW_SCAN_PRIVATE_H
#define HW_SCAN_PRIVATE_H

#include "list.h"
#include "share_private.h"

/*
 * Small directories are listed in batches: to hand one to a thread and back costs as much as to
 * list it. A batch that has read HW_LIST_MAX entries leaves its other directories for later.
 */
#define HW_BATCHES_IN_FLIGHT 4u /* on the thread pool at once */
#define HW_BATCH_MAX 16u /* directories */
#define HW_JOBS_SPARE (HW_BATCHES_IN_FLIGHT * HW_BATCH_MAX)

enum hw_job_kind { HW_JOB_FILL, HW_JOB_COMPARE };

struct hw_job {
	uv_work_t work; /* of the first job of a batch; first member: libuv passes it back */
	struct hw_job *next;
	struct hw_job *with; /* borrowed: the next job of the batch, while it is listed */
	struct hw_share *share; /* NULL: cancelled */
	hw_token dir;
	int fd; /* owned; -1 until it is open */
	/* Borrowed until hw_job_leave(): this one is opened from it. NULL: from the root. */
	struct hw_job *above;
	uint32_t below; /* jobs whose `above` is this one */
	bool given; /* it has ended, and is kept for those below it */
	uint8_t moved; /* the tree has the directory elsewhere: depth below the one that moved, from
			* 1; 0: it has not */
	enum hw_job_kind kind;
	enum hw_arrival how;
	uint8_t watcher; /* compare directories of this watcher only; HW_WATCHER_NONE: of any */
	bool touched;
	bool here; /* it is listed by the work of the share, not on the thread pool */
	bool guarded; /* the thread that lists it must not wait: cross.h */
	bool landed; /* its listing has ended, and is applied in the next turn */
	bool retried;
	bool cheap; /* the listing identifies entries less precisely than hw_disk_stat() */
	struct hw_identify identify;
	bool anew; /* arm every directory again, from the first candidate on */
	bool flat; /* compare this directory only */
	uint64_t since; /* retry.count_refusals when it was opened */
	struct hw_listing listing;
	uint64_t cpu_ns; /* of the batch, on the thread pool; 0 in its other jobs */
};

/* Adds a job for this directory. fd: the directory, taken over; -1: it is not open yet. Returns
 * NULL if out of memory, which is logged. */
struct hw_job *hw_job_enqueue(struct hw_share *share, uint32_t dir, enum hw_job_kind kind, int fd);
/* The same for a comparison. watcher: see struct hw_job. */
struct hw_job *hw_job_compare(struct hw_share *share, uint32_t dir, uint8_t watcher);
/* The same for a directory in that of `above`, which the tree has elsewhere. */
struct hw_job *hw_job_below(struct hw_share *share, struct hw_job *above, uint32_t dir);
/* The job does not need the directory above it any more. share: see hw_job_give(). */
void hw_job_leave(struct hw_share *share, struct hw_job *job);
/* Closes the directory of the job, and puts it at the end of the queue: other jobs will close the
 * descriptors that they hold. */
void hw_job_put_back(struct hw_share *share, struct hw_job *job);
/* Closes the directory of a job and frees it, when no job is to be opened from it. share: keeps
 * some jobs to use again; may be NULL. */
void hw_job_give(struct hw_share *share, struct hw_job *job);

/* Compares a listing of a known directory with the tree: names that differ become unverified. */
void hw_scan_apply_compare(struct hw_share *share, struct hw_job *job, uint32_t dir);

#endif
