/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the operations of a burst moved into and out of the share, and what hostwatch-events(7),
 * LIMITS says that watchers cannot know about it.
 */
#ifndef HW_TESTS_PASSAGE_H
#define HW_TESTS_PASSAGE_H

#include "census.h"
#include "tests/conformance/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Why a move out of the share may be reported as delete. */
#define HW_DOUBT_RECORDS 1u /* no record of the kernel proves it */
#define HW_DOUBT_NUMBER 2u /* fanotify: its number may be that of another inode */
#define HW_DOUBT_MERGED 4u /* fanotify with a mark for each directory: merged records */
#define HW_DOUBT_LINK 8u /* inotify: what came later has only a name that it got by link(2) */
#define HW_DOUBT_UNSEEN 16u /* not inotify, which merges the records of what came later */
/* inotify: it came back and left again, and only a file handle shows that it is the same entry */
#define HW_DOUBT_AGAIN 32u
/* It left by a name that it got by link(2): only polling knows that it is the same entry. */
#define HW_DOUBT_NEW_NAME 64u

/* A move of an entry out of the share. */
struct hw_leave {
	struct statx st; /* before it */
	char *path; /* owned */
	unsigned doubts; /* HW_DOUBT_* */
	bool hidden; /* a directory was made or came into the share before it */
	bool by_link; /* it, or what is in it, had a name there that it got by link(2) */
};

/* A move into the share, or out of a directory that was not there before the burst. */
struct hw_arrival {
	struct statx st; /* after it */
	char *path; /* owned */
	size_t leaves_before; /* number of moves out before it */
	bool proved; /* the records prove that it is from outside */
	bool strayed; /* it was moved where no record proves the place */
	bool dated; /* its attributes or times were set later */
	bool merged; /* the record of its arrival is merged with the one before it */
	struct statx merged_with; /* if so: the file that this one is about */
};

/* A name that a file got by link(2). */
struct hw_linked {
	struct statx st;
	char *path; /* owned */
	char *now; /* owned: where that name is after the renames that followed */
	bool dated; /* attributes or times of the file were set later */
	bool lost; /* it lost the name, and may have got it again */
};

/* A change of which inode a path leads to. */
struct hw_name_change {
	char *path; /* owned */
};

struct hw_passages {
	struct hw_leave *leaves; /* owned */
	size_t leave_count;
	struct hw_arrival *arrivals; /* owned */
	size_t arrival_count;
	struct hw_name_change *changes; /* owned */
	size_t change_count;
	struct hw_linked *linked; /* owned */
	size_t linked_count;
	bool has_new_dir; /* a directory came into the share or was made in it */
};

/* One operation and the state before it. */
struct hw_passing {
	struct hw_passages *passages; /* borrowed */
	const struct hw_census *before; /* borrowed: before the burst */
	const char *root; /* borrowed: the path of the share */
	const struct hw_op *op; /* borrowed */
	const struct hw_op *last; /* borrowed: the operation before it, if records of the two may be
				     merged; or NULL */
	struct statx at[HW_OP_ARGS]; /* what the arguments are; stx_ino 0: nothing */
};

/* Call these before and after an operation. */
void hw_passing_begin(struct hw_passing *passing);
void hw_passing_end(struct hw_passing *passing);
/* Call it after the last operation. */
void hw_passages_judge(struct hw_passages *passages, const struct hw_census *before,
		       const struct hw_census *after);
void hw_passages_free(struct hw_passages *passages);

#endif
