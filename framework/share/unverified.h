/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may differ between the tree and the disk. verify.h examines it, in a share with a settle
 * window at the end of the window. */
#ifndef HW_UNVERIFIED_H
#define HW_UNVERIFIED_H

#include "ids.h"
#include "notes.h"

struct hw_share;

struct hw_unverified {
	struct hw_notes names;
	struct hw_ids entries; /* under whatever name they have when they are examined */
	bool full; /* names were dropped: a scan of the share follows */
	struct hw_notes spare; /* spare memory: see hw_observe() */
	int64_t since_ns; /* settle.since_ns when the first waiting name was noted; 0: none */
	struct hw_ids lost; /* directories in which a written file was never examined */
	uint64_t lost_ns; /* loop time when the first one was added */
	hw_token dir; /* this directory and everything below it; 0: none */
	uint64_t away_seq; /* events before it were reported long before the first entry was moved
			      away, so that receivers found what they are about; 0: none was */
};

static inline bool hw_unverified_any(const struct hw_unverified *unverified)
{
	return unverified->names.count || unverified->entries.count;
}

/* A name could not be added to `names`, because of this error: the share is compared. */
void hw_unverified_left_out(struct hw_share *share, int error);
/* The tree and the disk disagree about this name, or may. */
void hw_unverified_name(struct hw_share *share, uint32_t dir, const char *name, size_t len);
/* The same for a name of which the records that were read say enough: what the disk shows there
 * came later, so it is not a directory that those records may have been about. */
void hw_unverified_later(struct hw_share *share, uint32_t dir, const char *name, size_t len);
/* A listing has found this name; a record that is unread may be about it. `old`: it was not created
 * in the share. */
void hw_unverified_found(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			 bool old);
/* A record says that this entry was moved, but not where to. If it is found at its place again,
 * attrib is reported, because receivers may have examined it meanwhile. */
void hw_unverified_away(struct hw_share *share, uint32_t id);
/* The same for an entry; hints may give it another name until it is verified. */
void hw_unverified_entry(struct hw_share *share, uint32_t id);
/*
 * Hints about directories contradict each other or the disk, for instance because directories were
 * exchanged and moved faster than they were examined. Everything below `dir` is compared with the
 * disk when no more hints arrive.
 */
void hw_unverified_below(struct hw_share *share, uint32_t dir);
/* Returns the directory of that comparison if it is due, which the caller begins; otherwise 0. */
uint32_t hw_unverified_take_dir(struct hw_share *share);
/* A file was written and disappeared before it was examined. If it was an additional name of a file
 * of the share, that file changed. */
void hw_unverified_lost(struct hw_share *share, uint32_t dir);
/* Adds the files that may have been written so. now: at once; otherwise when hints pause. */
void hw_unverified_add_lost(struct hw_share *share, bool now);
/* Adds the entries under their current names. Does not empty their list. */
void hw_unverified_name_entries(struct hw_share *share);
/* Adds a name with what hints said about it: HW_HINT_*, and the inode, 0 if it is unknown. */
void hw_unverified_add(struct hw_share *share, uint32_t dir, const char *name, size_t len,
		       uint32_t what, uint64_t ino);
/* Notes that a record about this name was read; `what`: HW_HINT_*. */
void hw_unverified_touch(struct hw_share *share, hw_token dir, const char *name, size_t len,
			 uint32_t what);

#endif
