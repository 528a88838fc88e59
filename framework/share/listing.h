/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads a directory in the loop. scan.c reads those that can wait on the thread pool. */
#ifndef HW_LISTING_H
#define HW_LISTING_H

#include "list.h"
#include "share_private.h"

/* Reads an open directory on the filesystem `fs`, up to `max` entries or some more, and rests
 * meanwhile. */
void hw_share_list(struct hw_share *share, int fd, uint32_t max, uint16_t fs,
		   struct hw_listing *listing);

#endif
