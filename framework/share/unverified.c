/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unverified.h"

#include "share_private.h"

#define LOST_EXAMINED 4096u /* files examined for one written file that was not found */
#define LOST_DIRS 64u /* maximum number of directories in which that happened */

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* The scan for dropped names begins once, after the other names have been observed: if a walk finds
 * too many names, an earlier scan would not find fewer. */
void hw_unverified_left_out(struct hw_share *share, int error)
{
	if (error == -ENOMEM)
		hw_shortage_found(share);
	else
		share->unverified.full = true;
}

void hw_unverified_add(struct hw_share *share, uint32_t dir, const char *name, size_t len,
		       uint32_t what, uint64_t ino)
{
	hw_token token = hw_tree_token(&share->tree, dir);
	int r = hw_notes_add(&share->unverified.names, token, name, len, what, (uint32_t)ino);

	if (r < 0)
		hw_unverified_left_out(share, r);
}

void hw_unverified_name(struct hw_share *share, uint32_t dir, const char *name, size_t len)
{
	hw_mark_noted(share);
	hw_unverified_add(share, dir, name, len, 0, 0);
}

void hw_unverified_later(struct hw_share *share, uint32_t dir, const char *name, size_t len)
{
	hw_unverified_add(share, dir, name, len, 0, 0);
}

void hw_unverified_found(struct hw_share *share, uint32_t dir, const char *name, size_t len,
			 bool old)
{
	hw_mark_noted(share);
	hw_unverified_add(share, dir, name, len, old ? HW_HINT_ARRIVED : 0, 0);
}

void hw_unverified_away(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = entry_of(share, id);

	hw_mark_noted(share);
	if (!share->unverified.away_seq)
		share->unverified.away_seq = share->marks.read_before_seq;
	hw_unverified_add(share, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			  HW_HINT_AWAY, e->ino);
}

/* Stores the entry and not its name, which may change before the entry is examined. */
void hw_unverified_entry(struct hw_share *share, uint32_t id)
{
	struct hw_ids *unverified = &share->unverified.entries;

	if (entry_of(share, id)->type == HW_TYPE_DIR)
		hw_mark_noted(share);
	if ((!unverified->count || unverified->ids[unverified->count - 1] != id) &&
	    hw_ids_add(unverified, id) < 0)
		hw_shortage_found(share);
}

void hw_unverified_below(struct hw_share *share, uint32_t dir)
{
	uint32_t known = hw_tree_by_token(&share->tree, share->unverified.dir);

	if (known)
		while (!hw_tree_is_below(&share->tree, dir, known))
			known = entry_of(share, known)->parent;
	else if (share->unverified.dir)
		known = HW_ROOT; /* that directory is gone */
	share->unverified.dir = hw_tree_token(&share->tree, known ? known : dir);
}

uint32_t hw_unverified_take_dir(struct hw_share *share)
{
	uint32_t dir = hw_tree_by_token(&share->tree, share->unverified.dir);

	if (!share->unverified.dir || share->silent || share->state != HW_SHARE_ONLINE)
		return 0;
	share->unverified.dir = 0;
	return dir ? dir : HW_ROOT;
}

/* ---- files that were written under names which were never examined ---- */

static void note_file(struct hw_share *share, uint32_t id)
{
	if (entry_of(share, id)->type == HW_TYPE_FILE &&
	    !(entry_of(share, id)->flags & HW_ENTRY_TRANSIENT))
		hw_unverified_entry(share, id);
}

void hw_unverified_lost(struct hw_share *share, uint32_t dir)
{
	struct hw_ids *lost = &share->unverified.lost;

	for (uint32_t i = 0; i < lost->count; i++)
		if (lost->ids[i] == dir)
			return;
	if (!lost->count)
		share->unverified.lost_ns = hw_loop_now_ns(share->loop);
	if (lost->count < LOST_DIRS)
		(void)hw_ids_add(lost, dir); /* if out of memory: found by the next scan */
	hw_share_kick(share);
}

static void note_files(struct hw_share *share)
{
	uint32_t left = LOST_EXAMINED;

	if (share->tree.used <= LOST_EXAMINED) {
		for (uint32_t id = HW_ROOT + 1; id < share->tree.used; id++)
			note_file(share, id);
		return;
	}
	for (uint32_t i = 0; i < share->unverified.lost.count; i++) {
		const struct hw_entry *e = entry_of(share, share->unverified.lost.ids[i]);
		uint32_t id = e->type == HW_TYPE_DIR ? e->dir.first_child : 0;

		for (; id && left; id = entry_of(share, id)->next_sibling, left--)
			note_file(share, id);
	}
}

/* Pacing: waits until no hints arrive, but at most one interval. */
void hw_unverified_add_lost(struct hw_share *share, bool now)
{
	if (!share->unverified.lost.count)
		return;
	if (!now && share->turn.hinted &&
	    hw_loop_now_ns(share->loop) < share->unverified.lost_ns + share->interval_ns) {
		hw_share_kick(share);
		return;
	}
	note_files(share);
	share->unverified.lost.count = 0;
}

void hw_unverified_name_entries(struct hw_share *share)
{
	for (uint32_t i = 0; i < share->unverified.entries.count; i++) {
		uint32_t id = share->unverified.entries.ids[i];
		const struct hw_entry *e = entry_of(share, id);

		hw_share_rest(share);
		if (id == HW_ROOT)
			hw_unverified_name(share, HW_ROOT, ".", 1);
		else if (e->type != HW_TYPE_NONE) /* hw_unverified_entry() noted a directory */
			hw_unverified_add(share, e->parent, hw_tree_name(&share->tree, id),
					  e->name_len, 0, 0);
	}
}

/* ---- records that are read while names are verified ---- */

void hw_unverified_touch(struct hw_share *share, hw_token dir, const char *name, size_t len,
			 uint32_t what)
{
	struct hw_verify *verify = &share->verify;

	if (hw_verify_is_active(share) &&
	    hw_notes_add(&verify->touched, dir, name, len, what, 0) < 0)
		verify->all_touched = true;
}
