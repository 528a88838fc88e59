/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A random writer: it makes, writes, saves, moves, links and removes a few hundred files and
 * directories, so that names and inodes are used again all the time. */
#ifndef HW_TESTS_SCRIBBLE_H
#define HW_TESTS_SCRIBBLE_H

#include <stdint.h>

/* Returns a number below `below`. */
unsigned hw_pick(uint64_t *random, unsigned below);
/* A change through a hard link outside a share is not reported to it (LIMITS of
 * hostwatch-events(7)): use both only if the share is scanned afterwards. */
#define HW_SCRIBBLE_LINKS 1u /* make hard links */
#define HW_SCRIBBLE_OUTSIDE 2u /* use base/outside as well */
/* Overwrite a file and set its mtime back. A scan does not see that if the file was also renamed
 * since the last one (LIMITS). */
#define HW_SCRIBBLE_OLD_TIMES 4u
/* Does one operation on paths at most three directories below base/share, or in a few cases below
 * base/outside. An operation that is not possible does nothing. */
void hw_scribble(int base, unsigned flags, uint64_t *random);

#endif
