/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Floods of changes, made at full speed. */
#ifndef HW_TESTS_FLOOD_H
#define HW_TESTS_FLOOD_H

/* `rounds` times: mkdir -p NNNNN/a/b/c/d/e with a file in each level, 12 entries. -errno. */
#define HW_FLOOD_ROUND_ENTRIES 12u
int hw_flood_deep(const char *root, unsigned rounds);

/* `dirs` directories dNNNN with a file `old` in each. */
int hw_flood_prepare(const char *root, unsigned dirs);
/* On what prepare() made: `files` files in each directory, every other one in a new directory below
 * it; each fifth directory renamed, each seventh file `old` removed, each eleventh directory
 * removed at the end. -errno. */
int hw_flood_wide(const char *root, unsigned dirs, unsigned files);

#endif
