/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A created entry that was not found at its name. The record does not say whether it was a file, a
 * symbolic link or a device. If it was renamed, as when a symbolic link is replaced, its type is
 * found at its new name. So it is reported when a hint about a rename has led there, and the hints
 * about it that are read before that wait.
 */
#include "hint.h"
#include "hint_private.h"
#include "history.h"
#include "lock.h"

#include <errno.h>
#include <string.h>

void hw_hint_hold_name(struct hw_hint_at *at)
{
	const struct hw_fold_at place = { .dir = at->dir, .name = at->name, .len = at->len };
	struct hw_held_name *held = &at->share->hints.held_name;

	hw_former_forget_number(at->share, &place, hw_hint_ino(at->hint));
	held->dir = held->now_dir = at->hint->dir;
	held->ino = hw_hint_ino(at->hint);
	held->len = held->now_len = (uint8_t)at->len;
	held->marked = false;
	memcpy(held->name, at->name, at->len);
	memcpy(held->now_name, at->name, at->len);
}

static bool is_about(const struct hw_held_name *held, const struct hw_hint *hint)
{
	return held->dir && hint->dir == held->now_dir && hint->name_len == held->now_len &&
	       memcmp(hint->name, held->now_name, held->now_len) == 0;
}

static int look_at_target(struct hw_share *share, const struct hw_hint *move, struct hw_stat *ret)
{
	uint32_t dir = hw_tree_by_token(&share->tree, move->to_dir);

	return dir ? hw_disk_stat(&share->disk, dir, move->to_name, move->to_name_len, ret)
		   : -ENXIO;
}

static void follow(struct hw_held_name *held, const struct hw_hint *move)
{
	held->now_dir = move->to_dir;
	held->now_len = (uint8_t)move->to_name_len;
	held->marked = false;
	memcpy(held->now_name, move->to_name, move->to_name_len);
}

bool hw_hint_waits_for_name(struct hw_watcher *watcher, const struct hw_hint *hint)
{
	struct hw_held_name *held = &watcher->share->hints.held_name;
	struct hw_stat stat;

	if (!is_about(held, hint))
		return false;
	if (hint->what == HW_HINT_ATTRIB)
		return hw_waiting_add(watcher, hint);
	if (!(hint->what & HW_HINT_MOVED) ||
	    look_at_target(watcher->share, hint, &stat) != -ENOENT ||
	    !hw_waiting_add(watcher, hint))
		return false;
	follow(held, hint);
	return true;
}

bool hw_hint_name_may_move(struct hw_share *share)
{
	struct hw_held_name *held = &share->hints.held_name;
	uint32_t dir = held->dir ? hw_tree_by_token(&share->tree, held->now_dir) : 0;

	if (!dir)
		return false;
	/* If there was a rename, its record is read before the mark is reached. */
	if (!held->marked) {
		(void)hw_disk_lock(&share->disk, dir); /* if this fails, the mark has to suffice */
		hw_mark_set(share, &held->mark);
	}
	held->marked = true;
	return !hw_mark_is_read(share, &held->mark);
}

static uint8_t type_after(struct hw_share *share, const struct hw_hint *move)
{
	struct hw_stat stat;

	return look_at_target(share, move, &stat) < 0 || stat.type == HW_TYPE_DIR ? HW_TYPE_FILE
										  : stat.type;
}

void hw_hint_decide_name(struct hw_share *share, const struct hw_hint *next)
{
	const struct hw_held_name held = share->hints.held_name;
	uint32_t dir = hw_tree_by_token(&share->tree, held.dir), id;
	bool moves = next && next->what & HW_HINT_MOVED && is_about(&held, next);

	share->hints.held_name.dir = 0;
	if (!dir || hw_tree_find(&share->tree, dir, held.name, held.len))
		return;
	struct hw_stat stat =
		hw_hint_transient(share, dir, moves ? type_after(share, next) : HW_TYPE_FILE);

	id = hw_history_create(share, dir, held.name, held.len, &stat, HW_ARRIVED_NEW);
	if (id)
		hw_tree_entry(&share->tree, id)->flags |= HW_ENTRY_TRANSIENT;
	hw_vanished_note(share, id, held.ino);
	hw_unverified_later(share, dir, held.name, held.len);
}
