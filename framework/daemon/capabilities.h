/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rights of the process: as few as the plugins need. */
#ifndef HW_CAPABILITIES_H
#define HW_CAPABILITIES_H

#include <stdint.h>

/*
 * Gives up every capability but those in the mask (1 << CAP_*) that it has, for good: the bounding
 * set too where that is allowed, and no program it runs gains any. Capabilities belong to threads,
 * so it must come before the thread pool is first used. Does nothing without privileges. -EPERM and
 * the like.
 */
int hw_capabilities_keep(uint64_t mask);

#endif
