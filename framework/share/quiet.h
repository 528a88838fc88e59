/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * close_write: reported when no writer has a changed file open any more. A close that the kernel
 * reports is believed; a file whose close no watcher reports is examined when it has not changed
 * for the share's interval.
 */
#ifndef HW_QUIET_H
#define HW_QUIET_H

#include "share_private.h"

int hw_quiet_init(struct hw_share *share);
void hw_quiet_free(struct hw_share *share);
/* The file became DIRTY: examine it after the interval. */
void hw_quiet_add(struct hw_share *share, uint32_t id);
/* A watcher reported that a writer closed the file: reports close_write if it changed since the
 * last one. `seen`: its inode, examined after the hint was read, or NULL. */
void hw_quiet_closed(struct hw_share *share, uint32_t id, const struct hw_stat *seen);
/* A file was closed, perhaps this one: reports close_write if a lease shows that no writer has it
 * open. */
void hw_quiet_try(struct hw_share *share, uint32_t id);
/* A listing found a new file, which may have been closed before its directory was watched: it is
 * examined at the end of the iteration. */
void hw_quiet_found(struct hw_share *share, uint32_t id);
/* Call it at the end of each iteration of the loop. A lease shows which of the found files no
 * writer has open. When the records that were queued at that point have been read, modify and
 * close_write are reported for those files which no record was about. */
void hw_quiet_try_found(struct hw_share *share);
/* Examines every waiting file now. */
void hw_quiet_flush(struct hw_share *share);

#endif
