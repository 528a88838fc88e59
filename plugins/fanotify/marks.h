/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups and marks: what the kernel is asked to tell, and what an error of it means. */
#ifndef HW_FANOTIFY_MARKS_H
#define HW_FANOTIFY_MARKS_H

#include "handles.h"

#include <stdbool.h>

enum hw_mark_kind { HW_MARK_AUTO, HW_MARK_FILESYSTEM, HW_MARK_INODE }; /* choices of `mark` */

/* A new group, or -errno with the reason in fail(). */
int hw_group_create(const struct hw_host *host, void *ctx, bool unlimited_queue);

/* Bytes of a handle, as the kernel writes them. */
union hw_handle_buffer {
	uint64_t align;
	char bytes[8 + 128]; /* struct file_handle with MAX_HANDLE_SZ */
};

/*
 * The handle that events in this directory carry; *ret points into buffer. dirfd may be O_PATH.
 * -EOPNOTSUPP on a filesystem without handles.
 */
int hw_handle_get(int dirfd, union hw_handle_buffer *buffer, struct hw_handle *ret);

/*
 * Marks the directory, or all of its filesystem. `kind`: AUTO tries a filesystem mark first.
 * Returns the kind that was made; -errno with the reason in fail(). *ret_refused: why AUTO could
 * not mark the filesystem, 0 when it did.
 */
int hw_mark_add(const struct hw_host *host, void *ctx, int group, int dirfd, enum hw_mark_kind kind,
		int *ret_refused);

/* The limit of marks for all programs of this user, and the sysctl that sets it (static). 0 when it
 * cannot be read. */
uint64_t hw_mark_limit(const char **ret_name);

/* Undoes an inode mark. */
void hw_mark_remove(int group, int dirfd);

/* What an error of a filesystem mark means, in words. */
const char *hw_mark_refusal(int error);

/* The name of a filesystem that others change without this kernel knowing; NULL for any other, or
 * when not known. */
const char *hw_mark_remote(int dirfd);
/* /proc, /sys: files that the kernel makes as it goes, and tells nobody of. */
bool hw_mark_is_kernel_made(int dirfd);

#endif
