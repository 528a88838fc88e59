/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hw_share_flush(): waits until everything that happened before the call has been reported. */
#ifndef HW_BARRIER_H
#define HW_BARRIER_H

#include "share_private.h"

/* Called at the end of each iteration of the loop. */
void hw_barrier_advance(struct hw_share *share);
void hw_barrier_free(struct hw_share *share);

#endif
