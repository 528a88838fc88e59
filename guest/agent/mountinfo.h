/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Information about the mount that contains a path. */
#ifndef GUEST_MOUNTINFO_H
#define GUEST_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

#define HW_MOUNT_TEXT_MAX 255u

struct hw_mountinfo {
	bool is_root; /* the path is a mount point */
	bool read_only;
	uint64_t dev, ino; /* of the directory, to identify it later */
	char type[HW_MOUNT_TEXT_MAX + 1]; /* "" if /proc does not show it; quote before printing */
	char source[HW_MOUNT_TEXT_MAX + 1]; /* as above, with octal escapes as in /proc */
};

/* Returns whether the path is still the same directory of the same filesystem, and still a mount
 * point if it was one. */
bool hw_mountinfo_same(const char *path, const struct hw_mountinfo *before);

/* Opens the directory (O_PATH). Returns a descriptor that the caller closes soon, because it keeps
 * the mount busy; -ENODEV if the path is another directory now. */
int hw_mountinfo_open(const char *path, const struct hw_mountinfo *before);

/* Returns 0; -ENOTDIR if the path is not a directory; -errno. */
int hw_mountinfo_get(const char *path, struct hw_mountinfo *ret);

#endif
