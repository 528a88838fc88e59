/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mark.h"

#include "scan.h"
#include "share_private.h"

#include <hostwatch/probe.h>

#define FLUSH UINT64_MAX /* instead of a position: flush() passes on all records */

static bool get_position(const struct hw_watcher *watcher, uint32_t flags,
			 struct hw_queue_position *ret)
{
	*ret = (struct hw_queue_position){ .struct_size = sizeof(*ret), .flags = flags };
	return watcher->plugin->position &&
	       watcher->plugin->position(watcher->instance->self, ret) == 0;
}

static bool has_queue(const struct hw_watcher *watcher)
{
	return watcher->state == HW_WATCHER_RUNNING && !(watcher->plugin->flags & HW_PLUGIN_SCANS);
}

static void set(struct hw_share *share, struct hw_mark *mark, bool flush)
{
	struct hw_queue_position now;

	for (unsigned i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers.list[i];

		mark->of[i].serial = 0;
		if (!has_queue(watcher))
			continue;
		if (!get_position(watcher, 0, &now)) {
			if (!flush || !watcher->plugin->flush)
				continue;
			mark->of[i].at = FLUSH;
		} else {
			if (!now.queued)
				continue; /* it has been reached */
			mark->of[i].at = now.handed + now.queued;
		}
		mark->of[i].serial = watcher->serial;
	}
}

void hw_mark_set(struct hw_share *share, struct hw_mark *mark)
{
	set(share, mark, true);
	HW_PROBE1(mark_set, mark);
}

static bool has_unread(const struct hw_watcher *watcher)
{
	for (unsigned i = 0; i < HW_INPUTS_MAX; i++)
		if (watcher->instance->inputs[i] && hw_io_is_readable(watcher->instance->inputs[i]))
			return true;
	return false;
}

void hw_mark_flush(struct hw_share *share)
{
	for (unsigned i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers.list[i];

		if (has_queue(watcher) && watcher->plugin->flush && has_unread(watcher))
			(void)watcher->plugin->flush(watcher->instance->self); /* logs errors */
	}
}

static bool is_reached_by(const struct hw_watcher *watcher, uint64_t at)
{
	struct hw_queue_position now;

	if (at == FLUSH) {
		if (has_unread(watcher))
			(void)watcher->plugin->flush(watcher->instance->self); /* logs errors */
		return true;
	}
	return !get_position(watcher, HW_POSITION_HANDED, &now) || now.handed >= at;
}

bool hw_mark_is_read(struct hw_share *share, struct hw_mark *mark)
{
	for (unsigned i = 0; i < HW_WATCHERS_MAX; i++) {
		const struct hw_watcher *watcher = &share->watchers.list[i];

		if (!mark->of[i].serial)
			continue;
		if (has_queue(watcher) && watcher->serial == mark->of[i].serial &&
		    !is_reached_by(watcher, mark->of[i].at))
			return false;
		mark->of[i].serial = 0;
	}
	HW_PROBE1(mark_reached, mark);
	return true;
}

bool hw_mark_is_reached(struct hw_share *share, struct hw_mark *mark)
{
	return !share->hints.waiting.count && hw_mark_is_read(share, mark);
}

/* ---- proof that a place is outside the share ---- */

/* Later directories do not prolong the wait for earlier ones: they share the second place. */
static void note_arming(struct hw_share *share)
{
	struct hw_marks *marks = &share->marks;
	struct hw_arming *place = &marks->arming[marks->arming[0].set ? 1 : 0];

	if (!place->set)
		place->known_ns = marks->read_until_ns;
	place->set = true;
	set(share, &place->mark, false);
}

static void expire_arming(struct hw_share *share)
{
	struct hw_arming *arming = share->marks.arming;

	while (arming[0].set && hw_mark_is_reached(share, &arming[0].mark)) {
		arming[0] = arming[1];
		arming[1].set = false;
	}
}

/* A position costs a walk through the kernel's queue, under the lock that writers need. */
static bool is_behind(const struct hw_watcher *watcher)
{
	for (unsigned i = 0; i < HW_INPUTS_MAX; i++)
		if (watcher->instance->inputs[i] && hw_io_is_behind(watcher->instance->inputs[i]))
			return true;
	return false;
}

static bool any_is_behind(const struct hw_share *share)
{
	for (unsigned i = 0; i < HW_WATCHERS_MAX; i++)
		if (has_queue(&share->watchers.list[i]) && is_behind(&share->watchers.list[i]))
			return true;
	return false;
}

void hw_mark_roll(struct hw_share *share)
{
	struct hw_marks *marks = &share->marks;

	/* A position that is set after the arming is also right: it only waits for more records. */
	expire_arming(share);
	if (marks->armed)
		note_arming(share);
	marks->armed = false;
	if (!marks->rolling_ns) {
		if (any_is_behind(share))
			return;
		marks->rolling_ns = hw_now_coarse_ns();
		marks->rolling_seq = share->journal.next_seq;
		marks->rolling_count++;
		share->keep.changed.unmarked = false;
		set(share, &marks->rolling, false);
	}
	if (hw_mark_is_reached(share, &marks->rolling)) {
		marks->read_until_ns = marks->rolling_ns;
		marks->read_before_seq = marks->read_until_seq;
		marks->read_until_seq = marks->rolling_seq;
		marks->read_count = marks->rolling_count;
		marks->rolling_ns = 0;
	}
}

void hw_mark_armed(struct hw_share *share)
{
	share->marks.armed |= !share->silent;
}

void hw_mark_begin_history(struct hw_share *share)
{
	share->marks = (struct hw_marks){ .read_until_ns = share->begun_ns,
					  .read_before_seq = share->journal.next_seq,
					  .read_until_seq = share->journal.next_seq };
}

void hw_mark_noted(struct hw_share *share)
{
	if (!share->marks.noted)
		share->marks.noted_ns = share->marks.read_until_ns;
	share->marks.noted = true;
}

void hw_mark_noted_again(struct hw_share *share)
{
	struct hw_marks *marks = &share->marks;
	int64_t since_ns = marks->examined ? marks->examined_ns : marks->read_until_ns;

	if (!marks->noted || since_ns < marks->noted_ns)
		marks->noted_ns = since_ns;
	marks->noted = true;
}

void hw_mark_round_begins(struct hw_share *share)
{
	share->marks.examined = share->marks.noted;
	share->marks.examined_ns = share->marks.noted_ns;
	share->marks.noted = false;
}

void hw_mark_round_ends(struct hw_share *share)
{
	share->marks.examined = false;
}

static bool is_listing(const struct hw_share *share)
{
	return share->scan.walking || !hw_scan_is_idle(share);
}

bool hw_mark_covers_tree(const struct hw_share *share)
{
	return !share->marks.rolling_ns && !share->keep.changed.unmarked;
}

bool hw_mark_proves_outside(struct hw_share *share)
{
	struct hw_marks *marks = &share->marks;

	if (marks->armed || marks->noted || marks->examined || is_listing(share))
		return false;
	expire_arming(share);
	return !marks->arming[0].set;
}

int64_t hw_mark_known_ns(struct hw_share *share)
{
	const struct hw_marks *marks = &share->marks;
	int64_t known = marks->read_until_ns;

	expire_arming(share);
	if (marks->arming[0].set && marks->arming[0].known_ns < known)
		known = marks->arming[0].known_ns;
	if (marks->noted && marks->noted_ns < known)
		known = marks->noted_ns;
	if (marks->examined && marks->examined_ns < known)
		known = marks->examined_ns;
	if (is_listing(share) && marks->walk_ns < known)
		known = marks->walk_ns;
	return known;
}
