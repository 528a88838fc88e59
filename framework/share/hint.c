/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares a hint about one name with the tree and the disk, and reports the events of the change
 * at once. */
#include "hint.h"
#include "access.h"
#include "arm.h"
#include "fill.h"
#include "hint_places.h"
#include "hint_private.h"
#include "history.h"
#include "quiet.h"
#include "retry.h"
#include "scan.h"
#include "settle.h"
#include "stage.h"
#include "verify.h"

#include <errno.h>
#include <string.h>

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

static bool has_dir(const struct hw_hint_at *c)
{
	return c->hint->type == HW_TYPE_DIR || (c->present && c->stat.type == HW_TYPE_DIR) ||
	       (c->id && entry_of(c->share, c->id)->type == HW_TYPE_DIR);
}

static void note_dir(struct hw_hint_at *c)
{
	hw_hint_note_name(c);
	if (has_dir(c))
		hw_unverified_below(c->share, c->dir);
}

/* ---- create and delete ---- */

/* Returns whether the entry was created and, according to the watcher, deleted again, so that there
 * is nothing to examine. If the watcher merges records, this holds only for an inode that the tree
 * does not have. */
static bool is_brief(const struct hw_hint_at *c)
{
	uint64_t ino = hw_hint_ino(c->hint);

	if (!(c->hint->what & HW_HINT_BRIEF) || c->ordered)
		return c->hint->what & HW_HINT_BRIEF;
	return !c->id && ino &&
	       !hw_tree_same_inode(&c->share->tree, entry_of(c->share, c->dir)->fs, ino, 0);
}

static void create_transient(struct hw_hint_at *c)
{
	const struct hw_fold_at place = { .dir = c->dir, .name = c->name, .len = c->len };
	bool brief = is_brief(c);
	struct hw_stat stat =
		hw_hint_transient(c->share, c->dir,
				  c->hint->type == HW_TYPE_DIR ? HW_TYPE_DIR : HW_TYPE_FILE);

	hw_former_forget_number(c->share, &place, hw_hint_ino(c->hint));
	if (stat.type == HW_TYPE_DIR) /* it was never watched */
		hw_mark_armed(c->share);
	c->id = hw_history_create(c->share, c->dir, c->name, c->len, &stat, HW_ARRIVED_NEW);
	if (c->id)
		entry_of(c->share, c->id)->flags |= HW_ENTRY_TRANSIENT;
	if (brief)
		return;
	hw_vanished_note(c->share, c->id, hw_hint_ino(c->hint));
	hw_hint_note_name(c);
}

static void create_present(struct hw_hint_at *c)
{
	c->share->hints.last_ino = c->stat.ino;
	c->id = hw_history_create(c->share, c->dir, c->name, c->len, &c->stat,
				  hw_hint_arrival(c->share, &c->stat));
	if (!c->id)
		return;
	/* Content of a file is reported by hints about writes, or before its close_write. */
	if (c->stat.type == HW_TYPE_DIR)
		hw_fill_dir(c->share, c->id, HW_ARRIVED_NEW);
}

/* A transient entry exists on the disk after all, or again. */
static void materialize(struct hw_hint_at *c)
{
	if (entry_of(c->share, c->id)->type != c->stat.type) {
		note_dir(c);
		return;
	}
	hw_fill_take_inode(c->share, c->id, &c->stat);
	if (c->stat.type == HW_TYPE_DIR)
		hw_fill_dir(c->share, c->id, HW_ARRIVED_NEW);
}

/* Returns whether a later rename moved the entry here. If it has another name, it may as well have
 * been linked here, and its first name renamed or removed later: the records that follow say so. */
static bool is_from_another_name(const struct hw_hint_at *c)
{
	bool linked = c->stat.nlink > 1 && c->stat.type != HW_TYPE_DIR;

	return !linked && hw_fill_renamed_from(c->share, &c->stat);
}

/* Returns whether the entry is older than the file that was created here: it has replaced that file
 * meanwhile, or it had no name before. A file that has two names may have been linked here. */
static bool is_older(const struct hw_hint_at *c)
{
	return c->ordered && c->stat.nlink == 1 &&
	       hw_fill_arrival(c->share, &c->stat, c->share->marks.read_until_ns) ==
		       HW_ARRIVED_MOVED_IN;
}

/* Returns false if the name now belongs to something else: another inode, an entry of another type,
 * or one that a later rename moved there. */
static bool is_what_was_created(const struct hw_hint_at *c)
{
	uint64_t ino = hw_hint_ino(c->hint);

	if (!c->present || (c->hint->type != HW_TYPE_NONE &&
			    (c->stat.type == HW_TYPE_DIR) != (c->hint->type == HW_TYPE_DIR)))
		return false;
	if (ino)
		return (uint32_t)ino == (uint32_t)c->stat.ino;
	return !is_from_another_name(c);
}

/* Loads the entry of the inode into the CPU cache while the disk is read. Without a handle, guesses
 * the inode number: most filesystems number files in order of creation, and a wrong guess costs
 * nothing. */
static void prefetch_inode(const struct hw_hint_at *c)
{
	uint64_t ino = hw_hint_ino(c->hint);

	hw_tree_prefetch_inode(&c->share->tree, entry_of(c->share, c->dir)->fs,
			       ino ? ino : c->share->hints.last_ino + 1);
}

/* Returns whether a record said that this entry had left its name: it was examined too late, and is
 * what was created now. */
static bool is_next_one(const struct hw_hint_at *c)
{
	const struct hw_fold_at place = { .dir = c->dir, .name = c->name, .len = c->len };

	return c->ordered && hw_former_has_lost(c->share, &place, entry_of(c->share, c->id));
}

/* A later record may say that the file was moved here, and has replaced the one that was created.
 */
static void create_found(struct hw_hint_at *c)
{
	create_present(c);
	if (c->id && is_older(c))
		hw_former_note_placed(c->share, c->id);
}

static void create_new(struct hw_hint_at *c)
{
	if (is_what_was_created(c))
		create_found(c);
	else if (hw_hint_is_vague(c))
		hw_hint_note_name(c);
	else if (!(c->hint->what & ~(HW_HINT_CREATED | HW_HINT_ATTRIB)) &&
		 c->hint->type != HW_TYPE_DIR)
		hw_hint_hold_name(c);
	else
		create_transient(c);
}

/* Returns whether another inode was created here after a record had said that this entry was
 * deleted, which deleted() did not believe: a link of it has the name now. */
static bool has_lost_name(const struct hw_hint_at *c)
{
	const struct hw_fold_at place = { .dir = c->dir, .name = c->name, .len = c->len };
	const struct hw_entry *e = entry_of(c->share, c->id);
	uint64_t ino = hw_hint_ino(c->hint);

	return !c->ordered && ino && (uint32_t)ino != (uint32_t)e->ino &&
	       hw_former_has_lost(c->share, &place, e);
}

/* The name was free when something was created here. If the entry was examined too late, it is not
 * known what had the name: is_next_one(). */
static void free_name(struct hw_hint_at *c)
{
	bool late = c->ordered && hw_hint_is_same(c);

	if (!c->id || late)
		return;
	if (hw_hint_leave_name(c->share, c->id)) {
		c->id = 0;
	} else if (has_lost_name(c)) {
		hw_history_delete(c->share, c->id);
		c->id = 0;
	}
}

static void created(struct hw_hint_at *c)
{
	if (is_brief(c) && !c->id) {
		create_transient(c);
		return;
	}
	prefetch_inode(c);
	hw_hint_look(c);
	if (c->refused)
		return;
	free_name(c);
	if (!c->id) {
		create_new(c);
	} else if (c->present && entry_of(c->share, c->id)->flags & HW_ENTRY_TRANSIENT) {
		materialize(c);
	} else if (!hw_hint_is_same(c)) {
		note_dir(c); /* a listing found an older or newer entry: more hints follow */
		if (c->ordered)
			hw_former_add_entry(c->share, c->id);
	} else if (is_older(c)) {
		hw_former_add_entry(c->share, c->id);
	} else if (is_next_one(c)) {
		hw_history_delete(c->share, c->id);
		create_present(c);
	}
}

static void delete_entry(struct hw_hint_at *c)
{
	if (!c->hint->handle_len && hw_hint_is_lost(entry_of(c->share, c->id)))
		hw_unverified_lost(c->share, c->dir);
	hw_history_delete(c->share, c->id);
	c->id = 0;
}

static void deleted(struct hw_hint_at *c)
{
	if (!c->id)
		return;
	if (!c->ordered) {
		hw_hint_look(c);
		if (c->present)
			note_dir(c);
		/* Another name of the inode may have been renamed here: a later record says so. */
		if (hw_hint_is_same(c) &&
		    !hw_hint_is_known(c->share, entry_of(c->share, c->id), &c->stat)) {
			hw_former_note_unlinked(c->share, c->id);
			return;
		}
	}
	delete_entry(c);
}

/* Returns whether the name was certainly free when the first of the merged records was queued: the
 * directory is not one that was listed since. */
static bool is_created_twice(const struct hw_hint_at *c)
{
	const struct hw_entry *dir = entry_of(c->share, c->dir);

	return !c->ordered && c->stat.type != HW_TYPE_DIR &&
	       (c->dir == HW_ROOT || hw_hint_is_old(c->share, dir));
}

/* One record reports both: the kernel merged several changes of one inode under one name. */
static void created_and_deleted(struct hw_hint_at *c)
{
	uint64_t ino = hw_hint_ino(c->hint);

	if (!is_brief(c))
		hw_hint_look(c);
	if (c->refused)
		return;
	if (!c->id && ino && (uint32_t)ino != (uint32_t)c->stat.ino)
		c->present = false; /* a later record is about the entry that has the name now */
	/* Another name of the inode was renamed here: a later record says so. */
	if (!c->id && c->present && hw_fill_renamed_from(c->share, &c->stat))
		c->present = false;
	if (c->present) {
		/* If the tree had the entry before, it was removed and created again; otherwise it
		 * was created twice. */
		if (!c->id && is_created_twice(c))
			create_present(c);
		if (c->id)
			hw_history_delete(c->share, c->id);
		create_present(c);
	} else if (!c->id && !hw_hint_is_vague(c)) {
		create_transient(c);
	}
}

/* ---- hints about one name ---- */

static void one_name(struct hw_hint_at *c)
{
	uint32_t what = c->hint->what;
	bool both = (what & HW_HINT_CREATED) && (what & HW_HINT_DELETED), is_new = !c->id;

	if (both)
		created_and_deleted(c);
	else if (what & HW_HINT_DELETED)
		deleted(c);
	else if (what & HW_HINT_CREATED)
		created(c);
	if (c->refused)
		return;
	if (what & HW_HINT_CREATED && c->id)
		hw_hint_data_before_name(c, is_new);
	bool gone = both && !c->present; /* another entry may have the name when data is examined */

	if (what & HW_HINT_DELETED && !c->id)
		hw_hint_data_of_gone(c);
	else
		hw_hint_data(c);
	if (gone && c->id)
		delete_entry(c);
}

static void self_attrib(struct hw_share *share)
{
	struct hw_stat stat;
	struct hw_entry *e = entry_of(share, HW_ROOT);

	if (hw_disk_stat_fd(&share->disk, hw_disk_root(&share->disk), &stat) < 0)
		return;
	bool told = hw_hint_is_attrib_of_dir(e, &stat);

	if (e->attr != stat.attr)
		hw_retry_access_changed(share, HW_ROOT);
	hw_tree_update(&share->tree, HW_ROOT, &stat);
	if (told && !share->silent)
		hw_history_attrib(share, HW_ROOT);
}

static bool waits(const struct hw_share *share)
{
	return share->settle.window_ns && !share->silent;
}

static void about_later(const struct hw_hint_at *at)
{
	const struct hw_fold_at place = { .dir = at->dir, .name = at->name, .len = at->len };
	struct hw_fold_number number = hw_hint_number(at->hint);
	uint32_t what = at->hint->what & ~HW_HINT_ARRIVED;

	number.ino = at->ino;
	if (!number.ino && !hw_tree_find(&at->share->tree, at->dir, at->name, at->len))
		number.ino = hw_hint_numbered_inode(at->name, at->len);
	what = hw_fold_hint(at->share, &place, what, &number, at->ordered);
	hw_settle_name(at->share, at->dir, at->name, at->len, what, number.ino);
}

static void about_name(struct hw_watcher *watcher, const struct hw_hint *hint,
		       const struct hw_fold_at *at, uint64_t ino)
{
	struct hw_share *share = watcher->share;
	uint32_t dir = at->dir;
	const char *name = at->name;
	size_t len = at->len;

	if (hw_share_is_excluded(share, dir, name, len, hint->type == HW_TYPE_DIR))
		return;
	hw_scan_touched(share, dir);
	hw_unverified_touch(share, hw_tree_token(&share->tree, dir), name, len, hint->what);
	hw_retry_hinted(share, dir, name, len);
	struct hw_hint_at c;

	hw_hint_at_init(&c, watcher, hint, at);
	c.ino = ino;
	if (waits(share)) {
		if (hint->type == HW_TYPE_DIR && hint->what & HW_HINT_CREATED) {
			share->settle.fold.new_dir = true;
			hw_mark_noted(share);
		}
		about_later(&c);
		return;
	}
	c.id = hw_tree_find(&share->tree, dir, name, len);
	one_name(&c);
}

/* Handles a hint of a directory about itself like one from its parent. The root has no parent. */
static void about_itself(struct hw_watcher *watcher, const struct hw_hint *hint, uint32_t dir,
			 uint32_t told_to_parent)
{
	struct hw_share *share = watcher->share;
	const struct hw_entry *e = entry_of(share, dir);
	struct hw_hint attrib = *hint;
	char name[HW_NAME_MAX];

	attrib.what &= HW_HINT_ATTRIB;
	attrib.type = HW_TYPE_DIR;
	attrib.handle_len = 0;
	/* Some kernels report an attrib twice, first for the parent. */
	if (!attrib.what || dir == told_to_parent)
		return;
	if (dir == HW_ROOT) {
		share->presence.changed = true;
		if (waits(share))
			hw_settle_name(share, dir, ".", 1, 0, 0);
		else
			self_attrib(share);
		return;
	}
	memcpy(name, hw_tree_name(&share->tree, dir), e->name_len);
	const struct hw_fold_at at = { .dir = e->parent, .name = name, .len = e->name_len };

	/* In a settle window its name may be another one by now. */
	about_name(watcher, &attrib, &at, e->ino);
}

/* ---- hints about a move: hint_move.c ---- */

static void handle_hint(struct hw_watcher *watcher, const struct hw_hint *hint)
{
	struct hw_share *share = watcher->share;
	uint32_t dir = hw_tree_by_token(&share->tree, hint->dir);

	if (hint->what & HW_HINT_LOOK) {
		if (dir)
			hw_hint_revalidate(share, dir, hint->name, hint->name_len);
		return;
	}
	if (hint->what & HW_HINT_GONE) {
		if (dir == HW_ROOT)
			share->presence.check = true;
		return;
	}
	if (hint->what & HW_HINT_MOVED) {
		hw_hint_move(watcher, hint, dir, hw_tree_by_token(&share->tree, hint->to_dir));
		return;
	}
	if (!dir)
		return;
	uint32_t told = share->hints.attrib_dir;

	share->hints.inverse_from = share->hints.inverse_to = 0;
	share->hints.attrib_dir = 0;
	if (hint->name_len == 1 && hint->name[0] == '.') {
		about_itself(watcher, hint, dir, told);
		return;
	}
	const struct hw_fold_at at = { .dir = dir, .name = hint->name, .len = hint->name_len };

	about_name(watcher, hint, &at, hw_hint_ino(hint));
	if (hint->what == HW_HINT_ATTRIB && hint->type == HW_TYPE_DIR)
		share->hints.attrib_dir =
			hw_tree_find(&share->tree, dir, hint->name, hint->name_len);
}

static void take_hint(struct hw_watcher *watcher, const struct hw_hint *hint);

/* Handles the hints that waited for the held move or name. One of them may be another one that is
 * held. */
static void take_waiting(struct hw_share *share)
{
	struct hw_waiting waiting = share->hints.waiting;

	share->hints.waiting = (struct hw_waiting){ 0 };
	for (uint32_t i = 0; i < waiting.count; i++) {
		struct hw_watcher *watcher = hw_waiting_watcher(share, &waiting.list[i]);

		if (watcher)
			take_hint(watcher, &waiting.list[i].hint);
	}
	hw_waiting_free(&waiting);
}

/* next: the hint that was read then; NULL: none. */
static void release_name(struct hw_share *share, const struct hw_hint *next)
{
	if (!share->hints.held_name.dir)
		return;
	hw_hint_decide_name(share, next);
	take_waiting(share);
}

static void take_hint(struct hw_watcher *watcher, const struct hw_hint *hint)
{
	struct hw_share *share = watcher->share;

	if (share->state == HW_SHARE_OFFLINE)
		return;
	share->verify.stuck_seq = 0;
	share->turn.hinted = true;
	if (hw_hint_waits_for_name(watcher, hint))
		return;
	release_name(share, hint);
	while (share->hints.held_move.dir || share->hints.waiting.count) {
		enum hw_held_answer answer = hw_hint_ask_held(share, hint);

		if (answer == HW_HELD_WAIT && hw_waiting_add(watcher, hint))
			return;
		if (answer == HW_HELD_WAIT)
			hw_hint_decide_held(share, false);
		bool waited = !share->hints.held_move.dir && share->hints.waiting.count;

		if (waited)
			take_waiting(share);
		if (answer == HW_HELD_PART)
			return;
		if (answer == HW_HELD_GO_ON && !waited)
			break;
	}
	handle_hint(watcher, hint);
}

void hw_hint_finish_name(struct hw_share *share)
{
	release_name(share, NULL);
}

void hw_hint_expire_name(struct hw_share *share)
{
	if (!hw_hint_name_may_move(share))
		release_name(share, NULL);
}

void hw_hint_expire_move(struct hw_share *share)
{
	while (share->hints.held_move.dir && !hw_hint_may_follow_held(share)) {
		hw_hint_decide_held(share, true);
		take_waiting(share);
	}
}

void hw_hint_finish_move(struct hw_share *share)
{
	while (share->hints.held_move.dir) {
		hw_hint_decide_held(share, !hw_hint_may_follow_held(share));
		take_waiting(share);
	}
}

void hw_watcher_hint(struct hw_watcher *watcher, const struct hw_hint *hint)
{
	struct hw_journal *journal = &watcher->share->journal;

	HW_STAGE(HW_STAGE_HINT);
	HW_PROBE3(hint, hint->what, hint->name, hint->name_len);
	hw_share_rest(watcher->share);
	hw_journal_begin_moment(journal);
	take_hint(watcher, hint);
	hw_journal_end_moment(journal);
}
