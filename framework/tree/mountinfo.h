/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/self/mountinfo (proc(5)). Asks no filesystem. */
#ifndef HW_MOUNTINFO_H
#define HW_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HW_MOUNTINFO_MAX 65536u

struct hw_mount {
	uint64_t id; /* STATX_MNT_ID */
	char *path; /* owned */
	char *type; /* owned */
	char *options; /* owned: of an overlay, as in mountinfo; otherwise NULL */
};

/* A zeroed structure is ready for use. */
struct hw_mountinfo {
	struct hw_mount *list; /* owned: in the order of mounting */
	size_t count;
};

/* -E2BIG, -ENOMEM, -errno: the list has the mounts before the one that failed. The caller calls
 * hw_mountinfo_free() also if it fails. */
int hw_mountinfo_read(struct hw_mountinfo *mounts);
void hw_mountinfo_free(struct hw_mountinfo *mounts);

/* Returns whether the filesystem of one of these mounts may stop answering: a server provides it,
 * or it is an overlay with a layer on such a one. */
bool hw_mountinfo_may_hang(const struct hw_mountinfo *mounts, const struct hw_mount *mount);

/* Returns whether path is dir or below it. */
bool hw_mountinfo_is_below(const char *path, const char *dir);

#endif
