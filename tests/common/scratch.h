/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Temporary directories, and the clock that file times come from. */
#ifndef HW_TESTS_SCRATCH_H
#define HW_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Returns the build directory, or the directory of an installed kit: the directory of the program,
 * without "/tests". An installed program must not contain the path that it was built in. Static. */
const char *hw_build_dir(void);

/* A place for tests: a directory, or an overlayfs whose layers are made in directories. */
struct hw_place {
	const char *name; /* of the filesystem: "ext4" */
	const char *path; /* an existing directory on it; for an overlayfs, the directory for the
			   * upper layer */
	const char *lower; /* an existing directory for the lower layer; NULL: no overlayfs */
	const char *options; /* mount options of the overlayfs: "" or ",xino=off" */
	bool in_lower; /* the setup of a trace runs in the lower layer */
};

/* Returns ext4 (the first directory that is on one, else that of hw_build_dir()) and tmpfs. The
 * array is static. */
const struct hw_place *hw_scratch_places(unsigned *ret_count);

/* Makes a new directory in `parent`. If that fails, prints a line to stderr and returns NULL. The
 * caller owns the string. */
char *hw_scratch_create(const char *parent);
/* Like hw_scratch_create(), but sets errno and prints nothing. */
char *hw_scratch_try(const char *parent);
/* Removes the directory and everything below it, at any depth; frees the string. */
void hw_scratch_remove(char *path);
/* Removes `name` in dir and everything below it: siblings in byte order, children before their
 * directory. */
int hw_scratch_remove_at(int dir, const char *name);

int64_t hw_clock_realtime_ns(void);
int64_t hw_clock_monotonic_ns(void);
/* Waits until the coarse clock, which file times are taken from, has passed the time of the call:
 * later changes get other times. */
void hw_clock_tick(void);

#endif
