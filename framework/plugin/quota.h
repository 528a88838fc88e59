/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of kernel objects that all programs of a user share (user_namespaces(7)): counts the
 * objects in use, and assigns the rest. Loop thread only. */
#ifndef HW_QUOTAS_H
#define HW_QUOTAS_H

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HW_QUOTAS_MAX 16u

/* Written by quota.c only. */
struct hw_quota {
	const char *name; /* static: name of the sysctl */
	uint64_t max;
	uint64_t used; /* by programs of this user, as far as /proc shows them */
	bool counted; /* used was counted from /proc */
	uint64_t claimed; /* assigned by hw_quota_claim() */
	pid_t holder; /* the process that uses the most, 0: unknown */
	uint64_t held; /* used by the holder */
	char holder_name[16];
};

/* All zero: no limits. */
struct hw_quotas {
	struct hw_quota list[HW_QUOTAS_MAX];
	size_t count;
};

/* Returns the quota of the limit that a watcher reported, NULL if it reported none. The first call
 * counts the objects in use. */
struct hw_quota *hw_quotas_get(struct hw_quotas *quotas, const struct hw_watcher_cost *cost);
/* Claims `count` of the remaining objects. Returns false, and claims none, if fewer remain. */
bool hw_quota_claim(struct hw_quota *quota, uint64_t count);
/* Returns the number of objects that are neither in use nor claimed. */
uint64_t hw_quota_left(const struct hw_quota *quota);

#endif
