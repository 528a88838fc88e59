/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds sinks that cannot run at the same time. Any thread. */
#ifndef HW_CONTEND_H
#define HW_CONTEND_H

#include "config.h"

/* Returns whether the two may use the same address: options with HW_OPTION_ADDRESS have a port or a
 * path in common, whatever precedes it. */
bool hw_sinks_contend(const struct hw_config_plugin *one, const struct hw_config_plugin *other);

#endif
