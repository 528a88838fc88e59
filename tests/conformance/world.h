/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where one trace runs once: a share, a directory beside it, and what the operations keep open. */
#ifndef HW_TESTS_WORLD_H
#define HW_TESTS_WORLD_H

#include <stdbool.h>

#define HW_WORLD_HANDLES 8u
#define HW_WORLD_MOUNTS 8u
#define HW_LEAF_MAX 512u /* room for names that are too long on purpose */

/* BASE/share is the share, BASE/outside lies beside it on the same filesystem. */
struct hw_world {
	char *base; /* owned */
	char *root; /* owned: BASE/share */
	int fd; /* of base */
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

/* Makes both directories below a fresh one in `parent`. -errno. */
int hw_world_create(struct hw_world *world, const char *parent);
/* Closes handles, unmounts, removes everything. */
void hw_world_remove(struct hw_world *world);

/* Resolves a path below the share or below outside, without following links; with `make`, makes
 * what is missing on the way. -errno. */
int hw_world_resolve(const struct hw_world *world, bool outside, const char *path, bool make,
		     struct hw_spot *ret);

#endif
