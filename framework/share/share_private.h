/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Internal interface of the parts of a share, each in its own file: arm (assigns directories to
 * watchers), list (reads a directory), scan (walks many directories), history (turns one change
 * into events), hint (handles hints), suspects and observe (turn many changes into their net
 * effect), verify and mark (prove differences), settle (settle windows), retry (tries failed
 * directories and names again), quiet (close_write without a close), share (start and end of a
 * share). Loop thread only, except list.h.
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
#include "root.h"
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
	uint64_t serial; /* unique among all watchers that the share ever had */
	enum hw_watcher_state state;
	uint64_t complaints; /* one bit for each error below 64 that was logged when it refused a
				directory */
	uint64_t directories; /* number of directories that it watches */
	hw_token *tops; /* owned: the top directories of its subtrees; may include stale ones */
	uint32_t top_count, top_room;
	int64_t polled_ns; /* CLOCK_REALTIME_COARSE when its last scan began */
	uint64_t scans_begun, scans_ended;
	bool comparing, lost_again; /* all its directories are being compared after a loss; another
				       loss requires one more comparison */
	bool scan_running; /* a scan that it requested has not ended */
	bool scan_pending; /* it requested another scan, which begins when no directory is being
			      listed */
	hw_token scan_dir; /* directory of the pending scan; HW_NO_DIR: the whole share */
	uint64_t scan_start_ns, scan_entries, scan_seq; /* when it began */
	int64_t scan_start_coarse_ns;
};

/* A directory that waits to be listed, or is being listed. */
struct hw_job;

struct hw_scan {
	struct hw_job *queue; /* owned list, last in first out */
	uint32_t queued, in_flight;
	struct hw_job *spare; /* owned list: jobs to use again */
	uint32_t spares;
	uint32_t opened; /* queued jobs that hold their directory open */
	struct hw_ids retry;
	uint64_t entries; /* examined in this walk */
	bool rearm; /* every listed directory is armed again, from the first candidate on */
	uint64_t rearmed; /* entries examined for rearm, without those of concurrent scans */
	struct hw_job *flying; /* owned list: jobs in the thread pool */
	int64_t since_ns; /* entries born before it were not created in the share: see observe.h */
};

/* Directories and names that could not be read: see retry.h. */
struct hw_retry_item;

struct hw_retry {
	hw_token *dirs; /* owned; for each item: the directory, or the directory of the name */
	struct hw_retry_item *items; /* owned; same count and room as dirs */
	uint32_t count, room;
	uint32_t hand; /* index at which the search for an item to drop begins */
	uint32_t left_out;
	uint64_t refusals; /* total number of items */
	uint64_t count_refusals; /* total number of failures, including repeated ones */
	uint64_t compared_ns; /* loop time of the last scan for dropped items */
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
	struct hw_ids found; /* found by listings; examined at the end of the iteration */
	struct hw_ids finished; /* found files that no writer had open: reported at the mark */
	struct hw_mark finished_mark;
	uint32_t finished_seq; /* the newest event when the mark was set */
	struct hw_ids refused; /* files that are perhaps being closed: tried again soon */
	struct hw_timer *retry; /* owned */
	unsigned retries; /* attempts since the last file was added */
};

/* A move onto a taken name, held until it is known whether it is half of an exchange. */
struct hw_held {
	hw_token dir, to_dir; /* dir 0: none is held */
	uint8_t len, to_len;
	char name[HW_NAME_MAX], to_name[HW_NAME_MAX];
};

/* A name that a hint reported as created and whose new entry was not found there, held until the
 * next hint. */
struct hw_held_name {
	hw_token dir; /* 0: none is held */
	struct hw_mark mark; /* valid if marked */
	bool marked;
	uint8_t len;
	char name[HW_NAME_MAX];
};

/* The path of the entry that the last event was about. Valid until a name changes. */
struct hw_last_path {
	uint32_t id; /* 0: none */
	uint32_t places; /* tree.places when the path was made */
	const char *bytes; /* borrowed */
	size_t len;
};

struct hw_barrier {
	struct hw_barrier *next;
	hw_share_flush_fn *done;
	void *arg;
	uint64_t scans[HW_WATCHERS_MAX]; /* number of ended scans to wait for, for each watcher */
	uint64_t round; /* round of verification to wait for, valid if counted */
	bool begun, counted;
	uint8_t retries; /* iterations in which it waited for retry.h */
};

/* A switch to other watchers. */
struct hw_switching {
	hw_share_switch_fn *done; /* NULL: none runs */
	void *arg;
	uint8_t old_order[HW_WATCHERS_MAX], old_order_count; /* restored if the switch fails */
	bool old_explicit;
	unsigned rounds; /* retries for directories that moved while they were to be armed */
	int error;
	char reason[600];
	uint64_t seq, begun_ns; /* when it began */
};

/* The rounds of verification: see verify.h. */
struct hw_observation;
struct hw_verify {
	struct hw_observation *observation; /* owned; NULL: no round is active */
	struct hw_suspects names; /* the names of the observation */
	struct hw_suspects touched; /* names that records were about since they were examined */
	bool all_touched; /* touched is incomplete: treat all names as touched */
	struct hw_mark mark;
	bool walk; /* a walk ends with this round */
	bool again; /* the names have been examined a second time */
	uint64_t begun, ended; /* numbers of rounds */
	uint64_t follows; /* the round that verifies the names which the last one left unverified */
	uint64_t stuck_seq; /* next sequence number when the last round left names unverified, if no
			       record was read since; otherwise 0 */
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
	bool silent; /* changes are made in the tree and not reported */
	uint64_t epoch;
	char why[1024];

	struct hw_tree tree;
	struct hw_disk disk;
	struct hw_root_path root;
	struct hw_mount_watch mounts;
	struct hw_filter filter;
	struct hw_journal journal;
	struct hw_watcher watchers[HW_WATCHERS_MAX]; /* entries refer to them by index */
	uint8_t order[HW_WATCHERS_MAX]; /* the candidates, best first */
	uint8_t order_count;

	struct hw_scan scan;
	struct hw_quiet quiet;
	struct hw_retry retry;
	struct hw_suspects suspects;
	struct hw_ids stale; /* entries to examine at the end of the iteration */
	struct hw_ids renamed; /* exchanged entries whose ctime changed, likewise */
	struct hw_ids modified; /* files that a listing found with content: modify is reported after
				   the creates */
	/* Entries found by listings during an observation of a settle window, which reports their
	 * changes. */
	struct hw_ids found_moved, found_files;
	struct hw_marks marks;
	struct hw_verify verify;
	uint64_t watcher_serial; /* serial of the newest watcher */
	struct hw_timer *settle_timer, *root_timer; /* owned */
	struct hw_mark settle_mark; /* mark at the end of a settle window */
	bool settle_ending; /* the end of the window waits for settle_mark */
	uint64_t settle_start_ns; /* loop time of the first waiting hint; 0: no hint waits */
	uint64_t settle_last_ns; /* loop time of the last one */
	int64_t observe_since_ns; /* since_ns when the first waiting name was noted; 0: none */
	bool walking; /* directories are being listed */
	bool lost_while_arming;
	int root_error; /* why a root that reappeared cannot be opened, as it was logged */
	int64_t begun_ns; /* CLOCK_REALTIME_COARSE when it started */
	struct hw_timer *kick_timer; /* owned */
	int64_t since_ns; /* same clock: the last observation found all entries that were born
			     before */
	int64_t drained_ns; /* the same clock before the queues were last read to their end */
	int64_t turn_ns; /* the same clock at the end of the last iteration */
	int64_t drain_ns; /* when settle_mark was set */
	uint64_t turn_first_seq; /* first sequence number of this iteration */
	uint64_t told_seq; /* last sequence number that listeners were notified of */
	struct {
		uint64_t ino, turn;
		uint16_t fs;
	} modified_inode; /* in this iteration, modify is the last event about each name of this
			     inode */
	uint32_t fill_budget; /* entries that may still be listed at once in this iteration */
	uint32_t fill_depth;
	uint32_t attrib_dir; /* directory whose attrib was the last hint, by its name; 0: none */
	int64_t fill_since_ns; /* birth time of the directory that is being listed at once */
	bool observing;
	bool state_changed;
	hw_token audit; /* hints about directories contradicted each other in or below it: to be
			   compared when no hints arrive */
	bool hinted; /* a hint arrived in this iteration */
	struct hw_held held;
	struct hw_held_name phantom;
	struct hw_fold fold; /* the facts of the settle window */
	struct hw_former former; /* names that lost their inode */
	struct hw_ids lost; /* directories in which a written file was never examined */
	uint64_t lost_ns; /* loop time when the first one was added */
	struct hw_ids unsure; /* unverified entries, under whatever name they have when they are
				 examined */
	struct hw_suspects spare_suspects; /* spare memory: see hw_observe() */
	bool suspects_full; /* names were dropped: a scan of the share follows */
	uint64_t swallow_from, swallow_to; /* entries whose inverse move is dropped */

	struct hw_barrier *barriers; /* owned */
	struct hw_listener *listeners; /* owned */
	uint32_t listener_count;

	uint64_t rescans;
	uint64_t past_events, past_overflows; /* counted by watchers that have been stopped */
	struct hw_switching switching;
	char path_a[HW_PATH_MAX + 1], path_b[HW_PATH_MAX + 1]; /* scratch of history.c */
	struct hw_last_path last_path; /* in path_a */
	uint64_t last_ino; /* inode number of the file that was created last */
	char path_c[HW_PATH_MAX + HW_NAME_MAX + 2]; /* scratch */
};

static inline bool hw_share_has_doubts(const struct hw_share *share)
{
	return share->suspects.count || share->unsure.count;
}

/* Makes sure that the loop runs another iteration. */
static inline void hw_share_kick(struct hw_share *share)
{
	if (share->kick_timer)
		hw_timer_set(share->kick_timer, 1);
}

/* share.c */
/* The first step of a start, and of a survey: opens the root and chooses its watcher. Returns as
 * hw_share_start(). */
int hw_share_open(struct hw_share *share);
void hw_share_set_state(struct hw_share *share, enum hw_share_state state);
bool hw_share_is_excluded(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			  bool is_dir);
void hw_share_check_root(struct hw_share *share);
/* Called when the walk has ended: nothing is queued or being listed. */
void hw_share_walked(struct hw_share *share);
/* Called when the names that the walk found have been verified. */
void hw_share_verified(struct hw_share *share);

/* watcher.c */
/* Returns a time: entries that were born before it are not new to a walk that has ended. */
int64_t hw_watchers_since(const struct hw_share *share);
void hw_watchers_walked(struct hw_share *share);
/* Begins pending scans, unless directories are being listed or the share is not online. */
void hw_watchers_begin_scans(struct hw_share *share);
/* Returns whether the kernel has unread records for a watcher. */
bool hw_watchers_have_unread(const struct hw_share *share);
void hw_watchers_destroy(struct hw_share *share);
/* Adds an instance to the share as a watcher; NULL if all places are taken. */
struct hw_watcher *hw_watcher_install(struct hw_share *share, struct hw_instance *instance);
void hw_watcher_destroy(struct hw_watcher *watcher);

/* switch.c */
/* Called at the end of a walk that armed everything again: ends the switch, or destroys the
 * watchers that a root which reappeared no longer needs. Returns false if another walk has
 * begun. */
bool hw_switch_walked(struct hw_share *share);
/* Reports that the share is being destroyed. */
void hw_switch_cancel(struct hw_share *share);

#endif
