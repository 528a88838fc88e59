/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs of hostwatch that are not in the search path. */
#ifndef HW_BESIDE_H
#define HW_BESIDE_H

/* Replaces this process by the program of that name. It is searched next to this program, as in a
 * build tree; below the same prefix; and in the configured directories. Returns only on failure:
 * the errno of the last attempt. */
int hw_beside_exec(const char *name, char **argv);
/* The configured directory, below libdir. */
extern const char hw_beside_dir[];

/* Exit status of hostwatch-nats-tail if the same request would fail again. */
#define HW_BESIDE_REFUSED 3

#endif
