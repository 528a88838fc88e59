/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify.h"

#include "lock.h"
#include "observe.h"
#include "settle.h"
#include "sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the names of a round ---- */

/* Moves all unverified names into the round. */
static void take_names(struct hw_share *share)
{
	struct hw_verify *verify = &share->verify;
	struct hw_notes spare = verify->names;

	hw_fold_expand(share);
	hw_unverified_name_entries(share);
	share->unverified.entries.count = 0;
	verify->names = share->unverified.names;
	share->unverified.names = spare;
	hw_notes_clear(&share->unverified.names);
	hw_notes_clear(&verify->touched);
	verify->all_touched = false;
	hw_mark_round_begins(share);
}

static void release(struct hw_share *share)
{
	struct hw_verify *verify = &share->verify;

	hw_observation_free(verify->observation);
	verify->observation = NULL;
	hw_notes_clear(&verify->names);
	hw_mark_round_ends(share);
}

static void end(struct hw_share *share)
{
	release(share);
	share->verify.ended = share->verify.begun;
}

/* ---- examining ---- */

static int compare_dirs(const void *a, const void *b, void *arg)
{
	const struct hw_item *const *x = a, *const *y = b;

	(void)arg;
	return ((*x)->dir > (*y)->dir) - ((*x)->dir < (*y)->dir);
}

static bool must_be_explained(const struct hw_item *item)
{
	return !item->resolved || item->differs || item->changed;
}

/* If the directory could not be opened, it was moved: locks the parent that it was in. */
static uint32_t dir_to_lock(const struct hw_share *share, const struct hw_item *item)
{
	uint32_t dir = (uint32_t)item->dir;

	return item->resolved || dir == HW_ROOT ? dir : hw_tree_entry(&share->tree, dir)->parent;
}

/* Locks and unlocks, once each, the directories of names that differ, and of entries that changed:
 * a rename sets the times of the inode before the name moves. */
static void lock_parents(struct hw_share *share, struct hw_observation *o)
{
	struct hw_item **differ = reallocarray(NULL, o->count, sizeof(struct hw_item *));
	const struct hw_sort how = { compare_dirs, NULL, &share->work };
	uint32_t count = 0;

	for (uint32_t i = 0; i < o->count && differ; i++)
		if (must_be_explained(hw_observation_item(o, i)))
			differ[count++] = &o->items[i];
	hw_sort(differ, count, sizeof(*differ), &how);
	for (uint32_t i = 0; i < count; i++) {
		hw_share_rest(share);
		if (!i || differ[i]->dir != differ[i - 1]->dir)
			/* A directory that is gone has no pending operations. If locking fails, the
			 * mark has to suffice. */
			(void)hw_disk_lock(&share->disk, dir_to_lock(share, differ[i]));
	}
	free(differ);
}

static bool must_wait(const struct hw_observation *o)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (must_be_explained(hw_observation_item(o, i)))
			return true;
	return false;
}

/* ---- the end of a round ---- */

#define HINTS_OF_NAME (HW_HINT_CREATED | HW_HINT_DELETED | HW_HINT_MOVED)

/* Returns whether a record explains the difference, or changed the name since it was examined. */
static bool is_touched(const struct hw_verify *verify, const struct hw_item *item)
{
	bool same = item->present && !item->differs;
	uint8_t explains = same ? UINT8_MAX : HINTS_OF_NAME;

	return verify->all_touched ||
	       hw_notes_find(&verify->touched, item->dir, item->name, item->len) & explains;
}

static bool any_touched(const struct hw_observation *o, const struct hw_verify *verify)
{
	for (uint32_t i = 0; i < o->count; i++)
		if (is_touched(verify, hw_observation_item(o, i)))
			return true;
	return false;
}

/* A record said that data or attributes changed after the name was examined. It was about the entry
 * that the tree had there, not about the one that is reported now. */
static void note_changed(struct hw_share *share, const struct hw_item *item)
{
	const struct hw_notes *touched = &share->verify.touched;

	if (item->present &&
	    hw_notes_find(touched, item->dir, item->name, item->len) & HW_HINTS_OF_DATA)
		hw_unverified_name(share, (uint32_t)item->dir, item->name, item->len);
}

/* Drops the names that records were about: their events have been reported. The entries, which may
 * have other names now, are noted as unverified. */
static void drop_touched(struct hw_share *share)
{
	const struct hw_verify *verify = &share->verify;
	struct hw_observation *o = verify->observation;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < o->count; i++) {
		const struct hw_item *item = hw_observation_item(o, i);

		if (!is_touched(verify, item)) {
			note_changed(share, item);
			o->items[kept++] = *item;
		} else if (item->what & HW_HINT_AWAY) {
			hw_observation_give_back(share, item);
		} else if (item->entry) {
			hw_unverified_entry(share, item->entry);
		}
	}
	o->count = kept;
}

static void give_back_all(struct hw_share *share)
{
	const struct hw_observation *o = share->verify.observation;

	for (uint32_t i = 0; i < o->count; i++)
		hw_observation_give_back(share, hw_observation_item(o, i));
}

static void report(struct hw_share *share)
{
	struct hw_verify *verify = &share->verify;
	uint32_t waiting;

	if (!share->settle.window_ns)
		drop_touched(share);
	waiting = share->unverified.names.count + share->unverified.entries.count;
	hw_observation_report(verify->observation);
	end(share);
	if (share->unverified.names.count + share->unverified.entries.count > waiting)
		verify->follows = verify->begun + 1;
}

static void finish(struct hw_share *share)
{
	hw_observe_finish(share);
	share->verify.walked = share->verify.walk;
}

static void examine(struct hw_share *share)
{
	struct hw_verify *verify = &share->verify;

	hw_observation_examine(verify->observation);
	memset(&verify->mark, 0, sizeof(verify->mark));
	if (!must_wait(verify->observation))
		return; /* no mark to wait for */
	lock_parents(share, verify->observation);
	hw_mark_set(share, &verify->mark);
}

/* In a settle window, names of records that were read since the examination also wait. All names
 * are examined together once more; for a name that changes all the time, this shows the net
 * effect. */
static bool must_examine_again(struct hw_share *share)
{
	struct hw_verify *verify = &share->verify;

	if (!share->settle.window_ns || verify->again)
		return false;
	verify->again = true;
	return any_touched(verify->observation, verify);
}

static void examine_again(struct hw_share *share)
{
	struct hw_verify *verify = &share->verify;

	hw_observation_extend(verify->observation, &verify->touched);
	hw_notes_clear(&verify->touched);
	verify->all_touched = false;
	examine(share);
}

/* Continues the round until it has to wait for a mark. */
static void go_on(struct hw_share *share)
{
	struct hw_verify *verify = &share->verify;

	while (verify->observation) {
		if (!hw_mark_is_reached(share, &verify->mark) || !verify->observation)
			return; /* not yet, or records were lost meanwhile */
		hw_notes_compact(&verify->touched);
		if (!must_examine_again(share)) {
			report(share);
			finish(share);
			return;
		}
		examine_again(share);
	}
	end(share); /* there were no names */
	finish(share);
}

void hw_verify_advance(struct hw_share *share)
{
	if (hw_verify_is_active(share))
		go_on(share);
}

/* There is no memory for the round: its names wait for the next one. */
static void postpone(struct hw_share *share, int64_t since_ns)
{
	struct hw_verify *verify = &share->verify;
	struct hw_notes none = share->unverified.names;

	share->unverified.names = verify->names;
	verify->names = none;
	end(share);
	if (!share->unverified.since_ns)
		share->unverified.since_ns = since_ns;
	verify->walk_waits |= verify->compares;
	share->scan.walking |= verify->walk;
	hw_shortage_wait(share);
	if (share->settle.window_ns)
		hw_settle_begin(share);
}

void hw_verify_begin(struct hw_share *share, int64_t since_ns, bool walk)
{
	share->verify.walk = walk;
	share->verify.compares = walk || share->verify.walk_waits;
	share->verify.walk_waits = false;
	share->verify.again = false;
	share->verify.begun++;
	take_names(share);
	share->verify.observation = hw_observation_create(share, &share->verify.names, since_ns);
	if (!share->verify.observation && share->verify.names.count) {
		postpone(share, since_ns);
		return;
	}
	if (share->verify.observation)
		examine(share);
	go_on(share);
}

void hw_verify_void(struct hw_share *share)
{
	if (!hw_verify_is_active(share))
		return;
	give_back_all(share);
	end(share);
	share->verify.walk_waits |= share->verify.compares;
	share->scan.walking |= share->verify.walk; /* the walk ends when they have been verified */
}

void hw_verify_free(struct hw_share *share)
{
	if (hw_verify_is_active(share))
		end(share);
	hw_notes_free(&share->verify.names);
	hw_notes_free(&share->verify.touched);
}
