/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_HINT_H
#define HW_HINT_H

#include "former.h"
#include "hint_wait.h"
#include "mark.h"
#include "nameless.h"
#include "names.h"
#include "vanished.h"
#include "watcher.h"

struct hw_share;

/* A move onto a taken name, held until it is known whether it is half of an exchange. */
struct hw_held {
	hw_token dir, to_dir; /* dir 0: none is held */
	struct hw_mark mark; /* valid if marked */
	uint64_t ino; /* of the entry that moves; 0: unknown */
	bool back; /* the inverse move has been read, too */
	bool taken; /* then another one has the other name */
	bool covered; /* a later move onto the other name waits */
	bool swapped; /* the disk looks as after an exchange */
	bool marked;
	uint8_t len, to_len;
	char name[HW_NAME_MAX], to_name[HW_NAME_MAX];
};

/* A name that a hint reported as created and whose new entry was not found there, held until a hint
 * leads to the entry or says that none will. */
struct hw_held_name {
	hw_token dir, now_dir; /* dir 0: none is held */
	struct hw_mark mark; /* valid if marked */
	uint64_t ino; /* according to the record; 0: unknown */
	bool marked;
	uint8_t len, now_len;
	char name[HW_NAME_MAX];
	char now_name[HW_NAME_MAX]; /* that the hints which wait have given to the entry */
};

struct hw_hints {
	struct hw_held held_move;
	struct hw_waiting waiting; /* hints that were passed on after the held move or name */
	struct hw_held_name held_name;
	struct hw_former former; /* names that lost their inode */
	struct hw_nameless nameless; /* inodes that have no name yet */
	struct hw_vanished vanished; /* inodes that had left their names */
	uint32_t attrib_dir; /* directory whose attrib was the last hint, by its name; 0: none */
	uint64_t inverse_from, inverse_to; /* entries whose inverse move is dropped */
	uint64_t last_ino; /* inode number of the file that was created last */
};

/* Handles a rename. dir or to_dir is 0 if it is not in the tree. */
void hw_hint_move(struct hw_watcher *watcher, const struct hw_hint *hint, uint32_t dir,
		  uint32_t to_dir);
/* Decides a move that is held at the end of an iteration of the loop, unless a record that decides
 * may be unread. */
void hw_hint_expire_move(struct hw_share *share);
/* Decides it now. */
void hw_hint_finish_move(struct hw_share *share);
/* Decides a created name that is held because its entry was not found. */
void hw_hint_finish_name(struct hw_share *share);
/* The same when all records that were queued have been read. Call it at the end of each iteration
 * of the loop. */
void hw_hint_expire_name(struct hw_share *share);
/* Something about this name may have changed: it is examined in the next round, or when the settle
 * window ends. "." is the directory itself. */
void hw_hint_revalidate(struct hw_share *share, uint32_t dir, const char *name, size_t len);
#endif
