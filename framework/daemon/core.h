/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shares and sinks of one daemon, as described by its configuration. Loop thread only. */
#ifndef HW_CORE_H
#define HW_CORE_H

#include "config.h"
#include "share.h"
#include "sink.h"

struct hw_core;

#define HW_DRAIN_MAX_NS                                                                            \
	(2 * HW_SEC) /* how long sinks may take to send pending events when the daemon stops */

/* Creates a core without shares and sinks. file is the path of the configuration. Returns 0 or
 * -ENOMEM. */
int hw_core_create(struct hw_loop *loop, const char *file, struct hw_core **ret);
/* Stops sinks, then shares, then frees the core. Accepts NULL. */
void hw_core_destroy(struct hw_core *core);

/* Call before the start, in a process that does nothing else: hw_confine_daemon() is called when
 * capabilities are dropped, unless the configuration has landlock = no. */
void hw_core_confine(struct hw_core *core);

/* For `hostwatch check`: reads the configuration and calls every plugin's open(), but watches
 * nothing. If there are no mistakes, hw_foresee() adds its lines to `warnings`, unless that is
 * NULL. Returns 0; -EINVAL with the mistakes in `errors`; -ENODEV if a share cannot start; -ENOENT
 * and the like if the file cannot be opened; -ENOMEM. */
int hw_core_check(struct hw_core *core, struct hw_errors *errors, struct hw_errors *warnings);

/* Reads the configuration of a core that has none. Errors as for hw_core_check(). */
int hw_core_load(struct hw_core *core, struct hw_errors *errors);
/* After hw_core_load(): starts the shares and sinks of the configuration, and drops the
 * capabilities that no plugin needs. The service manager is notified when every share is online. On
 * failure, none of them runs. Errors as for hw_core_check(). */
int hw_core_start(struct hw_core *core, struct hw_errors *errors);

/* Reads the configuration again and applies the differences: shares and sinks whose description is
 * unchanged keep running. If the file has mistakes or a start fails, nothing changes; shares and
 * sinks that were stopped before the failure are started again. Changes of plugin_path and control,
 * and settings that need capabilities which were dropped, take effect at the next start. */
int hw_core_reload(struct hw_core *core, struct hw_errors *errors);
/* Returns whether the last reload found mistakes in the configuration, and therefore changed
 * nothing. */
bool hw_core_refused(const struct hw_core *core);

/* Lets every sink send its pending events, for at most HW_DRAIN_MAX_NS, then stops the loop. */
void hw_core_drain(struct hw_core *core);

/* ---- running shares and sinks ---- */

const char *hw_core_file(const struct hw_core *core); /* of the configuration */
/* Returns the active configuration, valid until the next reload. NULL before hw_core_load(). */
const struct hw_config *hw_core_config(const struct hw_core *core);
/* Logs a line for each share, sink and receiver, at level info. */
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
	const char *who; /* origin of the request, for the log: "uid 0" */
	hw_core_switched_fn *done;
	void *arg;
};
/* Calls hw_share_switch() with watchers by their names. Logs the request and its outcome. If it
 * returns 0, done() is called once. Otherwise done() is not called, and the reasons are added to
 * `errors`. */
int hw_core_switch(struct hw_core *core, const struct hw_core_switch *request,
		   struct hw_errors *errors);

#endif
