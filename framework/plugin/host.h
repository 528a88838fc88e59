/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The services that plugins call. Every one of them forwards to the noun that does the work. */
#ifndef HW_HOST_H
#define HW_HOST_H

#include <hostwatch/plugin.h>

/* For open(); its ctx is the struct hw_instance. An instance without a watcher or sink behind it,
 * as `check` and `explain` make them, may call everything: hints go nowhere, there are no shares.
 */
extern const struct hw_host hw_host_services;

#endif
