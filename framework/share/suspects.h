/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names that may differ between the tree and the disk: collected, then observed together. Bounded:
 * see HW_SUSPECTS_MAX. */
#ifndef HW_SUSPECTS_H
#define HW_SUSPECTS_H

#include "names.h"
#include <hostwatch/plugin.h>
#include <stdbool.h>

/* Besides HW_HINT_*, in here only: a move brought it from outside the share. It takes the place of
 * HW_HINT_LOOK, which every suspect implies. */
#define HW_HINT_ARRIVED HW_HINT_LOOK
/* In a share without a settle window: it was moved, and it is not known where to. */
#define HW_HINT_AWAY HW_HINT_DELETED

#define HW_SUSPECTS_MAX                                                                            \
	(4u << 20) /* names; more are given up for a comparison of the whole share */

struct hw_suspect {
	hw_token dir;
	uint32_t name_ref;
	uint8_t name_len;
	uint8_t what; /* HW_HINT_* that were told about it */
	uint32_t inode; /* low half, of the inode that the last of them was about; 0: not known */
	uint32_t order; /* of arrival */
};

struct hw_suspects {
	struct hw_suspect *list; /* owned */
	uint32_t count, room;
	uint32_t arrivals;
	uint32_t compacted; /* how many were left when duplicates were last dropped */
	struct hw_names names;
};

/* 0; -ENOBUFS when there are too many, -ENOMEM. */
int hw_suspects_add(struct hw_suspects *suspects, hw_token dir, const char *name, size_t len,
		    uint32_t what, uint32_t inode);
#define HW_HINTS_OF_DATA (HW_HINT_MODIFIED | HW_HINT_ATTRIB | HW_HINT_CLOSE_WRITE)
/* Sorts by directory and name; duplicates become one with all their hints. */
void hw_suspects_compact(struct hw_suspects *suspects);
/* The HW_HINT_* of this name, 0 if it is not among them. They must be compacted. */
uint8_t hw_suspects_find(const struct hw_suspects *suspects, hw_token dir, const char *name,
			 size_t len);
const char *hw_suspects_name(const struct hw_suspects *suspects, const struct hw_suspect *suspect);
void hw_suspects_clear(struct hw_suspects *suspects); /* keeps some memory */
void hw_suspects_free(struct hw_suspects *suspects);

#endif
