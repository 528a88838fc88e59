/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups and marks: what the kernel is asked to tell, and what an error of it means. */
#ifndef HW_FANOTIFY_MARKS_H
#define HW_FANOTIFY_MARKS_H

#include "../common/limit.h"

#include <stdbool.h>

enum hw_mark_kind { HW_MARK_AUTO, HW_MARK_FILESYSTEM, HW_MARK_INODE }; /* choices of `mark` */

extern const struct hw_limit hw_mark_limit; /* of marks */

/* A new group, or -errno with the reason in fail(). */
int hw_group_create(const struct hw_host *host, void *ctx, bool unlimited_queue);

/*
 * Marks the directory, or all of its filesystem. `kind`: AUTO tries a filesystem mark first.
 * Returns the kind that was made; -errno with the reason in fail(). *ret_refused: why AUTO could
 * not mark the filesystem, 0 when it did.
 */
int hw_mark_add(const struct hw_host *host, void *ctx, int group, int dirfd, enum hw_mark_kind kind,
		int *ret_refused);

/* Undoes an inode mark. */
void hw_mark_remove(int group, int dirfd);

/* What an error of a filesystem mark means, in words. */
const char *hw_mark_refusal(int error);

#endif
