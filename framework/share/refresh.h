/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree's state of entries whose change was reported from a record alone. */
#ifndef HW_REFRESH_H
#define HW_REFRESH_H

#include "share_private.h"

/* At the end of an iteration of the loop, and of a flush: examines them, once each, and takes over
 * what they are now. */
void hw_refresh(struct hw_share *share);

#endif
