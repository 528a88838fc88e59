/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of the kernel for one user, and the error messages that say how to raise them. */
#ifndef HW_PLUGIN_LIMIT_H
#define HW_PLUGIN_LIMIT_H

#include <hostwatch/plugin.h>

/* A limit that exists twice: of a user namespace (user_namespaces(7)) and of the machine. */
struct hw_limit {
	const char *object; /* "inotify watch" */
	const char *own, *global; /* the sysctls, as sysctl(8) names them */
};

/* The smaller of the two, which is often that of a container, and its sysctl (static). UINT64_MAX
 * when neither can be read. */
uint64_t hw_limit_read(const struct hw_limit *limit, const char **ret_name);
/* The same for struct hw_watcher_cost: 0 when neither can be read. */
uint64_t hw_limit_cost(const struct hw_limit *limit, const char **ret_name);

/* ENOSPC of a call that adds such an object. Calls fail() with the remedy, and returns its result,
 * -ENOSPC. */
int hw_limit_fail(const struct hw_host *host, void *ctx, const struct hw_limit *limit);
/* EMFILE of a call that makes a descriptor of such an object: as hw_limit_fail(), and the limit of
 * open files is the other possible cause. */
int hw_limit_fail_open(const struct hw_host *host, void *ctx, const struct hw_limit *limit);

#endif
