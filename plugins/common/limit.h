/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel limits for one user, and error messages that say how to raise them. */
#ifndef HW_PLUGIN_LIMIT_H
#define HW_PLUGIN_LIMIT_H

#include <hostwatch/plugin.h>

/* A limit that the kernel applies twice: to a user namespace (user_namespaces(7)) and to the
 * machine. */
struct hw_limit {
	const char *object; /* "inotify watch" */
	const char *own, *global; /* the sysctls, as sysctl(8) names them */
};

/* Returns the smaller of the two limits and, in *ret_name, its sysctl (static). In a container, the
 * limit of the namespace is often the smaller one. Returns UINT64_MAX if neither can be read. */
uint64_t hw_limit_read(const struct hw_limit *limit, const char **ret_name);
/* Returns the limit for struct hw_watcher_cost: 0 if neither sysctl can be read. */
uint64_t hw_limit_cost(const struct hw_limit *limit, const char **ret_name);

/* Handles ENOSPC of a call that adds such an object: calls fail() with the remedy and returns its
 * result, -ENOSPC. */
int hw_limit_fail(const struct hw_host *host, void *ctx, const struct hw_limit *limit);
/* Handles EMFILE of a call that opens a descriptor of such an object. As hw_limit_fail(), but the
 * limit of open files is also a possible cause. */
int hw_limit_fail_open(const struct hw_host *host, void *ctx, const struct hw_limit *limit);

#endif
