/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories of one run of one trace: a share, a directory beside it, and all files and mounts
 * that the operations keep open. */
#ifndef HW_TESTS_WORLD_H
#define HW_TESTS_WORLD_H

#include "tests/common/scratch.h"

#include <stdbool.h>

#define HW_WORLD_HANDLES 8u
#define HW_WORLD_MOUNTS 8u
#define HW_LEAF_MAX 512u /* room for names that are intentionally too long */

/* BASE/share is the share; BASE/outside is beside it on the same filesystem. On an overlayfs, both
 * are in BASE/merged. */
struct hw_world {
	char *base; /* owned */
	char *lower; /* owned: directory of the lower layer; NULL: no overlayfs */
	char *root; /* owned: BASE/share */
	int fd; /* of the directory that contains both */
	const struct hw_place *place; /* borrowed */
	bool merged; /* the overlayfs is mounted */
	struct hw_handle {
		char *name; /* owned; NULL: slot is free */
		int fd;
	} handles[HW_WORLD_HANDLES];
	char *mounts[HW_WORLD_MOUNTS]; /* owned: mount points, unmounted in reverse order */
	unsigned mount_count;
};

/* A resolved name: its directory, so that paths of any length work, and its last component. */
struct hw_spot {
	int dir; /* the caller closes it */
	char leaf[HW_LEAF_MAX];
	char proc[HW_LEAF_MAX + 64]; /* the same name, for system calls without a dirfd */
};

/* Makes both directories below a new one at the place, in the lower layer if it has one. Returns 0
 * or -errno. */
int hw_world_create(struct hw_world *world, const struct hw_place *place);
/* Mounts the overlayfs; after that, both directories are the merged ones. Returns 0 also if there
 * is no overlayfs or it is already mounted; else -errno. */
int hw_world_merge(struct hw_world *world);
/* Closes handles, unmounts, removes all directories. */
void hw_world_remove(struct hw_world *world);

/* Resolves a path below the share or below outside, without following symlinks; `make`: makes
 * missing directories on the way. Returns 0 or -errno. */
int hw_world_resolve(const struct hw_world *world, bool outside, const char *path, bool make,
		     struct hw_spot *ret);

#endif
