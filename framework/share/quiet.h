/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * close_write: a file whose data changed is finished when nobody has it open for writing. A close
 * that the kernel tells is checked at once; a file without one is checked when it has not changed
 * for the share's interval.
 */
#ifndef HW_QUIET_H
#define HW_QUIET_H

#include "share_private.h"

int hw_quiet_init(struct hw_share *share);
void hw_quiet_free(struct hw_share *share);
/* The file became DIRTY: check it after the interval. */
void hw_quiet_add(struct hw_share *share, uint32_t id);
/* The kernel told a close after writing. */
void hw_quiet_closed(struct hw_share *share, uint32_t id);
/* The same, of a file that was looked at after the hint of the close was read: what it became since
 * is told by hints that are still to come. `seen`: this very inode, or NULL. */
void hw_quiet_closed_as_seen(struct hw_share *share, uint32_t id, const struct hw_stat *seen);
/* Checks every file that waits, now. */
void hw_quiet_flush(struct hw_share *share);

#endif
