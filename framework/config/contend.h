/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which sinks cannot run at the same time. Any thread. */
#ifndef HW_CONTEND_H
#define HW_CONTEND_H

#include "config.h"

/* Whether the two may want one address: they have a port or a path in common, whatever stands
 * before it, or one of them shows none. Only plugins know what their options mean: what looks like
 * an address is taken for one. */
bool hw_sinks_contend(const struct hw_config_plugin *one, const struct hw_config_plugin *other);

#endif
