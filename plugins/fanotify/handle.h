/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File handles of directories. For each directory, the table keeps a seeded fingerprint of 127
 * bits, so that a handle takes the same memory on every filesystem. */
#ifndef HW_FANOTIFY_HANDLE_H
#define HW_FANOTIFY_HANDLE_H

#include <stdint.h>

/* A handle as fanotify(7) and name_to_handle_at(2) supply it. */
struct hw_handle {
	uint64_t fsid;
	const void *bytes; /* borrowed */
	uint32_t len; /* at most MAX_HANDLE_SZ, 128 */
	int32_t type;
};

/* Bytes of a handle, as the kernel writes them. */
union hw_handle_buffer {
	uint64_t align;
	char bytes[8 + 128]; /* struct file_handle with MAX_HANDLE_SZ */
};

/* Returns the handle that records of this directory carry; *ret points into buffer. dirfd may be
 * O_PATH. Returns -EOPNOTSUPP on a filesystem without handles. */
int hw_handle_get(int dirfd, union hw_handle_buffer *buffer, struct hw_handle *ret);

#define HW_HANDLE_KEY_WORDS 4u

/* The fingerprint of a handle, used as a key of struct hw_dirs: the highest bit is 0. */
struct hw_handle_key {
	uint32_t words[HW_HANDLE_KEY_WORDS];
};

struct hw_handle_seed {
	uint64_t a, b;
};

/* Returns a different seed on each call. */
struct hw_handle_seed hw_handle_new_seed(void);
struct hw_handle_key hw_handle_key(const struct hw_handle_seed *seed,
				   const struct hw_handle *handle);

#endif
