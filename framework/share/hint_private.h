/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by hint.c and hint_data.c: one hint, the name that it is about, and its entries in the
 * tree and on the disk. */
#ifndef HW_HINT_PRIVATE_H
#define HW_HINT_PRIVATE_H

#include "fold.h"
#include "history.h"
#include "share_private.h"

struct hw_hint_at {
	struct hw_share *share;
	const struct hw_hint *hint;
	bool ordered; /* the watcher reports everything, in order */
	uint32_t dir;
	const char *name;
	size_t len;
	uint64_t ino; /* inode that the hint is about; 0: unknown */
	uint32_t id; /* in the tree; 0: none */
	bool present; /* it exists on the disk */
	bool refused; /* stat was refused: it is tried again later */
	struct hw_stat stat; /* valid if present */
};

/* Sets everything but `stat`, which is large and not valid yet. The place is borrowed. */
void hw_hint_at_init(struct hw_hint_at *at, const struct hw_watcher *watcher,
		     const struct hw_hint *hint, const struct hw_fold_at *place);
/* Returns what a transient entry of this directory gets: the kernel reported it, but it is gone.
 * Its ctime is the time until which all records have been read. */
struct hw_stat hw_hint_transient(struct hw_share *share, uint32_t dir, uint8_t type);
/* Examines the name. */
void hw_hint_look(struct hw_hint_at *at);
/* Returns whether the entry in the tree is the inode that was found on the disk. */
bool hw_hint_is_same(const struct hw_hint_at *at);
/* Notes the name as unverified. A directory that the hint is about may have moved on; what the disk
 * shows instead of a file came later. */
void hw_hint_note_name(struct hw_hint_at *at);
/* The watcher neither reports everything in order nor identifies the inode: the hint only says
 * where to examine. */
bool hw_hint_is_vague(const struct hw_hint_at *at);
/* Hints that change names. */
#define HW_HINTS_OF_NAMES (HW_HINT_CREATED | HW_HINT_DELETED | HW_HINT_MOVED)

/* Returns whether `b` is the move of `a` in the other direction. */
bool hw_hint_is_inverse(const struct hw_hint *a, const struct hw_hint *b);
/* Returns whether nothing was reported about the entry since the records were queued that are being
 * read. */
bool hw_hint_is_old(const struct hw_share *share, const struct hw_entry *e);
/* Returns whether the tree had this entry before the records were queued that are being read. One
 * that was created or moved since may be one that a listing found. `stat`: its inode. */
bool hw_hint_is_known(const struct hw_share *share, const struct hw_entry *e,
		      const struct hw_stat *stat);
/* Returns whether the entry was written but never examined, so that its inode is unknown. */
bool hw_hint_is_lost(const struct hw_entry *e);
/* Returns the inode that the hint is about, from its file handle; 0: unknown. */
uint64_t hw_hint_ino(const struct hw_hint *hint);
struct hw_fold_number hw_hint_number(const struct hw_hint *hint); /* the same for fold.h */
/* Returns the inode number N of a name "#N", by which inotify(7) reports a file that was opened
 * with O_TMPFILE. 0: the name has another form. */
uint64_t hw_hint_numbered_inode(const char *name, size_t len);
/* Classifies a new name in the share: one more name of an inode (LINK), or NEW. */
enum hw_arrival hw_hint_arrival(struct hw_share *share, const struct hw_stat *stat);
/* Returns whether a hint is about an attribute of this directory; false if only its content
 * changed. */
bool hw_hint_is_attrib_of_dir(const struct hw_entry *e, const struct hw_stat *stat);
/* Handles changes of data and attributes. They belong to the inode that was changed, which may have
 * another name than the hint. */
void hw_hint_data(struct hw_hint_at *at);
/* The hint says that its inode got the name, and was handled. Handles the changes that were made
 * before, unless a listing has reported the file (!is_new). */
void hw_hint_data_before_name(struct hw_hint_at *at, bool is_new);
/* The same as hw_hint_data() for an inode whose name is gone according to the hint. */
void hw_hint_data_of_gone(struct hw_hint_at *at);

/* hint_rename.c */

/* Another record says that something else got the name of this entry. If a record said before that
 * the entry has lost it, which was not reported, reports that. Returns whether it did. */
bool hw_hint_leave_name(struct hw_share *share, uint32_t id);

/* hint_created.c */

/* Holds the created name, whose entry was not found. */
void hw_hint_hold_name(struct hw_hint_at *at);
/* Returns whether the hint waits, since it does not say which type the created entry has. */
bool hw_hint_waits_for_name(struct hw_watcher *watcher, const struct hw_hint *hint);
/* Returns whether a name is held, and the record of a rename of its entry may be unread. */
bool hw_hint_name_may_move(struct hw_share *share);
/* Reports the created entry. next: the hint that does not wait, or NULL. */
void hw_hint_decide_name(struct hw_share *share, const struct hw_hint *next);
#endif
