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
	uint64_t ino; /* of the entry that moves from here, according to the record; 0: unknown */
	bool present; /* it exists on the disk */
	int error; /* of the stat: -errno or 0 */
	struct hw_stat stat; /* valid if present */
};

/* hint_rename.c */

/* Finds the name in the tree and examines it. */
struct hw_place hw_place_of(struct hw_share *share, hw_token token, const char *name, size_t len);
/* Examines the name. */
void hw_place_look(struct hw_share *share, struct hw_place *p);
/* The entry that has this inode number moved here, 0: unknown. If another one has the name, a later
 * record is about that one, and the name is taken to be free. */
void hw_place_ignore_later(struct hw_share *share, struct hw_place *p, uint64_t ino);
/* Returns whether the examined name has this entry. */
bool hw_place_has(struct hw_share *share, const struct hw_place *p, uint32_t id);
/* Notes the name as unverified. later: a record that was read says that what the disk shows there
 * came later. */
void hw_place_note(struct hw_share *share, const struct hw_place *p);
void hw_place_note_later(struct hw_share *share, const struct hw_place *p);

/* Report a rename, whose `to` has been examined, and an exchange, both of whose names have. */
void hw_hint_renamed(struct hw_share *share, struct hw_place *from, struct hw_place *to);
void hw_hint_exchanged(struct hw_share *share, struct hw_place *from, struct hw_place *to);
/* After an exchange the old name has an entry; after a rename it is free: otherwise notes it as
 * unverified. */
void hw_hint_check_source(struct hw_share *share, struct hw_place *from);

/* hint_held.c */

/* What to do with a hint while a move is held. */
enum hw_held_answer {
	HW_HELD_GO_ON, /* handle it: no move is held any more, or the hint changes no name */
	HW_HELD_PART, /* nothing: it was a part of the move */
	HW_HELD_WAIT, /* handle it after the move, which is not decided */
};

/* Holds a move onto a taken name until a hint or hw_hint_decide_held() decides it. */
void hw_hint_hold(struct hw_share *share, const struct hw_hint *hint);
enum hw_held_answer hw_hint_ask_held(struct hw_share *share, const struct hw_hint *next);
/* Returns whether a record that decides the held move may be unread. */
bool hw_hint_may_follow_held(struct hw_share *share);
/* Decides the held move. `all_read`: no record about it is unread; otherwise the disk decides. */
void hw_hint_decide_held(struct hw_share *share, bool all_read);
/* Returns whether the move from `from` to `to` is the second one of an exchange that was reported.
 */
bool hw_hint_swallow(struct hw_share *share, uint32_t from, uint32_t to);

/* hint_back.c: the inverse of the held move was read, too */

/* Returns whether the disk leaves open whether this was an exchange. */
bool hw_hint_may_be_back(struct hw_share *share, const struct hw_place *from,
			 const struct hw_place *to);
/* Holds both moves. `taken`: another entry has the name of `to`. */
void hw_hint_hold_back(struct hw_share *share, const struct hw_held *held, bool taken);
enum hw_held_answer hw_hint_ask_back(struct hw_share *share, const struct hw_hint *next);
/* Decides them without a record that says what they were. */
void hw_hint_decide_back(struct hw_share *share);
/* Reports that the first entry replaced the other one and was renamed back. */
void hw_hint_replaced_and_back(struct hw_share *share, const struct hw_held *held);

#endif
