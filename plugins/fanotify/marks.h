/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups and marks: the events that are requested from the kernel, and the meaning of its errors.
 * */
#ifndef HW_FANOTIFY_MARKS_H
#define HW_FANOTIFY_MARKS_H

#include "../common/limit.h"

#include <stdbool.h>

enum hw_mark_kind { HW_MARK_AUTO, HW_MARK_FILESYSTEM, HW_MARK_INODE }; /* choices of `mark` */

extern const struct hw_limit hw_mark_limit; /* the limit of marks */

/* Returns a new group, or -errno with the reason in fail(). */
int hw_group_create(const struct hw_host *host, void *ctx, bool unlimited_queue);

/*
 * Marks the directory, or its whole filesystem. `kind`: AUTO tries a filesystem mark first. Returns
 * the kind that was made; -errno with the reason in fail(). *ret_refused: the error for which AUTO
 * could not mark the filesystem, 0 if it did.
 */
int hw_mark_add(const struct hw_host *host, void *ctx, int group, int dirfd, enum hw_mark_kind kind,
		int *ret_refused);

/* Removes an inode mark. */
void hw_mark_remove(int group, int dirfd);

/* Returns the meaning of an error of a filesystem mark, in words. */
const char *hw_mark_refusal(int error);

#endif
