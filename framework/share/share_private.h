/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Internal interface of the parts of a share. Each part has its own header, which declares its
 * struct and says what it does; turn.c has the order in which an iteration runs them. Loop thread
 * only, except list.h.
 */
#ifndef HW_SHARE_PRIVATE_H
#define HW_SHARE_PRIVATE_H

#include "barrier.h"
#include "clock.h"
#include "disk.h"
#include "fill.h"
#include "hint.h"
#include "history.h"
#include "ids.h"
#include "journal.h"
#include "keep.h"
#include "log.h"
#include "mark.h"
#include "mounts.h"
#include "presence.h"
#include "quiet.h"
#include "refresh.h"
#include "retry.h"
#include "root.h"
#include "scan.h"
#include "settle.h"
#include "share.h"
#include "shortage.h"
#include "slices.h"
#include "switch.h"
#include "tree.h"
#include "turn.h"
#include "unarmed.h"
#include "unverified.h"
#include "verify.h"
#include "watchers.h"
#include <hostwatch/filter.h>

#include <errno.h>

struct hw_listener {
	hw_share_ready_fn *fn;
	void *arg;
};

struct hw_listeners {
	struct hw_listener *list; /* owned */
	uint32_t count;
};

/* Filesystems that do not answer: silence.c. */
struct hw_silence {
	uv_poll_t *mounts; /* owned: polls share->mounts.fd; NULL: not polled */
	bool look; /* mounts have changed, which may be others that may hang */
	bool logged; /* a filesystem does not answer */
};

/* Names at which a filesystem was mounted or unmounted, until they have been verified. */
struct hw_mount_names {
	struct hw_notes changed;
	int64_t checked_ns; /* CLOCK_REALTIME_COARSE at the last check, or later if nothing was
			     * mounted since */
	int64_t since_ns; /* the same, when the first of these names was not there yet */
};

struct hw_share {
	struct hw_loop *loop; /* borrowed */
	char *name, *path; /* owned */
	uint64_t interval_ns;
	bool pseudo; /* filesystems whose content the kernel makes are entered */
	enum hw_share_state state;
	bool silent; /* changes are made in the tree and not reported */
	uint64_t epoch;
	int64_t begun_ns; /* CLOCK_REALTIME_COARSE when it started */
	char why[1024]; /* why this watcher */

	struct hw_slices work; /* everything that may take long runs here: see hw_share_rest() */
	struct hw_presence presence;
	struct hw_tree tree;
	struct hw_disk disk;
	struct hw_root_path root;
	struct hw_mount_watch mounts;
	struct hw_mount_names mount_names;
	struct hw_silence silence;
	struct hw_filter filter;
	struct hw_journal journal;
	struct hw_watchers watchers;

	struct hw_turn turn;
	struct hw_hints hints;
	struct hw_history history;
	struct hw_refresh refresh;
	struct hw_unverified unverified;
	struct hw_marks marks;
	struct hw_verify verify;
	struct hw_settle settle;
	struct hw_fill fill;
	struct hw_scan scan;
	struct hw_retry retry;
	struct hw_unarmed unarmed;
	struct hw_shortage shortage;
	struct hw_quiet quiet;
	struct hw_keep keep;

	struct hw_barrier *barriers; /* owned */
	struct hw_listeners listeners;
	struct hw_switching switching;
	char scratch[HW_PATH_MAX + HW_NAME_MAX + 2]; /* a path */
};

/* Makes sure that the loop runs another iteration. */
static inline void hw_share_kick(struct hw_share *share)
{
	if (share->turn.kick)
		hw_timer_set(share->turn.kick, 1);
}

/*
 * Called for each item in loops that may be long. A long turn and the timers of a share run as a
 * work of its slices. While it rests, none of these runs, and no callback of its watchers, so
 * records and examinations keep the order that they would have in one piece. Sinks and status may
 * read the share meanwhile, so the tree and the journal must agree whenever it rests.
 */
static inline void hw_share_rest(struct hw_share *share)
{
	hw_slices_rest(&share->work);
}

/* A directory could not be armed or listed, for this reason: see hw_scan.refused. */
static inline void hw_share_refused(struct hw_share *share, int error)
{
	if (error == -ENOENT || error == -ENOTDIR || error == -ESTALE || error == -ECANCELED)
		return; /* it moved */
	share->scan.refused = error;
	share->scan.fell_back = true;
}

static inline bool hw_scan_is_idle(const struct hw_share *share)
{
	return !share->scan.queued && !share->scan.in_flight;
}

static inline bool hw_verify_is_active(const struct hw_share *share)
{
	return share->verify.observation;
}

/* work.c */
/* For calls from outside that change the share: the work that rests, if any, is done first. Returns
 * false if that waits for a filesystem that does not answer. */
bool hw_share_finish_work(struct hw_share *share);
/* Runs fn(share) as a work that may wait for a filesystem; none may rest. Returns whether it has
 * ended; otherwise it continues later. */
bool hw_share_run(struct hw_share *share, hw_slices_fn *fn);
/* A timer that fires as a work of the share; its argument is the share. */
int hw_share_add_timer(struct hw_share *share, hw_timer_fn *fn, struct hw_timer **ret);
/* Later events are not merged with the earlier ones, which receivers may have read. */
void hw_share_begin_turn(struct hw_share *share);

/* mount_points.c */
/* Reports the mounts that change from now on. The root must be open. */
void hw_mount_points_begin(struct hw_share *share);
void hw_mount_points_check(struct hw_share *share);
/* Returns the time (CLOCK_REALTIME_COARSE) of the last check before a mount or unmount at this name
 * was found: what is visible there now and was born before was moved in, not created. 0: none was
 * found. */
int64_t hw_mount_points_since(const struct hw_share *share, hw_token dir, const char *name,
			      size_t len);

/* silence.c */
/* Notices mounts at once, from now on: some may hang. */
void hw_silence_begin(struct hw_share *share);
void hw_silence_end(struct hw_share *share);
/* For how long a filesystem has not answered that the share, or only a part of it, waits for; 0:
 * all answer. */
uint64_t hw_silence_ns(const struct hw_share *share);
/* Called in each iteration: gives the share a thread if one of its filesystems may hang, and logs
 * when one does not answer. Returns true if that has changed. */
bool hw_silence_check(struct hw_share *share);
/* Returns whether a filesystem that may hang has been mounted since the last check, and the share
 * has no thread yet: the iteration must end here. */
bool hw_silence_appears(struct hw_share *share);

/* excluded.c. name: may be a path below dir, if nothing that it leads through is excluded. */
bool hw_share_is_excluded(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			  bool is_dir);

#endif
