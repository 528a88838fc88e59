/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shares and sinks that one daemon runs, as its configuration describes them. Loop thread only.
 */
#ifndef HW_CORE_H
#define HW_CORE_H

#include "config.h"
#include "share.h"
#include "sink.h"

struct hw_core;

#define HW_DRAIN_MAX_NS                                                                            \
	(2 * HW_SEC) /* how long sinks may take to send what they hold when the daemon stops */

/* A core that runs nothing yet. file is the configuration's path. -ENOMEM. */
int hw_core_create(struct hw_loop *loop, const char *file, struct hw_core **ret);
/* Stops sinks, then shares, then frees. NULL is fine. */
void hw_core_destroy(struct hw_core *core);

/* For `hostwatch check`: reads the configuration and calls every plugin's open(), but watches
 * nothing. If there are no mistakes, hw_foresee() adds its lines to `warnings`, unless that is
 * NULL. Returns 0; -EINVAL with the mistakes in `errors`; -ENODEV if a share cannot start; -ENOENT
 * and the like if the file cannot be opened; -ENOMEM. */
int hw_core_check(struct hw_core *core, struct hw_errors *errors, struct hw_errors *warnings);

/* Reads the configuration of a core that has none. Errors as for hw_core_check(). */
int hw_core_load(struct hw_core *core, struct hw_errors *errors);
/* After hw_core_load(): starts what the configuration describes, and gives up the rights that no
 * plugin needs. The service manager is notified when every share is online. On failure nothing
 * runs. Errors as for hw_core_check(). */
int hw_core_start(struct hw_core *core, struct hw_errors *errors);

/* Reads the configuration again and applies the differences: shares and sinks whose description is
 * the same keep running. If the file has mistakes or something cannot start, nothing changes;
 * shares and sinks that were stopped before the failure are started again. Changes of plugin_path
 * and control, and settings that need rights which were given up, take effect at the next start. */
int hw_core_reload(struct hw_core *core, struct hw_errors *errors);
/* Returns whether the last reload found mistakes in the configuration, so that it did nothing. */
bool hw_core_refused(const struct hw_core *core);

/* Lets every sink send the events that it holds, for at most HW_DRAIN_MAX_NS, then stops the loop.
 */
void hw_core_drain(struct hw_core *core);

/* ---- what runs ---- */

const char *hw_core_file(const struct hw_core *core); /* of the configuration */
/* The one that runs, valid until the next reload. NULL before hw_core_load(). */
const struct hw_config *hw_core_config(const struct hw_core *core);
/* A line for each share, sink and receiver, at level info. */
void hw_core_log_state(struct hw_core *core);
struct hw_share *hw_core_share(const struct hw_core *core, size_t index); /* NULL after the last */
struct hw_sink *hw_core_sink(const struct hw_core *core, size_t index); /* NULL after the last */
struct hw_share *hw_core_find_share(const struct hw_core *core, const char *name);

#define HW_SWITCH_NAMES_MAX 300u /* bytes of a list of watchers */

struct hw_core_switched {
	const struct hw_switch_result *result;
	const char *from, *to; /* the watchers before and after, separated by ", " */
};
typedef void hw_core_switched_fn(void *arg, struct hw_share *share,
				 const struct hw_core_switched *switched);

struct hw_core_switch {
	struct hw_share *share;
	const char *watchers; /* names separated by commas, of the configuration or of plugins;
				 "auto" */
	const char *who; /* who requested it, for the log: "uid 0" */
	hw_core_switched_fn *done;
	void *arg;
};
/* Calls hw_share_switch() with watchers by their names. Logs the request and its outcome. If it
 * returns 0, done() is called once. Otherwise done() is not called, and the reasons are added to
 * `errors`. */
int hw_core_switch(struct hw_core *core, const struct hw_core_switch *request,
		   struct hw_errors *errors);

#endif
