/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes that this one has started, and theirs: by the kernel's process connector, which
 * needs CAP_NET_ADMIN and the initial PID namespace. Loop thread only.
 */
#ifndef HW_FAMILY_H
#define HW_FAMILY_H

#include "hashes.h"
#include "loop.h"

#include <stdbool.h>
#include <sys/types.h>

struct hw_family {
	struct hw_io *io; /* owned */
	int fd; /* owned */
	struct hw_hashes members; /* 1: alive, 2: it has ended */
	size_t alive;
	bool lost; /* some of what happened is not known */
};

/* -errno: the kernel does not say. */
int hw_family_init(struct hw_family *family, struct hw_loop *loop);
void hw_family_free(struct hw_family *family);
/* Begins to listen, without members; ends it. */
void hw_family_begin(struct hw_family *family);
void hw_family_end(struct hw_family *family);
/* Reads all that the kernel has. */
void hw_family_read(struct hw_family *family);
/* Also one that has ended: its number may only be used again by a member of another family. */
bool hw_family_has(const struct hw_family *family, pid_t pid);

#endif
