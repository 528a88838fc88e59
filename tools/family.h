/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The descendants of this process, found by the kernel's process connector, which needs
 * CAP_NET_ADMIN and the initial PID namespace. Loop thread only. */
#ifndef HW_FAMILY_H
#define HW_FAMILY_H

#include "hashes.h"
#include "loop.h"

#include <stdbool.h>
#include <sys/types.h>

struct hw_family {
	struct hw_io *io; /* owned */
	int fd; /* owned */
	struct hw_hashes members; /* 1: alive, 2: has ended */
	size_t alive;
	bool lost; /* some events were lost */
};

/* Returns -errno if the connector is not available. */
int hw_family_init(struct hw_family *family, struct hw_loop *loop);
void hw_family_free(struct hw_family *family);
/* Start listening, without members; stop listening. */
void hw_family_begin(struct hw_family *family);
void hw_family_end(struct hw_family *family);
/* Reads all queued events. */
void hw_family_read(struct hw_family *family);
/* Includes processes that have ended: their numbers may be reused only by a member of another
 * family. */
bool hw_family_has(const struct hw_family *family, pid_t pid);

#endif
