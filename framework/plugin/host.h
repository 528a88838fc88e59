/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The services that plugins call. Each of them forwards to the module that does the work. */
#ifndef HW_HOST_H
#define HW_HOST_H

#include <hostwatch/plugin.h>

/* For open(); its ctx is the struct hw_instance. An instance without a watcher or sink, as in
 * `check` and `explain`, may call everything: its hints are discarded, and it has no shares. */
extern const struct hw_host hw_host_services;

#endif
