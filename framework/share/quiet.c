/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quiet.h"

#include "history.h"
#include "share_private.h"
#include "sort.h"

#include <errno.h>
#include <stdlib.h>

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* ---- checks ---- */

/*
 * No writer has the file open: data written since the tree was updated is reported by the
 * close_write that follows, and by a modify if that was not the last event. A change of mode or
 * owner is left to its own hint or the next scan, unless it belongs to the create.
 */
static void take_over(struct hw_share *share, uint32_t id, const struct hw_stat *stat)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat now = *stat;
	bool data = hw_history_is_data(e, stat), is_new = e->flags & HW_ENTRY_NEW;

	if (!data && !is_new)
		return;
	if (data && !(e->flags & HW_ENTRY_STALE) && e->last_kind != HW_MODIFY)
		hw_history_modify(share, id);
	if (!is_new)
		now.attr = hw_tree_attr_seen(e, &now);
	hw_tree_update(&share->tree, id, &now);
}

/*
 * Returns 1 if the file is finished; 0 if a writer has it open, or it is not at its name: it was
 * renamed or deleted, which is reported soon, and its writers are unknown until then. Where leases
 * are not available, the interval decides. Reports modify, but not close_write.
 */
static int examine(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat stat = { 0 };
	int r = hw_disk_no_writer(&share->disk, e->parent, hw_tree_name(&share->tree, id),
				  e->name_len, &stat);

	if (r < 0 && hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id),
				  e->name_len, &stat) == 0)
		r = 1;
	if (r <= 0 || !hw_tree_is_same(e, &stat))
		return 0;
	take_over(share, id, &stat);
	if (hw_history_is_unannounced(e))
		hw_history_modify(share, id);
	return 1;
}

static int compare_ids(const void *a, const void *b, void *tree)
{
	return hw_tree_compare(tree, *(const uint32_t *)a, *(const uint32_t *)b);
}

static void sort_ids(struct hw_share *share, struct hw_ids *ids)
{
	const struct hw_sort how = { compare_ids, &share->tree, &share->work };

	hw_sort(ids->ids, ids->count, sizeof(*ids->ids), &how);
}

/* No writer has the inode open, so it is finished under all its names. */
static void close_names(struct hw_share *share, uint32_t id)
{
	uint32_t *ids;
	int count;

	if (!(entry_of(share, id)->flags & HW_ENTRY_DIRTY))
		return; /* closed with another of its names */
	if (entry_of(share, id)->nlink < 2) {
		hw_history_close(share, id);
		return;
	}
	count = hw_history_names(share, id, &ids);
	for (int i = 0; i < count; i++)
		hw_history_close(share, ids[i]);
	if (count >= 0)
		free(ids);
}

/* Files that finish at one moment are one observation: modify, then close_write, in path order. */
static void check_all(struct hw_share *share, struct hw_ids *ids)
{
	uint32_t kept = 0, last = 0;

	sort_ids(share, ids);
	for (uint32_t i = 0; i < ids->count; i++) {
		uint32_t id = ids->ids[i];

		hw_share_rest(share);
		if (id == last)
			continue;
		last = id;
		if (examine(share, id))
			ids->ids[kept++] = id;
		else
			hw_quiet_add(share, id);
	}
	for (uint32_t i = 0; i < kept; i++) {
		hw_share_rest(share);
		close_names(share, ids->ids[i]);
	}
	hw_ids_free(ids);
}

/* Returns the time until the file has been idle for the interval, according to its ctime. */
static uint64_t still_to_wait(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat stat;

	if (hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			 &stat) < 0)
		return 0;
	int64_t age = hw_now_coarse_ns() - stat.ctime_ns;

	if (age < 0 || (uint64_t)age >= share->interval_ns)
		return 0;
	return share->interval_ns - (uint64_t)age;
}

/* Also drops files whose close was reported, before they are due: the timer would fire for each. */
static void take_due(struct hw_share *share, struct hw_ids *due, bool all)
{
	struct hw_quiet *quiet = &share->quiet;
	uint64_t now = hw_loop_now_ns(share->loop);

	for (uint32_t left = quiet->count; left; left--) {
		const struct hw_quiet_item first = quiet->ring[quiet->head];
		bool waits = hw_quiet_is_waiting(share, first.id);

		if (waits && !all && first.due_ns > now)
			break;
		hw_share_rest(share);
		uint32_t id = hw_quiet_pop(share);

		if (!waits)
			continue;
		uint64_t wait = all ? 0 : still_to_wait(share, id);

		if (wait)
			hw_quiet_push(share, id, now + wait);
		else
			(void)hw_ids_add(due, id); /* if out of memory: its next change */
	}
}

static void timer_fired(void *arg, struct hw_timer *timer)
{
	struct hw_share *share = arg;
	struct hw_ids due = { 0 };

	if (share->state == HW_SHARE_ONLINE) {
		take_due(share, &due, false);
		check_all(share, &due);
	}
	if (share->quiet.count) {
		uint64_t now = hw_loop_now_ns(share->loop),
			 next = share->quiet.ring[share->quiet.head].due_ns;

		if (share->state != HW_SHARE_ONLINE)
			next = now + share->interval_ns;
		hw_timer_set(timer, next > now ? next - now : HW_MS);
	}
}

void hw_quiet_flush(struct hw_share *share)
{
	struct hw_ids due = { 0 };

	take_due(share, &due, true);
	check_all(share, &due);
}

/* Reports modify if the file was changed without a hint: through a mapping or native AIO. */
static void report_silent_change(struct hw_share *share, uint32_t id, const struct hw_stat *seen)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat stat;

	/* If the tree does not have the data of the file yet, modify was reported in this
	 * iteration. */
	if (e->flags & (HW_ENTRY_TRANSIENT | HW_ENTRY_STALE))
		return;
	if (seen)
		stat = *seen;
	else if (hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			      &stat) < 0 ||
		 !hw_tree_is_same(e, &stat))
		return;
	if (hw_history_compare(e, &stat, true) != HW_MODIFY)
		return;
	hw_tree_note(&share->tree, id);
	e->nlink = (uint16_t)stat.nlink; /* it may have a new name */
	hw_history_modify(share, id);
	hw_tree_update(&share->tree, id, &stat);
	hw_history_siblings(share, id, &stat, true);
}

/* Returns whether a new file that was closed without a modify may have content. */
static bool needs_look(const struct hw_entry *e)
{
	return e->flags & HW_ENTRY_NEW && !(e->flags & (HW_ENTRY_MODIFIED | HW_ENTRY_TRANSIENT)) &&
	       !e->size;
}

static void look(struct hw_share *share, uint32_t id, const struct hw_stat *seen)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat stat;

	if (seen)
		stat = *seen;
	else if (hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			      &stat) < 0)
		return;
	if (hw_tree_is_same(e, &stat))
		hw_tree_update(&share->tree, id, &stat);
}

/* Reports changes without a hint before the close. */
static void announce(struct hw_share *share, uint32_t id, const struct hw_stat *seen)
{
	struct hw_entry *e = entry_of(share, id);

	if (needs_look(e))
		look(share, id, seen);
	if (hw_history_is_unannounced(e))
		hw_history_modify(share, id);
	else if (!(e->flags & HW_ENTRY_DIRTY))
		report_silent_change(share, id, seen);
}

/* Takes over the data that was examined: any later change has a later hint. A change of mode or
 * owner is left to its hint, unless it belongs to the create. */
static void adopt(struct hw_share *share, uint32_t id, const struct hw_stat *seen)
{
	const struct hw_entry *e = entry_of(share, id);
	struct hw_stat now;

	if (!seen || !hw_tree_is_same(e, seen))
		return;
	now = *seen;
	if (!(e->flags & HW_ENTRY_NEW))
		now.attr = hw_tree_attr_seen(e, &now);
	hw_tree_update(&share->tree, id, &now);
}

/* Stats a file whose modify was reported in an earlier iteration: it may have been written through
 * a mapping since. Returns NULL if the tree has its state, or takes it over later. */
static const struct hw_stat *look_again(struct hw_share *share, uint32_t id, struct hw_stat *ret)
{
	const struct hw_entry *e = entry_of(share, id);

	if (!(e->flags & HW_ENTRY_DIRTY) || e->flags & (HW_ENTRY_STALE | HW_ENTRY_TRANSIENT) ||
	    needs_look(e) || e->nlink > 1)
		return NULL;
	if (hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			 ret) < 0 ||
	    hw_history_is_touched(share, e, ret))
		return NULL;
	return ret;
}

/* A reported close is believed without a lease: the kernel queues the record before it releases the
 * file, so a lease may still be refused. */
void hw_quiet_closed(struct hw_share *share, uint32_t id, const struct hw_stat *seen)
{
	struct hw_stat stat;
	uint32_t *ids;
	int count;

	if (share->silent || entry_of(share, id)->type != HW_TYPE_FILE)
		return;
	if (!seen)
		seen = look_again(share, id, &stat);
	if (entry_of(share, id)->nlink < 2) {
		announce(share, id, seen);
		adopt(share, id, seen);
		hw_history_close(share, id);
		return;
	}
	count = hw_history_names(share, id, &ids);
	for (int i = 0; i < count; i++)
		announce(share, ids[i], NULL);
	for (int i = 0; i < count; i++)
		hw_history_close(share, ids[i]);
	if (count >= 0)
		free(ids);
}

/* ---- retries ---- */

/* The kernel queues the record of a close before it releases the file. Pacing: 1, 2, 4 ... ms; then
 * the interval decides. */
#define RETRIES 8u

static void try_again(struct hw_share *share, uint32_t id)
{
	struct hw_quiet *quiet = &share->quiet;

	if (hw_ids_add(&quiet->refused, id) < 0)
		return; /* tried after the interval */
	quiet->retries = 0;
	hw_timer_set(quiet->retry, HW_MS);
}

/* Returns whether the records have been read that were queued when this was asked first since the
 * last attempt: they decide first. Later ones do not prolong the wait. */
static bool may_retry(struct hw_share *share)
{
	struct hw_quiet *quiet = &share->quiet;

	if (share->state != HW_SHARE_ONLINE)
		return false;
	if (!quiet->is_refused_marked)
		hw_mark_set(share, &quiet->refused_mark);
	quiet->is_refused_marked = !hw_mark_is_reached(share, &quiet->refused_mark);
	return !quiet->is_refused_marked;
}

/* Returns whether a lease shows that no writer has the file open. */
static bool is_finished(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat stat = { 0 };

	if (hw_disk_no_writer(&share->disk, e->parent, hw_tree_name(&share->tree, id), e->name_len,
			      &stat) <= 0 ||
	    !hw_tree_is_same(e, &stat))
		return false;
	hw_tree_update(&share->tree, id, &stat);
	return true;
}

/* Returns whether no writer has the file open any more. The record of the close may be queued but
 * not read yet: a new file waits for it as if a listing had found it. */
static bool try_refused(struct hw_share *share, uint32_t id)
{
	if (entry_of(share, id)->flags & HW_ENTRY_NEW) {
		if (!is_finished(share, id))
			return false;
		hw_quiet_found(share, id);
		return true;
	}
	if (!examine(share, id))
		return false;
	close_names(share, id);
	return true;
}

static void retry_fired(void *arg, struct hw_timer *timer)
{
	struct hw_share *share = arg;
	struct hw_quiet *quiet = &share->quiet;
	struct hw_ids *ids = &quiet->refused;
	uint32_t kept = 0;
	bool wait = !may_retry(share);

	for (uint32_t i = 0; i < ids->count; i++) {
		uint32_t id = ids->ids[i];
		const struct hw_entry *e = entry_of(share, id);

		hw_share_rest(share);
		if (e->type != HW_TYPE_FILE || !(e->flags & HW_ENTRY_DIRTY))
			continue;
		if (wait || !try_refused(share, id))
			ids->ids[kept++] = id;
	}
	ids->count = kept;
	if (quiet->found.count)
		hw_share_kick(share);
	quiet->retries += !wait;
	if (quiet->retries >= RETRIES)
		ids->count = 0;
	else if (kept)
		hw_timer_set(timer, HW_MS << quiet->retries);
}

/* Keeps the files that no writer has open in the list. */
static void keep_finished(struct hw_share *share, struct hw_ids *ids)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < ids->count; i++) {
		uint32_t id = ids->ids[i];
		const struct hw_entry *e = entry_of(share, id);

		hw_share_rest(share);
		if (e->type != HW_TYPE_FILE || !(e->flags & HW_ENTRY_DIRTY) ||
		    !(e->flags & HW_ENTRY_NEW))
			continue;
		if (is_finished(share, id))
			ids->ids[kept++] = id;
		else
			try_again(share, id);
	}
	ids->count = kept;
}

/* Returns whether an event about the file was reported since the lease was granted: it may be open
 * again. */
static bool has_events(const struct hw_share *share, const struct hw_entry *e)
{
	return (int32_t)(e->last_seq - share->quiet.finished_seq) > 0;
}

/* The records that were queued before the lease have been read: reports the files that no record
 * was about. */
static void report_finished(struct hw_share *share)
{
	struct hw_ids ids = share->quiet.finished;
	uint32_t kept = 0;

	share->quiet.finished = (struct hw_ids){ 0 };
	for (uint32_t i = 0; i < ids.count; i++) {
		const struct hw_entry *e = entry_of(share, ids.ids[i]);

		hw_share_rest(share);
		if (e->type != HW_TYPE_FILE || !(e->flags & HW_ENTRY_DIRTY))
			continue;
		if (has_events(share, e))
			hw_quiet_found(share, ids.ids[i]);
		else
			ids.ids[kept++] = ids.ids[i];
	}
	ids.count = kept;
	sort_ids(share, &ids);
	for (uint32_t i = 0; i < ids.count; i++) {
		hw_share_rest(share);
		if (hw_history_is_unannounced(entry_of(share, ids.ids[i])))
			hw_history_modify(share, ids.ids[i]);
	}
	for (uint32_t i = 0; i < ids.count; i++) {
		hw_share_rest(share);
		close_names(share, ids.ids[i]);
	}
	hw_ids_free(&ids);
	if (share->quiet.found.count)
		hw_share_kick(share);
}

static void try_found(struct hw_share *share)
{
	struct hw_quiet *quiet = &share->quiet;

	hw_ids_free(&quiet->finished);
	quiet->finished = quiet->found;
	quiet->found = (struct hw_ids){ 0 };
	keep_finished(share, &quiet->finished);
	quiet->finished_seq = (uint32_t)hw_journal_last_seq(&share->journal);
	hw_mark_set(share, &quiet->finished_mark);
}

void hw_quiet_try_found(struct hw_share *share)
{
	struct hw_quiet *quiet = &share->quiet;

	if (share->scan.walking || share->state != HW_SHARE_ONLINE)
		return;
	if (!quiet->finished.count && quiet->found.count)
		try_found(share);
	if (quiet->finished.count && hw_mark_is_reached(share, &quiet->finished_mark))
		report_finished(share);
}

void hw_quiet_try(struct hw_share *share, uint32_t id)
{
	if (share->silent || !(entry_of(share, id)->flags & HW_ENTRY_DIRTY))
		return;
	if (examine(share, id))
		close_names(share, id);
	else
		try_again(share, id);
}

void hw_quiet_try_newest(struct hw_share *share)
{
	const struct hw_quiet *quiet = &share->quiet;
	uint32_t left = quiet->count < HW_QUIET_NEWEST ? quiet->count : HW_QUIET_NEWEST;

	for (uint32_t at = quiet->head + quiet->count; left; left--) {
		uint32_t id = quiet->ring[--at & (quiet->room - 1)].id;
		const struct hw_entry *e = entry_of(share, id);

		if (e->type == HW_TYPE_FILE && e->flags & HW_ENTRY_DIRTY && e->flags & HW_ENTRY_NEW)
			hw_quiet_found(share, id);
	}
}

int hw_quiet_init(struct hw_share *share)
{
	int r = hw_share_add_timer(share, timer_fired, &share->quiet.timer);

	return r < 0 ? r : hw_share_add_timer(share, retry_fired, &share->quiet.retry);
}

void hw_quiet_free(struct hw_share *share)
{
	if (share->quiet.timer)
		hw_timer_del(share->quiet.timer);
	if (share->quiet.retry)
		hw_timer_del(share->quiet.retry);
	free(share->quiet.ring);
	hw_ids_free(&share->quiet.found);
	hw_ids_free(&share->quiet.finished);
	hw_ids_free(&share->quiet.refused);
	share->quiet = (struct hw_quiet){ 0 };
}
