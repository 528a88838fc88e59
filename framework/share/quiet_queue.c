/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that wait for their close_write. */
#include "quiet.h"

#include "share_private.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST 64u

static struct hw_entry *entry_of(struct hw_share *share, uint32_t id)
{
	return hw_tree_entry(&share->tree, id);
}

/* ---- the queue: nearly in order of due times; an item with a shorter wait is late, by at most the
 * interval ---- */

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

bool hw_quiet_is_waiting(struct hw_share *share, uint32_t id)
{
	const struct hw_entry *e = entry_of(share, id);

	return e->type == HW_TYPE_FILE && e->flags & HW_ENTRY_QUEUED && e->flags & HW_ENTRY_DIRTY;
}

/* A recycled entry number may be that of a directory, of which the flag says something else. */
static void unqueue(struct hw_share *share, uint32_t id)
{
	struct hw_entry *e = entry_of(share, id);

	if (e->type == HW_TYPE_FILE)
		e->flags &= (uint8_t)~HW_ENTRY_QUEUED;
}

uint32_t hw_quiet_pop(struct hw_share *share)
{
	struct hw_quiet *quiet = &share->quiet;
	uint32_t id = quiet->ring[quiet->head].id;

	quiet->head = (quiet->head + 1) & (quiet->room - 1);
	quiet->count--;
	unqueue(share, id);
	return id;
}

/* Drops deleted and finished files: otherwise short-lived files would use memory for an
 * interval. */
static void compact(struct hw_share *share)
{
	struct hw_quiet *quiet = &share->quiet;
	uint32_t kept = 0;

	/* A recycled entry number is in the queue twice: the flag shows the second one. */
	for (uint32_t i = 0; i < quiet->count; i++) {
		struct hw_quiet_item item = quiet->ring[(quiet->head + i) & (quiet->room - 1)];

		if (hw_quiet_is_waiting(share, item.id))
			quiet->ring[(quiet->head + kept++) & (quiet->room - 1)] = item;
		unqueue(share, item.id);
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

void hw_quiet_push(struct hw_share *share, uint32_t id, uint64_t due_ns)
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

void hw_quiet_add(struct hw_share *share, uint32_t id)
{
	if (!(entry_of(share, id)->flags & HW_ENTRY_QUEUED))
		hw_quiet_push(share, id, hw_loop_recent_ns(share->loop) + share->interval_ns);
}

void hw_quiet_found(struct hw_share *share, uint32_t id)
{
	uint8_t watcher = entry_of(share, entry_of(share, id)->parent)->watcher;

	/* No watcher reports closes there: the closes of one scan are reported together. */
	if (watcher == HW_WATCHER_NONE ||
	    share->watchers.list[watcher].plugin->flags & HW_PLUGIN_SCANS)
		return;
	(void)hw_ids_add(&share->quiet.found, id); /* if out of memory: after the interval */
}
