/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All entries of a share and of the directory beside it at one moment, with the data of the files.
 */
#ifndef HW_TESTS_CENSUS_H
#define HW_TESTS_CENSUS_H

#include "tests/conformance/world.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct hw_census_entry {
	char *path; /* owned: from the root; "" is the root itself */
	bool is_outside;
	struct statx st;
	uint64_t hash; /* of the data of a regular file */
};

struct hw_census {
	struct hw_census_entry *entries; /* owned, parents first, siblings in byte order */
	size_t count;
};

/* -errno. */
int hw_census_take(const struct hw_world *world, struct hw_census *ret);
void hw_census_release(struct hw_census *census);

/* NULL: no such entry in the share. */
const struct hw_census_entry *hw_census_at(const struct hw_census *census, const char *path);
/* How many names the inode of an entry of another census has in the share, and one of its entries,
 * in the share if it can be; NULL: none. Inode number and birth time make an inode. */
const struct hw_census_entry *hw_census_inode(const struct hw_census *census,
					      const struct hw_census_entry *other,
					      unsigned *ret_names);

#endif
