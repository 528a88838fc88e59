/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_TESTS_TREE_CHECK_H
#define HW_TESTS_TREE_CHECK_H

#include "framework/share/share_private.h"

#include <stdio.h>
#include <sys/types.h>

/*
 * Behind a barrier, what the share knows is what the disk has, and each directory is watched: what
 * is wrong here is told by no event yet, and will be missed. Files with one of these inodes may
 * have been written through a name that nobody watched. Returns how many entries are wrong; the
 * first ten are written to `out`.
 */
size_t hw_tree_check(struct hw_share *share, const ino_t *linked, size_t linked_count, FILE *out);

#endif
