/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Floods of changes, made at full speed. */
#ifndef HW_TESTS_FLOOD_H
#define HW_TESTS_FLOOD_H

/* Makes NNNNN/a/b/c/d/e `rounds` times, with a file in each level: 12 entries each. Returns 0 or
 * -errno. */
#define HW_FLOOD_ROUND_ENTRIES 12u
int hw_flood_deep(const char *root, unsigned rounds);

/* Makes `dirs` directories dNNNN with a file `old` in each. */
int hw_flood_prepare(const char *root, unsigned dirs);
/* Call after hw_flood_prepare(). Makes `files` files in each directory, every other one in a new
 * directory below it. Then renames each fifth directory, removes each seventh file `old`, and
 * removes each eleventh directory. Returns 0 or -errno. */
int hw_flood_wide(const char *root, unsigned dirs, unsigned files);

#endif
