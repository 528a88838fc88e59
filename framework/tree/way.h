/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way back to a directory that is the root of a mount. An open descriptor of such a directory
 * keeps its filesystem from being unmounted; so it is closed when it is not in use, and opened
 * again by its path. The directory is the same only if its mount is: the ID of a mount is never
 * used again (STATX_MNT_ID_UNIQUE, Linux 6.8).
 */
#ifndef HW_WAY_H
#define HW_WAY_H

#include <stdint.h>
#include <sys/types.h>

struct hw_way {
	char *path; /* owned: absolute, without symbolic links; NULL: none */
	uint64_t mount, ino;
	dev_t dev;
};

/* Notes the way to an open directory. Returns 0; -EOPNOTSUPP if it must stay open, because it is
 * not the root of a mount that could be unmounted, or the kernel is older; other -errno. */
int hw_way_begin(struct hw_way *way, int fd);
/* Opens it again, O_RDONLY | O_DIRECTORY. -ESTALE: it is not there any more. */
int hw_way_open(const struct hw_way *way);
void hw_way_end(struct hw_way *way); /* may be called again, and on a zeroed structure */

#endif
