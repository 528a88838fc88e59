/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was seen last of each mount, kept across restarts of the agent. It ends with the boot: a
 * kernel that started anew knows nothing, so nothing has to be told again.
 */
#ifndef GUEST_STATE_H
#define GUEST_STATE_H

#include <stddef.h>
#include <stdint.h>

#define HW_STATE_FILE_MAX (64u * 1024u)

struct hw_position {
	const char *name; /* borrowed: of the mount */
	uint64_t epoch, seq; /* 0 and 0: nothing was seen */
};

/*
 * Fills in the positions of those mounts that the file knows. A file that is not there, of another
 * boot or not one of ours tells nothing: all count as new, and a line in the log says so where that
 * is not as usual. -errno when it cannot be read.
 */
int hw_state_read(const char *path, struct hw_position *positions, size_t count);

/* Replaces the file in one step; makes its directory. -errno. */
int hw_state_write(const char *path, const struct hw_position *positions, size_t count);

#endif
