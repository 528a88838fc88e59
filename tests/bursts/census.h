/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A snapshot of all entries of a share and of the directory beside it, with hashes of the data. */
#ifndef HW_TESTS_CENSUS_H
#define HW_TESTS_CENSUS_H

#include "tests/conformance/world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct hw_census_entry {
	char *path; /* owned: relative to the root; "" is the root itself */
	bool is_outside;
	struct statx st;
	uint64_t hash; /* of the data of a regular file */
};

struct hw_census {
	struct hw_census_entry *entries; /* owned, parents first, siblings in byte order */
	size_t count;
};

/* Returns 0 or -errno. */
int hw_census_take(const struct hw_world *world, struct hw_census *ret);
void hw_census_release(struct hw_census *census);

/* Compares inode number and birth time. */
bool hw_census_is_same(const struct statx *a, const struct statx *b);
/* Returns NULL if the share does not contain the entry. */
const struct hw_census_entry *hw_census_at(const struct hw_census *census, const char *path);
/* Finds the inode of an entry of another census, identified by inode number and birth time. Returns
 * one of its entries, in the share if possible, or NULL, and the number of its names in the
 * share. */
const struct hw_census_entry *hw_census_inode(const struct hw_census *census,
					      const struct hw_census_entry *other,
					      unsigned *ret_names);

#endif
