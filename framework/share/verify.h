/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names that may differ between the tree and the disk are verified in rounds, one at a time: the
 * names are examined, the directories of those that differ are locked and unlocked, and a mark is
 * set. When the mark has been reached, every record that explains a difference has been read;
 * differences that no record explained are reported.
 */
#ifndef HW_VERIFY_H
#define HW_VERIFY_H

#include "mark.h"
#include "notes.h"

struct hw_share;

struct hw_observation;
struct hw_verify {
	struct hw_observation *observation; /* owned; NULL: no round is active */
	struct hw_notes names; /* the names of the observation */
	struct hw_notes touched; /* names that records were about since they were examined */
	bool all_touched; /* touched is incomplete: treat all names as touched */
	struct hw_mark mark;
	bool reporting; /* the net effect of a round or a settle window is being reported */
	bool walk; /* a walk ends with this round */
	bool walked; /* such a round has ended, and the share has not taken notice */
	bool walk_waits; /* the settle window has names that a walk found */
	bool compares; /* a walk found names of this round. It may have passed directories before
			  they were moved: their content is compared */
	bool again; /* the names have been examined a second time */
	uint64_t begun, ended; /* numbers of rounds */
	uint64_t follows; /* the round that verifies the names which the last one left unverified */
	uint64_t stuck_seq; /* next sequence number when the last round left names unverified, if no
			       record was read since; otherwise 0 */
};

/* Begins a round with all unverified names; it ends within the call if no record is unread. No
 * other round may be active. since_ns: see observe.h. `walk`: a walk found
 * names; share->verify.walked is set at the end. */
void hw_verify_begin(struct hw_share *share, int64_t since_ns, bool walk);
/* Call it at the end of each iteration of the loop: ends the round if its mark has been reached. */
void hw_verify_advance(struct hw_share *share);
/* Records were lost, so the mark proves nothing: ends the round and notes its names as unverified
 * again. */
void hw_verify_void(struct hw_share *share);
void hw_verify_free(struct hw_share *share);

#endif
