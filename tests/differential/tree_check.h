/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_TESTS_TREE_CHECK_H
#define HW_TESTS_TREE_CHECK_H

#include "framework/share/share_private.h"

#include <stdio.h>
#include <sys/types.h>

/*
 * Call after a barrier. Checks that the tree of the share equals the disk, and that each directory
 * is watched: errors found here are not visible in any event yet, but will lead to missed events.
 * Files with one of the `linked` inodes may have been written through an unwatched name. Returns
 * the number of wrong entries; writes the first ten to `out`.
 */
size_t hw_tree_check(struct hw_share *share, const ino_t *linked, size_t linked_count, FILE *out);

#endif
