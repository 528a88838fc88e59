/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>

int hw_capabilities_keep(uint64_t mask)
{
	uint64_t keep = 0;

	if (capng_get_caps_process() < 0)
		return -EPERM;
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
		return 0;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP && cap < 64; cap++) {
		if ((mask >> cap & 1) && capng_have_capability(CAPNG_PERMITTED, cap))
			keep |= UINT64_C(1) << cap;
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned cap = 0; cap < 64; cap++) {
		if (keep >> cap & 1)
			(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	}
	/* Changing the bounding set needs CAP_SETPCAP, which containers often lack. */
	if (capng_apply(CAPNG_SELECT_BOTH) < 0 && capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
