/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watchers of a share: their state, their scans, and how they are added and removed. */
#ifndef HW_WATCHERS_H
#define HW_WATCHERS_H

#include "share.h"
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
	bool tops_lost; /* out of memory: its scans begin at the root */
	int64_t polled_ns; /* CLOCK_REALTIME_COARSE when its last scan began */
	uint64_t scans_begun, scans_ended;
	bool comparing; /* all its directories, after a loss */
	int64_t lost_again_ns; /* another loss requires one more comparison: as scan.lost_ns */
	bool scan_running; /* a scan that it requested has not ended */
	bool scan_pending; /* it requested another scan, which begins when no directory is being
			      listed */
	hw_token scan_dir; /* directory of the pending scan; HW_NO_DIR: the whole share */
	uint64_t scan_start_ns, scan_entries, scan_seq, scan_cpu_ns; /* when it began */
	int64_t scan_start_coarse_ns;
	struct hw_watcher_stats stats; /* of the last time that they were asked for */
};

struct hw_watchers {
	struct hw_watcher list[HW_WATCHERS_MAX]; /* entries refer to them by index */
	const struct hw_watcher_services *services; /* of the share, for its watchers */
	uint8_t order[HW_WATCHERS_MAX]; /* the candidates, best first */
	uint8_t order_count;
	bool named; /* the user named the first watcher */
	uint64_t serial; /* of the newest watcher */
	uint64_t past_events, past_overflows; /* counted by watchers that have been stopped */
};

/* watcher.c */
void hw_watchers_init(struct hw_share *share);
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

#endif
