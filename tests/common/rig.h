/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One share with one watcher in this process. The loop runs only while a function of this header is
 * called. */
#ifndef HW_TESTS_RIG_H
#define HW_TESTS_RIG_H

#include "model.h"

#include "share.h"

struct hw_rig;

/* inotify, fanotify, fanotify-inode (fanotify with the option mark = inode), polling. */
extern const char *const hw_rig_backends[];
#define HW_RIG_BACKENDS 4u

/* A watcher that is not built in. All members are borrowed until hw_rig_stop(). */
struct hw_rig_plugin {
	const struct hw_plugin *plugin; /* as returned by hw_module_load() */
	const struct hw_setting *settings; /* except `interval`, which the rig sets */
	size_t count; /* at most HW_RIG_SETTINGS_MAX */
};
#define HW_RIG_SETTINGS_MAX 64u

struct hw_rig_config {
	const char *backend; /* "inotify" */
	const struct hw_rig_plugin *plugin; /* NULL: the built-in watcher of that name */
	const char *root;
	const char *const *excludes; /* borrowed until hw_rig_start() returns */
	size_t exclude_count;
	uint64_t settle_ns;
	uint64_t interval_ns; /* quiet and scan interval; 0: so long that only hw_rig_flush()
			       * scans */
	uint64_t journal_bytes; /* 0: 64 MiB */
	const char *state_dir; /* where the state of the share is kept; NULL: nowhere */
	const char *state_log_dir; /* where its logs are; NULL: in state_dir */
};

/* Loads the plugin, starts the share, and runs the loop until the share is online. -EOPNOTSUPP:
 * this watcher cannot work here, see `why`. -ETIMEDOUT, or -errno of the share. */
int hw_rig_start(const struct hw_rig_config *config, struct hw_rig **ret, const char **why);
void hw_rig_stop(struct hw_rig *rig); /* NULL is allowed */

/* A barrier: runs the loop until all changes made before the call are reported. Returns -ETIMEDOUT
 * after one minute. */
int hw_rig_flush(struct hw_rig *rig);
void hw_rig_turn(struct hw_rig *rig, unsigned timeout_ms);

/* Returns 1 and the next event, 0 if there are no more, -ESTALE if the journal overran. The memory
 * of the event is valid until the loop runs again. */
int hw_rig_next(struct hw_rig *rig, struct hw_event *ret);

/* Returns the share. A work that rests is finished first, so that a test may call functions of the
 * share until the loop runs again. */
struct hw_share *hw_rig_share(struct hw_rig *rig);
/* Switches the share to another built-in watcher, and runs the loop until the switch has ended.
 * Returns as struct hw_switch_result, or -errno of hw_share_switch(). */
int hw_rig_switch(struct hw_rig *rig, const char *backend);
/* Returns how many directories of the tree have no watcher although nothing says that they are
 * tried again, or must not be entered. */
unsigned hw_rig_unwatched(struct hw_rig *rig);
/* Fills a model with the entries of the share's tree. */
int hw_rig_snapshot(struct hw_rig *rig, struct hw_model *model);

#endif
