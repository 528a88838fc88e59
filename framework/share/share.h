/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A share: a directory of the host, its watchers, its tree and its journal. Loop thread only. */
#ifndef HW_SHARE_H
#define HW_SHARE_H

#include "instance.h"
#include "loop.h"
#include <hostwatch/event.h>
#include <hostwatch/plugin.h>
#include <stdbool.h>

struct hw_share;

/* How a share is watched. Pointers are borrowed until hw_share_create() returns, unless noted
 * otherwise. */
struct hw_share_config {
	const char *name; /* [A-Za-z0-9._-]{1,64} */
	const char
		*path; /* path of the root; symbolic links in it are followed at the start only */
	const char *const *excludes; /* gitignore-like patterns, see <hostwatch/filter.h> */
	size_t exclude_count;
	uint64_t interval_ns; /* until a file is idle, and between checks of the root; 0: 1 s */
	uint64_t settle_ns; /* 0: off */
	uint64_t settle_max_ns; /* longest wait under steady load; 0: 10 times settle_ns */
	uint64_t journal_bytes; /* size of the ring; 0: 16 MiB */
	const char *state_dir; /* where its state is kept; NULL or "": nowhere */
	const char
		*state_log_dir; /* where the log of the state is, in memory; set with state_dir */
	bool pseudo; /* enters filesystems whose content the kernel makes: see pseudo.h */
	bool explicit_watcher; /* the user named the first watcher: the status says so in `why` */
};

/* Creates a share that does nothing yet. Returns -EINVAL with a log line for an invalid pattern,
 * -ENOMEM. */
int hw_share_create(struct hw_loop *loop, const struct hw_share_config *config,
		    struct hw_share **ret);

/*
 * Adds a watcher to the list of candidates, best first: a directory gets the first one whose
 * probe() succeeds on its filesystem; where a watcher gives up a subtree, the next one takes it.
 * Takes the instance (NEW), and opens and starts it when the share starts; one that fails then is
 * skipped, and the reason is kept for `why`.
 */
int hw_share_add_watcher(struct hw_share *share, struct hw_instance *instance);

/* Starts to watch and to arm. Returns once the root is open; arming continues in the loop until the
 * state is ONLINE. -ENOENT, -ENOTDIR, -EACCES about the root; -ENODEV if no watcher can watch it:
 * the status then says why, with the path and a remedy. If the filesystem does not answer for a
 * moment, returns 0: the share starts when it answers, and an error is logged. */
int hw_share_start(struct hw_share *share);
/* While a filesystem does not answer, memory and watches stay until it does. NULL is allowed. */
void hw_share_destroy(struct hw_share *share);

/* Returns whether the directory at this path in the share, or one above it, is excluded. */
bool hw_share_excludes(const struct hw_share *share, const char *path, size_t len);

/* Returns whether a new share of this description would start with another directory: symbolic
 * links in its path lead elsewhere now, or its root was replaced by a directory that is refused. */
bool hw_share_is_elsewhere(struct hw_share *share);
/* For how long a filesystem of the share has not answered; 0: it answers. All work of the share
 * waits for it. */
uint64_t hw_share_silent_ns(const struct hw_share *share);

/*
 * Starts a barrier: every watcher passes on the records that are queued, a settle window ends,
 * every file that waits for the idle interval is examined, and scans run. done() is called on the
 * loop when everything that happened before the call has been reported. Several may run. -ENOMEM.
 * No callback of this header may destroy the share. Barriers that are pending when it is destroyed
 * get the error -ECANCELED, and may not start another one. -ENOMEM: memory is still short after
 * several attempts, and changes have not been reported. Otherwise error is 0.
 */
typedef void hw_share_flush_fn(void *arg, struct hw_share *share, int error, uint64_t seq);
int hw_share_flush(struct hw_share *share, hw_share_flush_fn *done, void *arg);

/* The outcome of a switch. */
struct hw_switch_result {
	int error; /* 0; -ECANCELED: the share is being destroyed; another one: why the new
		      watchers cannot watch all of it; the old ones continue */
	const char *reason; /* for the errors of the last kind; otherwise "" */
	uint64_t entries; /* compared with the disk */
	uint64_t events; /* events reported meanwhile: differences, and changes made meanwhile */
	uint64_t elapsed_ns;
};
typedef void hw_share_switch_fn(void *arg, struct hw_share *share,
				const struct hw_switch_result *result);

struct hw_switch {
	struct hw_instance *const *instances; /* as hw_share_add_watcher() takes them, best first */
	size_t count;
	bool automatic; /* the user did not name them: the status says so in `why` */
	hw_share_switch_fn *done;
	void *arg;
};
/*
 * Arms new watchers for the whole share, compares it with the disk, then stops the old ones.
 * Receivers do not notice it. If it returns 0, the instances belong to the share, and done() is
 * called once. Otherwise done() is never called, the caller keeps the instances, and the old
 * watchers continue: -EBUSY while the share is not online or another switch runs; -EAGAIN while a
 * filesystem of it does not answer; -E2BIG; or the
 * reason why none of the new watchers can watch the root, with a text in each instance.
 */
int hw_share_switch(struct hw_share *share, const struct hw_switch *to);

/* Listeners are called at the end of an iteration in which events were appended, or the state or
 * epoch changed. */
typedef void hw_share_ready_fn(void *arg, struct hw_share *share);
int hw_share_listen(struct hw_share *share, hw_share_ready_fn *fn, void *arg);
void hw_share_unlisten(struct hw_share *share, hw_share_ready_fn *fn, void *arg);

/* ---- status ---- */

#define HW_WATCHERS_MAX 8u /* per share */

/* A running watcher of a share. */
struct hw_share_watcher {
	const char *name; /* borrowed: name of the section or the plugin */
	const char *plugin; /* borrowed */
	uint64_t directories; /* directories that it watches */
	uint64_t watches; /* kernel objects: watches or marks */
	uint64_t kernel_events; /* records read from the kernel */
	uint64_t overflows; /* number of overflows */
};

struct hw_share_status {
	const char *name, *path; /* borrowed from the share */
	enum hw_share_state state;
	const char *backend; /* the name of the root's watcher; "" before start */
	struct hw_share_watcher watchers[HW_WATCHERS_MAX]; /* running watchers, best first */
	size_t watcher_count;
	const char *why; /* why this backend: "as requested", "best available", or the reasons
			    against better ones */
	uint64_t epoch, seq;
	uint64_t entries, directories;
	uint64_t armed; /* directories armed so far, while arming */
	uint64_t watches; /* watches or marks held by all watchers */
	uint64_t kernel_events, overflows; /* of all watchers, also those that were switched away */
	uint64_t rescans; /* scans after events were lost */
	uint64_t retrying; /* directories and names that could not be read and are tried again */
	uint64_t refusals; /* total number of such failures */
	uint64_t silent_since_ns; /* CLOCK_REALTIME since when a filesystem of it does not answer;
				   * 0: it answers */
	uint64_t short_since_ns; /* CLOCK_REALTIME since when memory is short; 0: it is not */
	uint64_t tree_bytes; /* memory of the tree */
	uint64_t journal_bytes; /* memory of the journal */
	uint64_t kept_bytes; /* of the files of its state; 0: none is kept */
	uint64_t kept_ns; /* CLOCK_REALTIME of the snapshot on the disk; 0: none was written yet */
	const char *not_kept; /* borrowed: why none is kept although there is a directory; "" */
};
void hw_share_get_status(struct hw_share *share, struct hw_share_status *ret);
const char *hw_share_name(const struct hw_share *share);
/* The path of the root without symbolic links; NULL if it was never found. Valid until the share
 * changes its state. */
const char *hw_share_root_path(const struct hw_share *share);
/* Returns whether system calls about entries of the share may never return. */
bool hw_share_may_hang(const struct hw_share *share);

/* ---- the journal, for readers in this process (sink.c, watch) ---- */

struct hw_journal_cursor {
	uint64_t seq; /* sequence number of the last event read */
	uint64_t offset; /* private to journal.c */
};
enum hw_share_state hw_share_state(const struct hw_share *share);
const char *hw_share_state_name(enum hw_share_state state); /* "online" */
uint64_t hw_share_epoch(const struct hw_share *share);
uint64_t hw_share_seq(const struct hw_share *share);
/* Returns how many events follow event `after`: numbers that were skipped are not counted. */
uint64_t hw_share_count_after(const struct hw_share *share, uint64_t after);
/* The oldest event after which a cursor can be placed. */
uint64_t hw_share_oldest(const struct hw_share *share);
/* Places a cursor after event `after`; -ESTALE if the journal does not hold the events that
 * follow. */
int hw_share_cursor_init(const struct hw_share *share, uint64_t after,
			 struct hw_journal_cursor *cursor);
/* Returns 1 and the next event, 0 if there is none yet, or -ESTALE. The memory of the event is
 * valid until the next iteration of the loop. */
int hw_share_cursor_next(const struct hw_share *share, struct hw_journal_cursor *cursor,
			 struct hw_event *ret);

/* Makes the newest event readable: hw_share_seq() then agrees with the tree. 0; -EAGAIN: it waits
 * for the disk, and listeners are notified when it is readable. */
int hw_share_publish(struct hw_share *share);
/* Passes every entry of the tree except the root to fn, as a create event with seq 0: parents
 * first, siblings in byte order. An error of fn ends the walk and is returned. */
typedef int hw_share_entry_fn(void *arg, const struct hw_event *event);
int hw_share_entries(struct hw_share *share, hw_share_entry_fn *fn, void *arg);

#endif
