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
/* A watcher reported that a writer closed the file: close_write, if it changed since the last one.
 * `seen`: this inode as it was examined after the hint was read, or NULL. */
void hw_quiet_closed(struct hw_share *share, uint32_t id, const struct hw_stat *seen);
/* Some file was closed, perhaps this one: close_write, if a lease shows that no writer has it. */
void hw_quiet_try(struct hw_share *share, uint32_t id);
/* A listing found a new file, which may have been closed before its directory was watched: tried at
 * the end of the turn. */
void hw_quiet_found(struct hw_share *share, uint32_t id);
/* At the end of a turn. The files that were found: a lease shows which of them no writer has open;
 * when the records that were queued by then have been read, modify and close_write of those which
 * no record was about. */
void hw_quiet_try_found(struct hw_share *share);
/* Checks every file that waits, now. */
void hw_quiet_flush(struct hw_share *share);

#endif
