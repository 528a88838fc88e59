/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last position of each mount, kept across restarts of the agent. It is valid for one boot:
 * after that, the kernel's caches are empty, so older events are not needed. */
#ifndef GUEST_STATE_H
#define GUEST_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HW_STATE_FILE_MAX (64u * 1024u)

struct hw_position {
	const char *name; /* borrowed: name of the mount */
	uint64_t epoch, seq; /* 0 and 0: no event was seen */
	bool held; /* not to be stored yet: the rescan before it is not finished */
};

/*
 * Reads the positions of mounts that are in the file. If the file is missing, invalid, or of
 * another boot, all positions are 0, and a line is logged if this is unusual. Returns 0; -EEXIST:
 * it is not a state; or another -errno if the file cannot be read.
 */
int hw_state_read(const char *path, struct hw_position *positions, size_t count);

/* Replaces the file atomically, and creates its directory. Returns 0; -EEXIST: it is not a state;
 * or another -errno. */
int hw_state_write(const char *path, const struct hw_position *positions, size_t count);

#endif
