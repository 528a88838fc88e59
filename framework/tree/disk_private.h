/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Internal interface of disk.c (root and directories), disk_stat.c and disk_lease.c. */
#ifndef HW_DISK_PRIVATE_H
#define HW_DISK_PRIVATE_H

#include "disk.h"

/* The place of an entry: a name in a directory, or an open descriptor (an empty name). */
struct hw_spot {
	int fd;
	const char *name;
	int parent; /* descriptor of the directory; -1: not needed */
	uint32_t dir; /* valid if parent is a descriptor */
};

int hw_disk_stat_at(struct hw_disk *disk, const struct hw_spot *at, struct hw_stat *ret);
/* Copies the name, and returns the descriptor of its directory as hw_disk_dir() does. */
int hw_disk_dir_and_name(struct hw_disk *disk, uint32_t dir, const char *name, size_t len,
			 char terminated[HW_NAME_MAX + 1]);

/* Closes all cached descriptors but this one. Returns false if there was none. */
bool hw_disk_give_up_cached(struct hw_disk *disk, int but);

#endif
