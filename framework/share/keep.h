/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of a share outlives the daemon: docs/state.md. While it is kept, every change of the
 * tree and every event is in the log before a receiver can read the event. The log is in memory
 * of the system (a tmpfs), so that the loop never waits for a disk; a child of fork(2) writes
 * snapshots. A loss of power takes the log, and leaves its copy, which lacks the newest events
 * (keep_copy.h): each snapshot reserves the numbers below a limit, and the next run continues
 * above it.
 */
#ifndef HW_KEEP_H
#define HW_KEEP_H

#include "changed.h"
#include "keep_copy.h"
#include "keep_scope.h"
#include "keep_worker.h"
#include "share.h"
#include "state.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

struct hw_share;

struct hw_keep {
	char *dir_path, *log_path; /* owned; NULL: no state is kept */
	int dir, log_dir, lock, log; /* owned; -1: closed */
	atomic_int file; /* one that a work uses; -1: none */
	struct hw_keep_worker *worker; /* owned: see there; NULL: no work */
	bool asked, begun; /* the state is being read; it was read, or will not be */
	int result; /* of the last work of the worker */
	struct stat root; /* for such a work */
	uint64_t new_epoch; /* if there is no state */
	bool usable; /* the directories are open and locked */
	bool on; /* changes are logged */
	bool loaded; /* the tree is that of the last run, not compared with the disk yet */
	unsigned held; /* the tree and the journal do not agree at the moment */
	struct hw_changed changed;
	uint64_t generation, oldest; /* of the log that is written; of the snapshot on the disk */
	uint64_t frames; /* frames of this log */
	uint64_t seq; /* the newest event in the log */
	struct hw_journal_cursor logged; /* after that event, unless a frame could not be written */
	uint64_t block; /* how many numbers a snapshot reserves */
	uint64_t limit; /* events have smaller numbers; 0: no state is on the disk */
	uint64_t writing_limit; /* that of the snapshot that is being written */
	uint64_t
		skip_to; /* number of the first event of this run, after a loss of power; 0: none */
	unsigned char *bytes; /* owned: the frame that is being made */
	size_t room;
	uint64_t log_bytes, old_log_bytes; /* of this log; of the older ones that are needed */
	uint64_t snapshot_bytes; /* of the snapshot on the disk; 0: no snapshot is there */
	struct hw_keep_copy copy;
	struct hw_keep_scope scope;
	uint64_t *size; /* owned, mapped: of the snapshot, from the child that wrote it */
	pid_t writer; /* the child that writes a snapshot; 0: none */
	uint64_t writing; /* its generation */
	struct hw_journal_cursor cursor; /* of the snapshot that is being written */
	uint64_t retry_ns; /* loop time: no attempt before it */
	int64_t written_ns; /* CLOCK_REALTIME of the snapshot on the disk */
	int64_t known_ns; /* all changes before it are in the tree */
	int64_t unread_ns; /* as of the last frame: see hw_keep_unread_ns() */
	uint64_t place;
	uint8_t boot[HW_STATE_BOOT];
	bool ending; /* nothing is tried again */
	bool warned; /* that no snapshot can be written */
	char why[400]; /* why no state is kept; empty once a snapshot is complete */
};

int hw_keep_init(struct hw_share *share, const char *dir, const char *log_dir); /* 0 or -ENOMEM */
/* Opens the directories and reads the state of the last run, if there is one. Returns 0; -ENOMEM:
 * the state is as it was, and the share cannot start (share->why); -EINPROGRESS: the filesystem
 * does not answer at the moment: call it again in a later iteration, until it returns another
 * result. After 10 seconds it begins a new epoch, without keeping the state. */
int hw_keep_begin(struct hw_share *share);
/* The root is open: keeps no state if the log would be in the share, where each record makes
 * another one necessary. */
void hw_keep_check(struct hw_share *share);
/* Call it before a receiver learns of events: they are in the log afterwards. */
void hw_keep_publish(struct hw_share *share);
/* Call it at the end of each iteration in which no work rests: begins and ends snapshots. */
void hw_keep_turn(struct hw_share *share);
/* Call it at the end of an iteration in which a work rests. */
void hw_keep_turn_at_rest(struct hw_share *share);
/* Returns whether events wait for the disk: receivers cannot have the tree as it is. */
static inline bool hw_keep_waits(const struct hw_keep *keep)
{
	return keep->on && keep->scope.waits_from;
}
/* Writes a snapshot, and ends. */
void hw_keep_end(struct hw_share *share);

/* Returns the size of the files; 0 if no state is kept. */
uint64_t hw_keep_bytes(const struct hw_share *share);
/* Returns the newest event that receivers may read: it is in the log, its number is reserved, and
 * the disk says where it is (keep_scope.h). */
uint64_t hw_keep_last_seq(const struct hw_share *share);

/* keep_load.c */
/* Reads the state into the tree and the journal of the share, which are new. Returns 0; -ENOENT:
 * no state is there; -EPERM: it belongs to another user (`why`); -ENODATA: the last run did not end
 * cleanly, its log is lost, and no numbers can be reserved (`why`); or an error of state.h. If it
 * fails, the tree and the journal are new again. */
int hw_keep_load(struct hw_share *share);
/* The state on the disk is, from now on, that of a run that has not ended cleanly. 0 or -errno. */
int hw_keep_mark_open(struct hw_share *share);
/* Makes the tree and the journal new again. 0 or -ENOMEM. */
int hw_keep_begin_anew(struct hw_share *share);
/* The root is open: finds out which filesystems the entries of the state are on. */
void hw_keep_bind(struct hw_share *share);
/* keep_numbers.c */
/* Returns the limit that was reserved for this epoch without a snapshot; 0: none. */
uint64_t hw_keep_read_limit(struct hw_share *share, uint64_t epoch);
/* Reserves the numbers below this limit; waits for the disk. 0, or -errno and a text in `why`. */
int hw_keep_write_limit(struct hw_share *share, uint64_t epoch, uint64_t limit);
/* Logs that the numbers up to skip_to are skipped. 0 or -errno. */
int hw_keep_log_skip(struct hw_keep *keep);
/* Says how the last run ended, for the log. */
const char *hw_keep_ended(const struct hw_keep *keep);
/* Ends the writing of a snapshot. */
void hw_keep_stop_writer(struct hw_keep *keep);
/* The numbers that are reserved have been used up, because no snapshot could be written: removes
 * the state from the disk, for which it waits, and the limit. Until it succeeds, receivers get no
 * event above the limit. */
void hw_keep_forget(struct hw_share *share);
/* Removes the state of a run that has not ended; waits for the disk. 0, or -errno; -ETIMEDOUT: the
 * filesystem does not answer. */
int hw_keep_remove_open(struct hw_share *share);
/* keep_log.c */
/* The head of a file of this generation, as the share is now. */
struct hw_state_head hw_keep_make_head(struct hw_share *share, uint64_t generation,
				       uint64_t next_seq);
/* From now on, this log is written. 0 or -errno. */
int hw_keep_begin_log(struct hw_share *share, uint64_t generation, uint64_t next_seq);
/* From now on, changes are logged. */
void hw_keep_turn_on(struct hw_share *share);
/* Returns a time: the tree may have changes that were made at or after it and are not reported,
 * since an examination that belongs to one record also shows the changes of later ones. 0: it has
 * none. */
int64_t hw_keep_unread_ns(const struct hw_share *share);
/* Begins the log that follows the state that was read. 0 or -errno. */
int hw_keep_continue_log(struct hw_share *share);
/* Logs that the events after this one get other numbers. 0, or -errno: the log has ended. */
int hw_keep_log_shift(struct hw_share *share, uint64_t after, uint64_t next_seq);
/* No state is kept, until the next snapshot. */
void hw_keep_give_up(struct hw_share *share, const char *reason);
/* keep_snapshot.c */
/* bytes: of all logs. */
bool hw_keep_needs_snapshot(const struct hw_keep *keep, uint64_t bytes);
void hw_keep_begin_snapshot(struct hw_share *share);
/* Looks whether the child has ended. */
void hw_keep_reap(struct hw_share *share);
/* Writes the snapshot of a clean stop; waits for the disk. */
void hw_keep_write_last(struct hw_share *share);
/* keep_lock.c */
/* Locks the state for this process by its lock file; the boot is known. is_local: the filesystem of
 * the state is not that of a server. Elsewhere, what is left of a process that has ended may still
 * change the state, so its lock counts. Returns 0; -EAGAIN: another process has the state, or it is
 * unknown whether that has ended; or another -errno. The lock ends when a descriptor of the file is
 * closed, as fcntl(2) has it. */
int hw_keep_lock(const struct hw_keep *keep, int fd, bool is_local);
/* keep_files.c */
struct hw_keep_name {
	char text[128];
};
struct hw_keep_name hw_keep_name(const struct hw_share *share, const char *suffix);
struct hw_keep_name hw_keep_log_name(const struct hw_share *share, uint64_t generation);
struct hw_keep_name hw_keep_copy_name(const struct hw_share *share, uint64_t generation);
/* Opens both directories, and locks the state. Returns 0, or -errno and a text in `why`. */
int hw_keep_open(struct hw_share *share);
void hw_keep_close(struct hw_share *share); /* no work runs */
/* Returns whether a directory of the state is in the share. The root is open. */
bool hw_keep_is_inside(struct hw_share *share);
/* Returns false if one of them is still there. */
bool hw_keep_remove_logs(struct hw_share *share, uint64_t from, uint64_t to);
/* Removes the files with such names of other generations than `from` to `to`, without that. Returns
 * whether there were some. */
typedef struct hw_keep_name hw_keep_name_fn(const struct hw_share *share, uint64_t generation);
bool hw_keep_remove_others(struct hw_share *share, int dir, hw_keep_name_fn *name_fn, uint64_t from,
			   uint64_t to);
/* Call it if a file of the state cannot be used because of this error. Returns -EPERM and a text in
 * `why` if it belongs to another user, otherwise the error. */
int hw_keep_check_owner(struct hw_keep *keep, int dir, const char *name, int error);
/* Renames a state that cannot be used because of this error, and says so. */
void hw_keep_set_aside(struct hw_share *share, int error);

#endif
