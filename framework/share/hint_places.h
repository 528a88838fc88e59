/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by hint_move.c, hint_held.c and hint_rename.c: the two names of a rename. */
#ifndef HW_HINT_PLACES_H
#define HW_HINT_PLACES_H

#include "share_private.h"

struct hw_place {
	hw_token token;
	uint32_t dir; /* 0: outside the share, or excluded */
	bool excluded;
	const char *name;
	size_t len;
	uint32_t id; /* in the tree; 0: none */
	bool present; /* it exists on the disk */
	int error; /* of the stat: -errno or 0 */
	struct hw_stat stat; /* valid if present */
};

/* hint_rename.c */

/* Examines the name. */
void hw_place_look(struct hw_share *share, struct hw_place *p);
/* Returns whether the examined name has this entry. */
bool hw_place_has(struct hw_share *share, const struct hw_place *p, uint32_t id);
/* Notes the name as unverified. */
void hw_place_note(struct hw_share *share, const struct hw_place *p);

/* Report a rename and an exchange. */
void hw_hint_renamed(struct hw_share *share, struct hw_place *from, struct hw_place *to);
void hw_hint_exchanged(struct hw_share *share, struct hw_place *from, struct hw_place *to);
/* After an exchange the old name has an entry; after a rename it is free: otherwise notes it as
 * unverified. */
void hw_hint_check_source(struct hw_share *share, struct hw_place *from);

/* hint_held.c */
/* Holds a move onto a taken name until hw_hint_release_move(). */
void hw_hint_hold(struct hw_share *share, const struct hw_hint *hint);
/* Returns whether the move from `from` to `to` is the second one of an exchange that was reported.
 */
bool hw_hint_swallow(struct hw_share *share, uint32_t from, uint32_t to);
#endif
