/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits that the configuration is checked against and that the core applies. */
#ifndef HW_BOUNDS_H
#define HW_BOUNDS_H

#include <stdint.h>

/* Size of a journal in bytes. The minimum has room for several of the longest events. */
#define HW_JOURNAL_MIN (UINT64_C(1) << 20)
#define HW_JOURNAL_MAX (UINT64_C(1) << 36)

/* Between two scans of the polling watcher, in nanoseconds: 10 ms to 1 h. The plugin, which sees
 * only the public headers, has the same range. */
#define HW_INTERVAL_MIN_NS UINT64_C(10000000)
#define HW_INTERVAL_MAX_NS UINT64_C(3600000000000)

#endif
