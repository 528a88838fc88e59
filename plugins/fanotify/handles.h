/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File handles of directories and the tokens they stand for. A handle is kept as a seeded 128-bit
 * fingerprint, so that every filesystem costs the same: 24 bytes an entry and 8 bytes of index a
 * slot, 7/8 of the slots used at most.
 */
#ifndef HW_FANOTIFY_HANDLES_H
#define HW_FANOTIFY_HANDLES_H

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A handle as fanotify(7) and name_to_handle_at(2) give it. */
struct hw_handle {
	uint64_t fsid;
	const void *bytes; /* borrowed */
	uint32_t len; /* at most MAX_HANDLE_SZ, 128 */
	int32_t type;
};

struct hw_handle_key {
	uint64_t a, b;
};

struct hw_handle_entry;

/* Made by hw_handles_init(). */
struct hw_handles {
	struct hw_handle_entry *entries; /* owned: count of them, without holes */
	uint32_t *index[2]; /* owned: by key, by token; number of the entry plus one, 0: free */
	uint32_t capacity; /* of each index: a power of two, or 0 */
	uint32_t room; /* of entries */
	uint32_t count;
	uint32_t marked; /* of them, those added as marked */
	uint64_t seed[2];
};

void hw_handles_init(struct hw_handles *handles);
/* All zero is fine too. */
void hw_handles_finish(struct hw_handles *handles);

struct hw_handle_key hw_handles_key(const struct hw_handles *handles,
				    const struct hw_handle *handle);

/* A directory, which has a mark of its own or not. -ENOMEM, -EEXIST when key or token is there
 * already; nothing has changed then. */
int hw_handles_add(struct hw_handles *handles, struct hw_handle_key key, hw_token token,
		   bool marked);

/* HW_NO_DIR when not known. */
hw_token hw_handles_token(const struct hw_handles *handles, struct hw_handle_key key);

/* An unknown token is fine. */
void hw_handles_remove(struct hw_handles *handles, hw_token token);

#endif
