/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capabilities of the process: only those that the plugins need. */
#ifndef HW_CAPABILITIES_H
#define HW_CAPABILITIES_H

#include <stdint.h>

/*
 * Drops all capabilities except those in the mask (1 << CAP_*), permanently: also from the bounding
 * set if that is permitted, and programs that it runs gain none. Capabilities belong to threads, so
 * call this before the thread pool is first used. Does nothing without privileges. Returns 0,
 * -EPERM and the like.
 */
int hw_capabilities_keep(uint64_t mask);

#endif
