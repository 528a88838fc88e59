/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Updates entries whose change was reported from a record alone. */
#ifndef HW_REFRESH_H
#define HW_REFRESH_H

#include "share_private.h"

/* Call it at the end of an iteration of the loop, and of a flush: examines each of these entries
 * once and updates the tree. */
void hw_refresh(struct hw_share *share);

#endif
