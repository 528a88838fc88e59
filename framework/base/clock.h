/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include <stdint.h>

int64_t hw_now_coarse_ns(void); /* CLOCK_REALTIME_COARSE: the clock of file times */
int64_t hw_now_cpu_ns(void); /* CLOCK_THREAD_CPUTIME_ID: CPU time of the calling thread */

#endif
