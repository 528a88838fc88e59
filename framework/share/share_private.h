/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of a share know of each other. The parts, each with its own file: arm (who watches
 * which directory), list (reading a directory), scan (walking many), history (one change becomes
 * events), hint (what watchers tell), suspects and observe (many changes become their net effect),
 * verify and mark (when a difference is proved), settle (windows), retry (what could not be read,
 * again and again), quiet (close_write without a close), share (life). Loop thread only, but for
 * list.h.
 */
#ifndef HW_SHARE_PRIVATE_H
#define HW_SHARE_PRIVATE_H

#include "clock.h"
#include "disk.h"
#include "filter.h"
#include "fold.h"
#include "former.h"
#include "ids.h"
#include "journal.h"
#include "log.h"
#include "mark.h"
#include "mounts.h"
#include "share.h"
#include "suspects.h"
#include "tree.h"
#include "watcher.h"

#define HW_WATCHER_NONE UINT8_MAX

enum hw_watcher_state { HW_WATCHER_ABSENT, HW_WATCHER_IDLE, HW_WATCHER_RUNNING, HW_WATCHER_FAILED };

struct hw_watcher {
	struct hw_share *share; /* borrowed: the owner */
	struct hw_instance *instance; /* owned */
	const struct hw_plugin *plugin; /* borrowed */
	uint8_t index;
	uint64_t serial; /* no other watcher of the share ever has it */
	enum hw_watcher_state state;
	uint64_t complaints; /* a bit for each error, below 64, that was logged when it refused a
				directory */
	uint64_t directories; /* it watches */
	hw_token *tops; /* owned: the tops of its subtrees, with some that are gone */
	uint32_t top_count, top_room;
	int64_t polled_ns; /* CLOCK_REALTIME_COARSE when its last scan began */
	uint64_t scans_begun, scans_ended;
	bool comparing, lost_again; /* all its directories, after a loss; and once more behind it */
	bool scan_running; /* it asked for one, which has not ended */
	bool scan_pending; /* and for another one, which begins when no directory is being listed */
	hw_token scan_dir; /* of the pending one; HW_NO_DIR: the whole share */
	uint64_t scan_start_ns, scan_entries, scan_seq; /* when it began */
	int64_t scan_start_coarse_ns;
};

/* One directory waiting to be listed, or being listed. */
struct hw_job;

struct hw_scan {
	struct hw_job *queue; /* owned list, last in first out */
	uint32_t queued, in_flight;
	struct hw_job *spare; /* owned list: jobs to use again */
	uint32_t spares;
	uint32_t opened; /* queued jobs that hold their directory open */
	struct hw_ids retry;
	uint64_t entries; /* looked at in this walk */
	bool rearm; /* every directory met goes to the first watcher anew */
	uint64_t rearmed; /* entries looked at by it, without those of a scan beside it */
	struct hw_job *flying; /* owned list of those in the thread pool */
	int64_t since_ns; /* births before it are older than what the tree knew: see observe.h */
};

/* Directories and names that refused: retry.h. */
struct hw_retry_item;

struct hw_retry {
	hw_token *dirs; /* owned; of each item: the directory, or the one that has the name */
	struct hw_retry_item *items; /* owned, as many */
	uint32_t count, room;
	uint32_t hand; /* the next one to leave out */
	uint32_t left_out;
	uint64_t refusals; /* items so far */
	uint64_t count_refusals; /* first and later ones */
	uint64_t compared_ns; /* loop time of the last comparison for those left out */
	struct hw_timer *timer; /* owned */
};

struct hw_quiet_item {
	uint32_t id;
	uint64_t due_ns; /* loop time */
};

struct hw_quiet {
	struct hw_quiet_item *ring; /* owned, a power of two */
	uint32_t room, head, count;
	struct hw_timer *timer; /* owned */
	struct hw_ids found; /* by listings, to be tried at the end of the turn */
	struct hw_ids finished; /* of those, which nobody had open: reported at the mark */
	struct hw_mark finished_mark;
	uint32_t finished_seq; /* the newest event at that time */
	struct hw_ids refused; /* may be closed at this moment: tried again soon */
	struct hw_timer *retry; /* owned */
	unsigned retries; /* of the newest of them */
};

/* A move onto a taken name, until it is known whether it is half of an exchange. */
struct hw_held {
	hw_token dir, to_dir; /* dir 0: none is held */
	uint8_t len, to_len;
	char name[HW_NAME_MAX], to_name[HW_NAME_MAX];
};

/* A name that was created and could not be examined, until the next hint. */
struct hw_held_name {
	hw_token dir; /* 0: none is held */
	struct hw_mark mark; /* when marked */
	bool marked;
	uint8_t len;
	char name[HW_NAME_MAX];
};

/* The path of the entry that the last event was about, while no name has changed since. */
struct hw_last_path {
	uint32_t id; /* 0: none */
	uint32_t places; /* of the tree */
	const char *bytes; /* borrowed */
	size_t len;
};

struct hw_barrier {
	struct hw_barrier *next;
	hw_share_flush_fn *done;
	void *arg;
	uint64_t scans[HW_WATCHERS_MAX]; /* ended scans it waits for */
	uint64_t round; /* of verification that it waits for, once counted */
	bool begun, counted;
	uint8_t retries; /* turns in which it waited for retry.h */
};

/* A switch to other watchers. */
struct hw_switching {
	hw_share_switch_fn *done; /* NULL: none runs */
	void *arg;
	uint8_t old_order[HW_WATCHERS_MAX], old_order_count; /* for a switch that fails */
	bool old_explicit;
	unsigned rounds; /* of arming directories that moved while they were to be armed */
	int error;
	char reason[600];
	uint64_t seq, begun_ns; /* when it began */
};

/* The names that are being verified: verify.h. */
struct hw_observation;
struct hw_verify {
	struct hw_observation *observation; /* owned; NULL: no round is active */
	struct hw_suspects names; /* of the observation */
	struct hw_suspects touched; /* named by records since they were examined */
	bool all_touched; /* some could not be noted */
	struct hw_mark mark;
	bool walk; /* a walk ends with this round */
	bool again; /* they have been examined a second time */
	uint64_t begun, ended; /* rounds */
	uint64_t follows; /* the round that verifies what the last one left open */
	uint64_t stuck_seq; /* the next event when the last round left names open and no record
			       was read since; 0: neither */
};

struct hw_listener {
	hw_share_ready_fn *fn;
	void *arg;
};

struct hw_share {
	struct hw_loop *loop; /* borrowed */
	char *name, *path; /* owned */
	uint64_t interval_ns, settle_ns, settle_max_ns;
	bool explicit_watcher;

	enum hw_share_state state;
	bool silent; /* changes go into the tree and not into the journal */
	uint64_t epoch;
	char why[1024];

	struct hw_tree tree;
	struct hw_disk disk;
	struct hw_mount_watch mounts;
	struct hw_filter filter;
	struct hw_journal journal;
	struct hw_watcher watchers[HW_WATCHERS_MAX]; /* places: entries name them by index */
	uint8_t order[HW_WATCHERS_MAX]; /* the candidates, best first */
	uint8_t order_count;

	struct hw_scan scan;
	struct hw_quiet quiet;
	struct hw_retry retry;
	struct hw_suspects suspects;
	struct hw_ids stale; /* to look at again at the end of the turn */
	struct hw_ids renamed; /* whose ctime changed, likewise */
	struct hw_ids modified; /* found with content by a listing: told after the creates */
	/* Found by listings of an observation of a settle window, which reports their changes. */
	struct hw_ids found_moved, found_files;
	struct hw_marks marks;
	struct hw_verify verify;
	uint64_t watcher_serial; /* the last one that was given */
	struct hw_timer *settle_timer, *root_timer; /* owned */
	struct hw_mark settle_mark; /* of the end of a settle window */
	bool settle_ending; /* waits for it */
	uint64_t settle_start_ns; /* loop time of the first hint that waits, 0: none */
	uint64_t settle_last_ns; /* of the last one */
	int64_t observe_since_ns; /* since_ns as it was then, 0: none waits */
	bool walking; /* directories are being listed */
	bool lost_while_arming;
	int root_error; /* why a root that reappeared cannot be opened, as it was logged */
	int64_t begun_ns; /* CLOCK_REALTIME_COARSE when it started */
	struct hw_timer *kick_timer; /* owned */
	int64_t since_ns; /* same clock: what was born before was found by the last observation */
	int64_t drained_ns; /* CLOCK_REALTIME_COARSE before the queues were last read to their end
			     */
	int64_t turn_ns; /* the same clock at the end of the last turn */
	int64_t drain_ns; /* when settle_mark was set */
	uint64_t turn_first_seq; /* the first number of this turn */
	uint64_t told_seq; /* what listeners were told */
	struct {
		uint64_t ino, turn;
		uint16_t fs;
	} modified_inode; /* modify is the last event of this turn about each of its names */
	uint32_t fill_budget; /* entries that may still be listed at once in this turn */
	uint32_t fill_depth;
	uint32_t attrib_dir; /* the last hint told the attributes of this directory by its name */
	int64_t fill_since_ns; /* birth of the directory that is being filled in place */
	bool observing;
	bool state_changed;
	hw_token audit; /* contradictions about directories were told in or below it: to be compared
			   when it is quiet */
	bool hinted; /* in this turn */
	struct hw_held held;
	struct hw_held_name phantom;
	struct hw_fold fold; /* of the settle window */
	struct hw_former former; /* names that lost their inode */
	struct hw_ids lost; /* directories in which a written file was never examined */
	uint64_t lost_ns; /* loop time of the first of them */
	struct hw_ids unsure; /* entries that are doubted, whatever their names are by then */
	struct hw_suspects spare_suspects; /* memory, while the others are observed at once */
	bool suspects_full; /* some were left out: a comparison of all follows */
	uint64_t swallow_from,
		swallow_to; /* names whose inverse move is part of an exchange that was told */

	struct hw_barrier *barriers; /* owned */
	struct hw_listener *listeners; /* owned */
	uint32_t listener_count;

	uint64_t rescans;
	uint64_t past_events, past_overflows; /* read by watchers that have been stopped */
	struct hw_switching switching;
	char path_a[HW_PATH_MAX + 1], path_b[HW_PATH_MAX + 1]; /* scratch of history.c */
	struct hw_last_path last_path; /* in path_a */
	uint64_t last_ino; /* of the file that was created last */
	char path_c[HW_PATH_MAX + HW_NAME_MAX + 2]; /* of hw_share_is_excluded() */
};

static inline bool hw_share_has_doubts(const struct hw_share *share)
{
	return share->suspects.count || share->unsure.count;
}

/* Makes sure that a turn ends. */
static inline void hw_share_kick(struct hw_share *share)
{
	if (share->kick_timer)
		hw_timer_set(share->kick_timer, 1);
}

/* share.c */
/* The first step of a start, and of a survey: opens the root and finds its watcher. As
 * hw_share_start(). */
int hw_share_open(struct hw_share *share);
void hw_share_set_state(struct hw_share *share, enum hw_share_state state);
bool hw_share_is_excluded(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			  bool is_dir);
void hw_share_check_root(struct hw_share *share);
/* The walk is over: nothing is queued and nothing in flight. */
void hw_share_walked(struct hw_share *share);
/* The names that it found have been verified. */
void hw_share_verified(struct hw_share *share);

/* watcher.c */
/* Births before it are not new to a walk that has ended. */
int64_t hw_watchers_since(const struct hw_share *share);
void hw_watchers_walked(struct hw_share *share);
/* Begins pending scans, unless directories are being listed or the share is not online. */
void hw_watchers_begin_scans(struct hw_share *share);
/* The kernel has something for one of them that was not read. */
bool hw_watchers_have_unread(const struct hw_share *share);
void hw_watchers_destroy(struct hw_share *share);
/* Gives an instance a place in the share; NULL when there is none. */
struct hw_watcher *hw_watcher_install(struct hw_share *share, struct hw_instance *instance);
void hw_watcher_destroy(struct hw_watcher *watcher);

/* switch.c */
/* At the end of a walk that armed everything anew: ends the switch, or the watchers that a root
 * which came back no longer needs. False: another walk has begun. */
bool hw_switch_walked(struct hw_share *share);
/* Reports that the share is being destroyed. */
void hw_switch_cancel(struct hw_share *share);

#endif
