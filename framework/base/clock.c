/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock.h"

#include <time.h>

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t hw_now_coarse_ns(void)
{
	return now_ns(CLOCK_REALTIME_COARSE);
}

int64_t hw_now_cpu_ns(void)
{
	return now_ns(CLOCK_THREAD_CPUTIME_ID);
}
