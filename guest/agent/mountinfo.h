/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel knows of the mount that a path lies on. */
#ifndef GUEST_MOUNTINFO_H
#define GUEST_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

#define HW_MOUNT_TEXT_MAX 255u

struct hw_mountinfo {
	bool is_root; /* the path is where it is mounted */
	bool read_only;
	uint64_t dev, ino; /* of the directory, to know it again */
	char type[HW_MOUNT_TEXT_MAX + 1]; /* "" when /proc does not tell; quote before printing */
	char source[HW_MOUNT_TEXT_MAX + 1]; /* the same; octal escapes are as /proc has them */
};

/* Whether the same directory of the same filesystem is at the path, and still mounted there if it
 * was. */
bool hw_mountinfo_same(const char *path, const struct hw_mountinfo *before);

/* -ENOTDIR when the path is not a directory; -errno. */
int hw_mountinfo_get(const char *path, struct hw_mountinfo *ret);

#endif
