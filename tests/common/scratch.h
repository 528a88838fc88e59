/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories to test in, and the clock that file times come from. */
#ifndef HW_TESTS_SCRATCH_H
#define HW_TESTS_SCRATCH_H

#include <stdbool.h>
#include <stdint.h>

/* The build directory, or the directory of an installed kit: where the program is, without
 * "/tests". An installed program must not contain the path that it was built in. Static. */
const char *hw_build_dir(void);

/* A place to test on: a directory, or an overlayfs whose layers are made in directories. */
struct hw_place {
	const char *name; /* of the filesystem: "ext4" */
	const char *path; /* an existing directory on it; of an overlayfs: for the upper layer */
	const char *lower; /* an existing directory for the lower layer; NULL: no overlayfs */
	const char *options; /* of the overlayfs, "" or ",xino=off" */
	bool in_lower; /* a trace's setup is done in the lower layer */
};

/* ext4 (the first directory that lies on one, else that of hw_build_dir()) and tmpfs. The
 * array is static. */
const struct hw_place *hw_scratch_places(unsigned *ret_count);

/* Makes a fresh directory in `parent`. NULL when it fails, with a line on stderr. The string is the
 * caller's. */
char *hw_scratch_create(const char *parent);
/* The same without a line: errno says why. */
char *hw_scratch_try(const char *parent);
/* Removes all below and the directory itself, whatever the depth; frees the string. */
void hw_scratch_remove(char *path);
/* Removes all below name in dir and name itself: siblings in byte order, children before their
 * directory. */
int hw_scratch_remove_at(int dir, const char *name);

int64_t hw_clock_realtime_ns(void);
int64_t hw_clock_monotonic_ns(void);
/* Returns when the coarse clock, which file times are taken from, is past the time of the call:
 * what changes later has another time. */
void hw_clock_tick(void);

#endif
