/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Creates shares and sinks from a checked configuration, without starting them. Loop thread only.
 * */
#ifndef HW_BUILD_H
#define HW_BUILD_H

#include "config.h"
#include "share.h"
#include "sink.h"

/* Creates a share with its watchers. Adds mistakes to `errors`; a checked configuration has none.
 * Returns -EINVAL or -ENOMEM on failure. */
int hw_build_share(struct hw_loop *loop, const struct hw_config *config,
		   const struct hw_config_share *described, struct hw_errors *errors,
		   struct hw_share **ret);
/* Creates an instance of the share's n-th watcher, or of any watcher of the configuration. */
int hw_build_watcher(struct hw_loop *loop, const struct hw_config_share *share,
		     const struct hw_config_plugin *watcher, struct hw_errors *errors,
		     struct hw_instance **ret);
/* Returns the capabilities (1 << CAP_*) that a daemon with this configuration keeps. */
uint64_t hw_build_capabilities(const struct hw_config *config);
/* Creates a sink that serves these shares. */
int hw_build_sink(struct hw_loop *loop, const struct hw_config_plugin *described,
		  struct hw_share *const *shares, size_t count, struct hw_errors *errors,
		  struct hw_sink **ret);

/* Returns a text of all settings of a share or sink. If it is the same in a new configuration, no
 * restart is needed. Owned by the caller; NULL if memory is short. */
char *hw_build_share_signature(const struct hw_config *config, const struct hw_config_share *share);
char *hw_build_sink_signature(const struct hw_config *config, const struct hw_config_plugin *sink);

#endif
