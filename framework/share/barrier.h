/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hw_share_flush(): waits until the stream tells everything that happened before the call. */
#ifndef HW_BARRIER_H
#define HW_BARRIER_H

#include "share_private.h"

/* At the end of a turn. */
void hw_barrier_advance(struct hw_share *share);
void hw_barrier_free(struct hw_share *share);

#endif
