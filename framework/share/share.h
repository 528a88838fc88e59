/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A share: one directory of the host, the watchers that look after it, the tree that knows it, the
 * journal that tells of it. Loop thread only.
 */
#ifndef HW_SHARE_H
#define HW_SHARE_H

#include "instance.h"
#include "loop.h"
#include <hostwatch/event.h>
#include <hostwatch/plugin.h>
#include <stdbool.h>

struct hw_share;

/* How a share is watched. Pointers are borrowed until hw_share_create() returns, except where said.
 */
struct hw_share_config {
	const char *name; /* [A-Za-z0-9._-]{1,64} */
	const char *path; /* of the root; a symlink is followed here and nowhere else */
	const char *const *excludes; /* gitignore-like patterns, see filter.h */
	size_t exclude_count;
	uint64_t interval_ns; /* quiet interval (rule 8) and root check; 1 s */
	uint64_t settle_ns; /* 0: off */
	uint64_t settle_max_ns; /* longest wait under steady load; 0: 10 x settle_ns */
	uint64_t journal_bytes; /* of the ring; 16 MiB */
	bool explicit_watcher; /* the user named the first watcher: why says so */
};

/* Makes a share that does nothing yet. -EINVAL with a log line for a bad pattern, -ENOMEM. */
int hw_share_create(struct hw_loop *loop, const struct hw_share_config *config,
		    struct hw_share **ret);

/*
 * Adds a watcher to the list of candidates, best first: a directory goes to the first one whose
 * probe() succeeds on its filesystem; where a watcher gives a subtree up, the next one takes it.
 * Takes the instance (NEW), opens and starts it when the share starts; one that fails then is
 * skipped, with its reason kept for `why`.
 */
int hw_share_add_watcher(struct hw_share *share, struct hw_instance *instance);

/* Starts to watch and to arm. Returns once the root is open; arming goes on in the loop until the
 * state is ONLINE. -ENOENT, -ENOTDIR, -EACCES about the root; -ENODEV when no watcher can watch it
 * : the
 * status then says why, with the path and a remedy. */
int hw_share_start(struct hw_share *share);
void hw_share_destroy(struct hw_share *share); /* NULL is fine */

/* A barrier. Begins: every watcher hands over what the kernel has, what settles settles at once,
 * every file whose close_write waits for the quiet interval is tried at once, scans run. done() is
 * called on the loop when the stream tells all that happened before the call. Several may run.
 * -ENOMEM. No callback of this header may destroy the share. Those that still wait when it is
 * destroyed are called then with the error -ECANCELED, and may not begin another. Else error is 0.
 */
typedef void hw_share_flush_fn(void *arg, struct hw_share *share, int error, uint64_t seq);
int hw_share_flush(struct hw_share *share, hw_share_flush_fn *done, void *arg);

/* The outcome of a switch. */
struct hw_switch_result {
	int error; /* 0; -ENOSPC: the new watchers cannot watch all of it, the old ones go on;
		      -ECANCELED: the share is being destroyed */
	const char *reason; /* of -ENOSPC; "" */
	uint64_t entries; /* compared with the disk */
	uint64_t events; /* reported meanwhile: differences, and changes made meanwhile */
	uint64_t elapsed_ns;
};
typedef void hw_share_switch_fn(void *arg, struct hw_share *share,
				const struct hw_switch_result *result);

struct hw_switch {
	struct hw_instance *const *instances; /* as hw_share_add_watcher() takes them, best first */
	size_t count;
	bool automatic; /* nobody named them: why says so */
	hw_share_switch_fn *done;
	void *arg;
};
/*
 * Arms new watchers for the whole share, compares with the disk, then stops the old ones. Receivers
 * notice nothing. When it returns 0, the instances belong to the share, and done() is called once.
 * Otherwise it is never called, the instances stay the caller's, and the old watchers go on: -EBUSY
 * while the share is not online or another switch runs; -E2BIG; or why none of the new ones can
 * watch the root, with the reason in each instance.
 */
int hw_share_switch(struct hw_share *share, const struct hw_switch *to);

/* Listeners are told after a turn in which events were appended, or the state or epoch changed. */
typedef void hw_share_ready_fn(void *arg, struct hw_share *share);
int hw_share_listen(struct hw_share *share, hw_share_ready_fn *fn, void *arg);
void hw_share_unlisten(struct hw_share *share, hw_share_ready_fn *fn, void *arg);

/* ---- what status shows ---- */

#define HW_WATCHERS_MAX 8u /* of a share */

/* A watcher that runs for a share. */
struct hw_share_watcher {
	const char *name; /* borrowed: of the section or the plugin */
	const char *plugin; /* borrowed */
	uint64_t directories; /* it looks after */
	uint64_t watches; /* kernel objects: watches or marks */
	uint64_t kernel_events; /* records read from the kernel */
	uint64_t overflows; /* times the kernel lost events */
};

struct hw_share_status {
	const char *name, *path; /* borrowed from the share */
	enum hw_share_state state;
	const char *backend; /* the name of the root's watcher; "" before start */
	struct hw_share_watcher watchers[HW_WATCHERS_MAX]; /* at work, best first */
	size_t watcher_count;
	const char *why; /* "named in the configuration", or what kept others from it */
	uint64_t epoch, seq;
	uint64_t entries, directories;
	uint64_t armed; /* directories armed so far, while arming */
	uint64_t watches; /* of all watchers: watches or marks held */
	uint64_t kernel_events, overflows; /* of all, also of those that were switched away */
	uint64_t rescans; /* comparisons with the disk after a loss */
	uint64_t retrying; /* directories and names that cannot be read and are tried again */
	uint64_t refusals; /* of them, ever since it started */
	uint64_t tree_bytes; /* memory of the tree */
	uint64_t journal_bytes; /* memory of the journal */
};
void hw_share_get_status(struct hw_share *share, struct hw_share_status *ret);
const char *hw_share_name(const struct hw_share *share);

/* ---- the journal, for readers in this process (sink.c, watch) ---- */

struct hw_journal_cursor {
	uint64_t seq; /* of the last event read */
	uint64_t offset; /* private to journal.c */
};
enum hw_share_state hw_share_state(const struct hw_share *share);
const char *hw_share_state_name(enum hw_share_state state); /* "online" */
uint64_t hw_share_epoch(const struct hw_share *share);
uint64_t hw_share_seq(const struct hw_share *share);
/* The oldest event that the journal holds; when it holds none, the next one. */
uint64_t hw_share_first_seq(const struct hw_share *share);
/* Behind event `after`; -ESTALE when the journal does not hold what follows it. */
int hw_share_cursor_init(const struct hw_share *share, uint64_t after,
			 struct hw_journal_cursor *cursor);
/* 1 and the event, 0 when there is none yet, -ESTALE. The event's memory is valid until the loop
 * turns. */
int hw_share_cursor_next(const struct hw_share *share, struct hw_journal_cursor *cursor,
			 struct hw_event *ret);

/* Every entry of the tree but the root as a create event with seq 0, parents first, siblings in
 * byte order. fn returns 0 or an error that ends the walk and is returned. */
typedef int hw_share_entry_fn(void *arg, const struct hw_event *event);
int hw_share_entries(struct hw_share *share, hw_share_entry_fn *fn, void *arg);

#endif
