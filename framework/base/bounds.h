/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits that the configuration is checked against and that the core applies. */
#ifndef HW_BOUNDS_H
#define HW_BOUNDS_H

#include <stdint.h>

/* Size of a journal in bytes. The minimum has room for several of the longest events. */
#define HW_JOURNAL_MIN (UINT64_C(1) << 20)
#define HW_JOURNAL_MAX (UINT64_C(1) << 36)

#endif
