/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where one trace runs once: a share, a directory beside it, and what the operations keep open. */
#ifndef HW_TESTS_WORLD_H
#define HW_TESTS_WORLD_H

#include "tests/common/scratch.h"

#include <stdbool.h>

#define HW_WORLD_HANDLES 8u
#define HW_WORLD_MOUNTS 8u
#define HW_LEAF_MAX 512u /* room for names that are too long on purpose */

/* BASE/share is the share, BASE/outside lies beside it on the same filesystem. On an overlayfs the
 * two are in BASE/merged. */
struct hw_world {
	char *base; /* owned */
	char *lower; /* owned: the directory of the lower layer, NULL */
	char *root; /* owned: BASE/share */
	int fd; /* of the directory that has both */
	const struct hw_place *place; /* borrowed */
	bool merged; /* the overlayfs is mounted */
	struct hw_handle {
		char *name; /* owned; NULL: free */
		int fd;
	} handles[HW_WORLD_HANDLES];
	char *mounts[HW_WORLD_MOUNTS]; /* owned: mount points, to be undone in reverse order */
	unsigned mount_count;
};

/* One name, resolved: its directory, so that paths of any length work, and its last part. */
struct hw_spot {
	int dir; /* the caller closes it */
	char leaf[HW_LEAF_MAX];
	char proc[HW_LEAF_MAX + 64]; /* the same for calls that take a path only */
};

/* Makes both directories below a fresh one at the place, in the lower layer if it has one. -errno.
 */
int hw_world_create(struct hw_world *world, const struct hw_place *place);
/* Mounts the overlayfs; from now on both directories are the merged ones. 0 if there is none or it
 * is mounted. -errno. */
int hw_world_merge(struct hw_world *world);
/* Closes handles, unmounts, removes everything. */
void hw_world_remove(struct hw_world *world);

/* Resolves a path below the share or below outside, without following links; with `make`, makes
 * what is missing on the way. -errno. */
int hw_world_resolve(const struct hw_world *world, bool outside, const char *path, bool make,
		     struct hw_spot *ret);

#endif
