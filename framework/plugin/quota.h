/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits of kernel objects that all programs of a user share (user_namespaces(7)): how many of them
 * are in use, and how many of the rest were given away here. Loop thread only.
 */
#ifndef HW_QUOTAS_H
#define HW_QUOTAS_H

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HW_QUOTAS_MAX 16u

/* Written by quota.c only. */
struct hw_quota {
	const char *name; /* static: of the sysctl */
	uint64_t max;
	uint64_t used; /* by programs of this user, as far as /proc shows */
	bool counted; /* used was counted in /proc */
	uint64_t claimed; /* given away by hw_quota_claim() */
	pid_t holder; /* the process with most of them, 0: none */
	uint64_t held; /* by this process */
	char holder_name[16];
};

/* All zero is empty. */
struct hw_quotas {
	struct hw_quota list[HW_QUOTAS_MAX];
	size_t count;
};

/* The limit that a watcher named. The objects in use are counted at the first call. NULL: none. */
struct hw_quota *hw_quotas_get(struct hw_quotas *quotas, const struct hw_watcher_cost *cost);
/* Takes `count` of those that are left; false, and takes none, if there are fewer. */
bool hw_quota_claim(struct hw_quota *quota, uint64_t count);
/* Neither in use nor claimed. */
uint64_t hw_quota_left(const struct hw_quota *quota);

#endif
