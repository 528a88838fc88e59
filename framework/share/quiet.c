/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quiet.h"

#include "history.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST 64u

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* ---- the queue: nearly in order of due times; what is put in with a shorter wait is late, by at
 * most the interval ---- */

static int grow(struct hw_quiet *quiet)
{
	uint32_t room = quiet->room ? quiet->room * 2 : FIRST;
	struct hw_quiet_item *ring = malloc(room * sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	for (uint32_t i = 0; i < quiet->count; i++)
		ring[i] = quiet->ring[(quiet->head + i) & (quiet->room - 1)];
	free(quiet->ring);
	quiet->ring = ring;
	quiet->room = room;
	quiet->head = 0;
	return 0;
}

static bool is_waiting(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = entry_of(share, id);

	return e->type == HW_TYPE_FILE && e->flags & HW_ENTRY_QUEUED && e->flags & HW_ENTRY_DIRTY;
}

/* Drops what is deleted or finished: files that come and go would fill memory for an interval. */
static void compact(struct hw_share *share)
{
	struct hw_quiet *quiet = &share->quiet;
	uint32_t kept = 0;

	/* A number that was used again stands in the queue twice: the flag finds the second. */
	for (uint32_t i = 0; i < quiet->count; i++) {
		struct hw_quiet_item item = quiet->ring[(quiet->head + i) & (quiet->room - 1)];

		if (!is_waiting(share, item.id)) {
			entry_of(share, item.id)->flags &= (uint8_t)~HW_ENTRY_QUEUED;
			continue;
		}
		entry_of(share, item.id)->flags &= (uint8_t)~HW_ENTRY_QUEUED;
		quiet->ring[(quiet->head + kept++) & (quiet->room - 1)] = item;
	}
	quiet->count = kept;
	for (uint32_t i = 0; i < kept; i++)
		entry_of(share, quiet->ring[(quiet->head + i) & (quiet->room - 1)].id)->flags |=
			HW_ENTRY_QUEUED;
}

static int make_room(struct hw_share *share)
{
	struct hw_quiet *quiet = &share->quiet;

	if (quiet->count < quiet->room)
		return 0;
	compact(share);
	return quiet->room && quiet->count <= quiet->room / 2 ? 0 : grow(quiet);
}

static void push(struct hw_share *share, uint32_t id, uint64_t due_ns)
{
	struct hw_quiet *quiet = &share->quiet;

	if (make_room(share) < 0) {
		hw_error("share %s: out of memory; a close_write event is lost", share->name);
		return;
	}
	quiet->ring[(quiet->head + quiet->count++) & (quiet->room - 1)] =
		(struct hw_quiet_item){ .id = id, .due_ns = due_ns };
	entry_of(share, id)->flags |= HW_ENTRY_QUEUED;
	if (quiet->count == 1)
		hw_timer_set(quiet->timer, share->interval_ns);
}

static uint32_t pop(struct hw_quiet *quiet)
{
	uint32_t id = quiet->ring[quiet->head].id;

	quiet->head = (quiet->head + 1) & (quiet->room - 1);
	quiet->count--;
	return id;
}

void hw_quiet_add(struct hw_share *share, uint32_t id)
{
	if (!(entry_of(share, id)->flags & HW_ENTRY_QUEUED))
		push(share, id, hw_loop_now_ns(share->loop) + share->interval_ns);
}

/* ---- checks ---- */

/*
 * What was written since the tree looked is told by the close_write that follows, and by a modify
 * when there was none before. A change of mode or owner is not: whoever watches has yet to find it.
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
	/* Of a new file they belong to its create. */
	if (!is_new)
		now.attr = e->attr;
	hw_tree_update(&share->tree, id, &now);
}

/*
 * 1: finished, told. 0: a writer has it. Where leases cannot tell, whoever asks is taken at its
 * word: the kernel told a close, or the interval is over. `seen`: what the disk has, or NULL.
 */
static int check(struct hw_share *share, uint32_t id, const struct hw_stat *seen)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat stat = seen ? *seen : (struct hw_stat){ 0 };
	int r = hw_disk_no_writer(&share->disk, e->parent, hw_tree_name(&share->tree, id),
				  e->name_len, &stat);

	if (r < 0 && r != -ENOENT &&
	    (seen || hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id),
				  e->name_len, &stat) == 0))
		r = 1;
	if (r == -ENOENT) { /* gone, which is told soon; or its name is another file's now */
		hw_history_close(share, id);
		return 1;
	}
	if (r >= 0 && hw_tree_is_same(e, &stat))
		take_over(share, id, &stat);
	if (r == 0)
		return 0;
	hw_history_close(share, id);
	return 1;
}

static int compare_ids(const void *a, const void *b, void *tree)
{
	return hw_tree_compare(tree, *(const uint32_t *)a, *(const uint32_t *)b);
}

/* All that are finished at one moment are one observation: in path order. */
static void check_all(struct hw_share *share, struct hw_ids *ids)
{
	if (ids->count)
		qsort_r(ids->ids, ids->count, sizeof(*ids->ids), compare_ids, &share->tree);
	for (uint32_t i = 0; i < ids->count; i++) {
		uint32_t id = ids->ids[i];

		if (i && id == ids->ids[i - 1])
			continue;
		if (check(share, id, NULL) == 0)
			hw_quiet_add(share, id);
	}
	hw_ids_free(ids);
}

/* How long until the file has been quiet for the interval, by the kernel's own record of its last
 * change. */
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

static void take_due(struct hw_share *share, struct hw_ids *due, bool all)
{
	struct hw_quiet *quiet = &share->quiet;
	uint64_t now = hw_loop_now_ns(share->loop);

	for (uint32_t left = quiet->count; left; left--) {
		if (!all && quiet->ring[quiet->head].due_ns > now)
			break;
		uint32_t id = pop(quiet);
		struct hw_entry *e = entry_of(share, id);

		if (e->type != HW_TYPE_FILE || !(e->flags & HW_ENTRY_QUEUED))
			continue;
		e->flags &= (uint8_t)~HW_ENTRY_QUEUED;
		if (!(e->flags & HW_ENTRY_DIRTY))
			continue;
		uint64_t wait = all ? 0 : still_to_wait(share, id);

		if (wait)
			push(share, id, now + wait);
		else
			(void)hw_ids_add(due,
					 id); /* without memory it is told at its next change */
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

static void closed_one(struct hw_share *share, uint32_t id, const struct hw_stat *seen)
{
	struct hw_entry *e = entry_of(share, id);
	struct hw_stat stat;

	if (share->silent)
		return;
	if (!(e->flags & HW_ENTRY_DIRTY)) {
		/* Opened for writing and closed: nothing happened unless its time says so. */
		if (e->flags & HW_ENTRY_PHANTOM ||
		    hw_disk_stat(&share->disk, e->parent, hw_tree_name(&share->tree, id),
				 e->name_len, &stat) < 0 ||
		    !hw_tree_is_same(e, &stat) || hw_history_compare(e, &stat, true) != HW_MODIFY)
			return;
		hw_history_modify(share, id);
	}
	(void)check(share, id, seen);
}

void hw_quiet_closed(struct hw_share *share, uint32_t id)
{
	hw_quiet_closed_as_seen(share, id, NULL);
}

void hw_quiet_closed_as_seen(struct hw_share *share, uint32_t id, const struct hw_stat *seen)
{
	uint32_t *ids;
	int count;

	if (entry_of(share, id)->type != HW_TYPE_FILE)
		return;
	if (entry_of(share, id)->nlink < 2) {
		closed_one(share, id, seen);
		return;
	}
	count = hw_history_names(share, id, &ids);
	for (int i = 0; i < count; i++)
		closed_one(share, ids[i], NULL);
	if (count >= 0)
		free(ids);
}

int hw_quiet_init(struct hw_share *share)
{
	return hw_timer_add(share->loop, timer_fired, share, &share->quiet.timer);
}

void hw_quiet_free(struct hw_share *share)
{
	if (share->quiet.timer)
		hw_timer_del(share->quiet.timer);
	free(share->quiet.ring);
	share->quiet = (struct hw_quiet){ 0 };
}
