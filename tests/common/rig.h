/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One share under one watcher in this process: the loop turns only when a function here is called.
 */
#ifndef HW_TESTS_RIG_H
#define HW_TESTS_RIG_H

#include "model.h"

#include "share.h"

struct hw_rig;

/* inotify, fanotify, fanotify-inode (fanotify with its option mark = inode), polling. */
extern const char *const hw_rig_backends[];
#define HW_RIG_BACKENDS 4u

/* A watcher that is not one of the built ones. All is borrowed until hw_rig_stop(). */
struct hw_rig_plugin {
	const struct hw_plugin *plugin; /* as hw_module_load() gives it */
	const struct hw_setting *settings; /* but `interval`, which the rig sets */
	size_t count; /* at most HW_RIG_SETTINGS_MAX */
};
#define HW_RIG_SETTINGS_MAX 64u

struct hw_rig_config {
	const char *backend; /* "inotify" */
	const struct hw_rig_plugin *plugin; /* NULL: the built one of that name */
	const char *root;
	const char *const *excludes; /* borrowed while hw_rig_start() runs */
	size_t exclude_count;
	uint64_t settle_ns;
	uint64_t interval_ns; /* quiet and scan interval; 0: so long that only hw_rig_flush() scans
			       */
	uint64_t journal_bytes; /* 0: 64 MiB */
};

/* Loads the plugin, starts the share, turns the loop until it is online. -EOPNOTSUPP: this watcher
 * cannot work here, and `why` says so. -ETIMEDOUT, -errno of the share. */
int hw_rig_start(const struct hw_rig_config *config, struct hw_rig **ret, const char **why);
void hw_rig_stop(struct hw_rig *rig); /* NULL is fine */

/* A barrier: turns the loop until the stream tells all that happened before. -ETIMEDOUT after 60 s.
 */
int hw_rig_flush(struct hw_rig *rig);
void hw_rig_turn(struct hw_rig *rig, unsigned timeout_ms);

/* 1 and the next event, 0 when there is none, -ESTALE when the journal overran. Its memory is valid
 * until the loop turns. */
int hw_rig_next(struct hw_rig *rig, struct hw_event *ret);

struct hw_share *hw_rig_share(struct hw_rig *rig);
/* Fills a model with what the share's own tree holds. */
int hw_rig_snapshot(struct hw_rig *rig, struct hw_model *model);

#endif
