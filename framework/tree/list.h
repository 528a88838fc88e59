/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads one directory, with the statx(2) result of each entry. Needs no share; also runs on the
 * thread pool. */
#ifndef HW_LIST_H
#define HW_LIST_H

#include "identity.h"
#include "tree.h"
#include <sys/types.h>

#define HW_LIST_MAX 32768u /* entries in one listing; a larger directory takes several */

struct hw_found {
	struct hw_stat stat; /* fs is not set: see dev */
	dev_t dev;
	uint32_t name; /* offset in names */
	uint8_t name_len;
	bool foreign; /* on another filesystem than the directory, with its own identification: use
		       * hw_disk_stat() */
	uint8_t error; /* errno if stat was refused: stat is not set, its type is 0 */
};

struct hw_listing {
	struct hw_found *found; /* owned */
	char *names; /* owned; each terminated */
	uint32_t count, room;
	uint32_t names_used, names_room;
	bool more; /* the directory has more entries: read again */
	int error; /* -errno that ended the listing, or 0 */
};

/* Continues to read a directory that is open for reading, up to `max` entries. */
void hw_list_read(int fd, uint32_t max, struct hw_identify how, struct hw_listing *listing);
/* Adds a hundred entries or so. Returns whether there may be more. */
bool hw_list_some(int fd, struct hw_identify how, struct hw_listing *listing);
/* Empties the listing, and keeps its memory. */
void hw_list_reset(struct hw_listing *listing);
void hw_list_free(struct hw_listing *listing);
/* Sorts by the byte order of names. */
void hw_list_sort(struct hw_listing *listing);

#endif
