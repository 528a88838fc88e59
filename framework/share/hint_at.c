/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One hint, and the entry that it is about. */
#include "hint_private.h"

#include "fill.h"
#include "history.h"
#include "retry.h"

#include <string.h>

void hw_hint_at_init(struct hw_hint_at *at, const struct hw_watcher *watcher,
		     const struct hw_hint *hint, const struct hw_fold_at *place)
{
	at->share = watcher->share;
	at->hint = hint;
	at->ordered = watcher->plugin->flags & HW_PLUGIN_ORDERED;
	at->dir = place->dir;
	at->name = place->name;
	at->len = place->len;
	at->ino = 0;
	at->id = 0;
	at->present = at->refused = false;
}

void hw_hint_look(struct hw_hint_at *c)
{
	const struct hw_retry_name name = { .dir = c->dir, .name = c->name, .len = c->len };
	int r = hw_disk_stat(&c->share->disk, c->dir, c->name, c->len, &c->stat);

	c->present = r == 0;
	c->refused = hw_disk_is_refusal(r);
	if (c->refused)
		hw_retry_name(c->share, &name, r);
}

struct hw_stat hw_hint_transient(struct hw_share *share, uint32_t dir, uint8_t type)
{
	return (struct hw_stat){
		.type = type,
		.nlink = 1,
		.fs = hw_tree_entry(&share->tree, dir)->fs,
		.ctime_ns = share->marks.read_until_ns,
	};
}

bool hw_hint_is_same(const struct hw_hint_at *c)
{
	return c->present && c->id &&
	       hw_tree_is_same(hw_tree_entry(&c->share->tree, c->id), &c->stat);
}

void hw_hint_note_name(struct hw_hint_at *c)
{
	if (c->refused || c->hint->type == HW_TYPE_DIR || hw_hint_is_vague(c))
		hw_unverified_name(c->share, c->dir, c->name, c->len);
	else
		hw_unverified_later(c->share, c->dir, c->name, c->len);
}

uint64_t hw_hint_ino(const struct hw_hint *hint)
{
	return hint->handle_len ? hw_handle_ino(hint->handle_type, hint->handle, hint->handle_len)
				: 0;
}

struct hw_fold_number hw_hint_number(const struct hw_hint *hint)
{
	struct hw_fold_number number = { .ino = hw_hint_ino(hint) };

	if (number.ino)
		number.generation =
			hw_handle_generation(hint->handle_type, hint->handle, hint->handle_len);
	return number;
}

bool hw_hint_is_lost(const struct hw_entry *e)
{
	return e->flags & HW_ENTRY_TRANSIENT &&
	       (e->last_kind == HW_MODIFY || e->last_kind == HW_CLOSE_WRITE);
}

bool hw_hint_is_vague(const struct hw_hint_at *c)
{
	return !c->ordered && !c->hint->handle_len;
}

enum hw_arrival hw_hint_arrival(struct hw_share *share, const struct hw_stat *stat)
{
	enum hw_arrival how = hw_fill_arrival_of_name(share, stat, share->turn.ended_ns);

	return how == HW_ARRIVED_MOVED_IN ? HW_ARRIVED_NEW : how;
}

/* Returns whether a mark was reached that was set after the first listing had ended: until then, a
 * record of what the listing has found may be unread. */
static bool knows_beginning(const struct hw_marks *marks)
{
	return marks->read_count;
}

bool hw_hint_is_old(const struct hw_share *share, const struct hw_entry *e)
{
	const struct hw_marks *marks = &share->marks;

	return knows_beginning(marks) && !(e->flags & HW_ENTRY_TRANSIENT) &&
	       (int32_t)(e->last_seq - (uint32_t)marks->read_until_seq) < 0;
}

bool hw_hint_is_known(const struct hw_share *share, const struct hw_entry *e,
		      const struct hw_stat *stat)
{
	const struct hw_marks *marks = &share->marks;

	if (!knows_beginning(marks) || e->flags & HW_ENTRY_TRANSIENT)
		return false;
	return hw_hint_is_old(share, e) ||
	       (stat->btime_ns && stat->btime_ns < marks->read_until_ns &&
		e->last_kind != HW_CREATE && e->last_kind != HW_MOVE);
}

bool hw_hint_is_inverse(const struct hw_hint *a, const struct hw_hint *b)
{
	return a->what & HW_HINT_MOVED && b->what & HW_HINT_MOVED && a->dir == b->to_dir &&
	       a->to_dir == b->dir && a->name_len == b->to_name_len &&
	       a->to_name_len == b->name_len && memcmp(a->name, b->to_name, a->name_len) == 0 &&
	       memcmp(a->to_name, b->name, a->to_name_len) == 0;
}
