/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unverified names, which may differ between the tree and the disk: collected, then examined
 * together. Their number is limited by HW_NOTES_MAX. */
#ifndef HW_NOTES_H
#define HW_NOTES_H

#include "names.h"
#include "slices.h"
#include <hostwatch/plugin.h>
#include <stdbool.h>

/* In addition to HW_HINT_*, for unverified names only: it was moved in from outside the share. Uses
 * the bit of HW_HINT_LOOK, which all unverified names imply. */
#define HW_HINT_ARRIVED HW_HINT_LOOK
/* In a share without a settle window: it was moved, and its new place is unknown. */
#define HW_HINT_AWAY HW_HINT_DELETED

#define HW_NOTES_MAX                                                                               \
	(4u << 20) /* maximum number of names; beyond it the whole share is scanned                \
		    */

struct hw_note {
	hw_token dir;
	uint32_t name_ref;
	uint8_t name_len;
	uint8_t what; /* HW_HINT_* that were reported for it */
	uint32_t inode; /* low 32 bits of the inode of the most recent hint; 0: unknown */
	uint32_t order; /* order of arrival */
};

struct hw_notes {
	struct hw_note *list; /* owned */
	uint32_t count, room;
	uint32_t arrivals;
	uint32_t compacted; /* count after the last hw_notes_compact() */
	struct hw_names names;
	struct hw_slices *work; /* borrowed: long work with the list may rest; NULL: it does not */
};

/* Returns 0; -ENOBUFS if there are too many; -ENOMEM. */
int hw_notes_add(struct hw_notes *notes, hw_token dir, const char *name, size_t len, uint32_t what,
		 uint32_t inode);
#define HW_HINTS_OF_DATA (HW_HINT_MODIFIED | HW_HINT_ATTRIB | HW_HINT_CLOSE_WRITE)
/* Sorts by directory and name; merges duplicates with all their hints. */
void hw_notes_compact(struct hw_notes *notes);
/* Returns the HW_HINT_* of this name, 0 if it is not in the list, which must be compacted. */
uint8_t hw_notes_find(const struct hw_notes *notes, hw_token dir, const char *name, size_t len);
const char *hw_notes_name(const struct hw_notes *notes, const struct hw_note *note);
void hw_notes_clear(struct hw_notes *notes); /* keeps some memory */
void hw_notes_free(struct hw_notes *notes);

#endif
