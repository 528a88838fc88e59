/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_HINT_H
#define HW_HINT_H

#include "share_private.h"

/* A rename; 0 for a side that is not in the tree. */
void hw_hint_move(struct hw_watcher *watcher, const struct hw_hint *hint, uint32_t dir,
		  uint32_t to_dir);
/* A move that is held is decided: by the next hint, or, NULL, without it. True: that hint was a
 * part of it. */
bool hw_hint_release(struct hw_share *share, const struct hw_hint *next);
/* A name that was created and has moved on is decided, by the next hint or, NULL, without it. */
void hw_hint_release_phantom(struct hw_share *share, const struct hw_hint *next);
/* At the end of an iteration of the loop: decided when all records that were queued have been read.
 */
void hw_hint_expire_phantom(struct hw_share *share);
/*
 * Hints about directories contradict each other or the disk, as when directories are exchanged and
 * moved faster than one looks: what is below `dir` is compared with the disk as soon as no hints
 * come.
 */
void hw_hint_audit(struct hw_share *share, uint32_t dir);
/* Begins that comparison if one is due. Returns whether it did. */
bool hw_hint_begin_audit(struct hw_share *share);
/* The tree and the disk disagree about a name, or may: observed when hints rest. */
void hw_hint_doubt(struct hw_share *share, uint32_t dir, const char *name, size_t len);
/* A record says that this name was moved, and not where to. If it turns out to be there again, that
 * is reported as attrib: receivers may have looked in between. */
void hw_hint_away(struct hw_share *share, uint32_t dir, const char *name, size_t len);
/* Notes an entry as unverified; hints may give it another name until it is verified. */
void hw_hint_unsure(struct hw_share *share, uint32_t id);
/* These are doubted under the names that they have now; they remain unsure. */
void hw_hint_doubt_unsure(struct hw_share *share);
/* Files that may have been written under names which were never examined join the unverified names:
 * now, or, at the end of a turn, when hints rest. */
void hw_hint_examine_lost(struct hw_share *share, bool now);
/* Something about this name may have changed: it is examined when hints rest, or when the settle
 * window ends. "." is the directory itself. */
void hw_hint_revalidate(struct hw_share *share, uint32_t dir, const char *name, size_t len);
/* Waits for the settle window. ino: of the inode it is about, 0 when not known. */
void hw_hint_later(struct hw_share *share, uint32_t dir, const char *name, size_t len,
		   uint32_t what, uint64_t ino);

#endif
