/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk: directories wait to be listed; a few listings at a time run on the thread pool, and the
 * loop applies the results. A directory that is new to the tree is filled; a known one is compared,
 * and names that differ become unverified. The turn ends the walk when no directory is left.
 */
#ifndef HW_SCAN_H
#define HW_SCAN_H

#include "history.h"
#include "ids.h"

struct hw_share;

/* A directory that waits to be listed, or is being listed. */
struct hw_job;

struct hw_scan {
	struct hw_job *queue; /* owned list, last in first out */
	uint32_t queued, in_flight; /* in_flight: number of jobs in `flying` */
	struct hw_job *spare; /* owned list: jobs to use again */
	uint32_t spares;
	uint32_t opened; /* queued jobs that hold their directory open */
	uint32_t ahead; /* entries of new directories that this walk may still examine ahead */
	struct hw_ids retry;
	bool walking; /* directories are being listed */
	bool lost_while_arming;
	uint64_t entries; /* examined in this walk */
	uint64_t cpu_ns; /* of all listings on the thread pool */
	bool rearm; /* every listed directory is armed again, from the first candidate on */
	bool identified; /* with rearm: the tree identifies inodes as they would be now */
	int refused; /* why a directory could not be armed or listed where it is; 0 */
	bool fell_back; /* that has happened: a watcher that is not the first one may have it */
	uint64_t rearmed; /* entries examined for rearm, without those of concurrent scans */
	struct hw_job *flying, **flying_end; /* owned list: jobs in the thread pool, and those that
					      * came back; first in first out */
	uint32_t batches; /* in the thread pool */
	int64_t lost_ns; /* records of changes since this time (CLOCK_REALTIME_COARSE) may be lost,
			  * until the walk has ended; 0: none */
	int64_t since_ns; /* entries born before it were not created in the share: see observe.h */
};

/* Fills a directory. fd: open and read up to some point (taken over); -1: arms it and lists it from
 * its beginning. */
void hw_scan_fill(struct hw_share *share, uint32_t dir, int fd, enum hw_arrival how);
/* Compares a directory and everything below it, whichever watcher it has. */
void hw_scan_below(struct hw_share *share, uint32_t dir);
/* Compares a directory, alone or with everything below it, and arms each directory again, from the
 * first candidate on. */
void hw_scan_again(struct hw_share *share, uint32_t dir, bool below);
/* Compares every directory of one watcher. */
void hw_scan_watcher(struct hw_share *share, uint8_t watcher);
/* Events about this directory or below may have been lost: compares it and counts a rescan. */
void hw_scan_lost(struct hw_share *share, uint32_t dir);
/* A hint about this directory arrived: a pending listing of it may be out of date. */
void hw_scan_touched(struct hw_share *share, uint32_t dir);
/* A record has said that the entry was moved out of directory `from`. If the walk has yet to list
 * that one, perhaps no listing shows the entry: compares it, with everything below it. */
void hw_scan_moved(struct hw_share *share, uint32_t id, uint32_t from);
/* Arms the whole tree again from the first candidate on, and compares it. */
void hw_scan_rearm(struct hw_share *share);
/* Tries again the directories that could not be opened where the tree has them. Call it after an
 * observation. */
void hw_scan_retry(struct hw_share *share);

/* Applies the listings that have ended. Called at the beginning of a turn. */
void hw_scan_land(struct hw_share *share);
/* Releases memory that the next listings would use again. Called when the walk has ended. */
void hw_scan_trim(struct hw_share *share);
/* Drops waiting directories; running listings free themselves when they end. Called when the share
 * is destroyed. */
void hw_scan_cancel(struct hw_share *share);

#endif
