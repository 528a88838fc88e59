/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public state of a share: its status, journal and tree. */
#include "share_private.h"
#include "watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *hw_share_name(const struct hw_share *share)
{
	return share->name;
}

enum hw_share_state hw_share_state(const struct hw_share *share)
{
	return share->state;
}

const char *hw_share_state_name(enum hw_share_state state)
{
	static const char *const names[] = {
		[HW_SHARE_ARMING] = "arming",
		[HW_SHARE_ONLINE] = "online",
		[HW_SHARE_OFFLINE] = "offline",
	};

	return names[state];
}

uint64_t hw_share_epoch(const struct hw_share *share)
{
	return share->epoch;
}

uint64_t hw_share_seq(const struct hw_share *share)
{
	return hw_keep_last_seq(share);
}

uint64_t hw_share_count_after(const struct hw_share *share, uint64_t after)
{
	uint64_t hidden = hw_journal_last_seq(&share->journal) - hw_keep_last_seq(share);
	uint64_t count = hw_journal_count_after(&share->journal, after);

	return count > hidden ? count - hidden : 0;
}

uint64_t hw_share_oldest(const struct hw_share *share)
{
	return hw_journal_oldest(&share->journal);
}

int hw_share_cursor_init(const struct hw_share *share, uint64_t after,
			 struct hw_journal_cursor *cursor)
{
	return after > hw_keep_last_seq(share) ? -ESTALE
					       : hw_journal_seek(&share->journal, after, cursor);
}

int hw_share_cursor_next(const struct hw_share *share, struct hw_journal_cursor *cursor,
			 struct hw_event *ret)
{
	/* An event is not lost with the daemon before a receiver has it. Whether a directory is
	 * where it was is known when it has been compared with the disk. */
	if (cursor->seq == hw_keep_last_seq(share) ||
	    (share->state == HW_SHARE_ARMING && share->journal.gap_count &&
	     hw_journal_scoped_gap(&share->journal, cursor->seq)))
		return 0;
	return hw_journal_next(&share->journal, cursor, ret);
}

static void add_watcher(struct hw_watcher *watcher, struct hw_share_status *ret)
{
	struct hw_watcher_stats stats;

	hw_watcher_get_stats(watcher, &stats);
	if (watcher->state == HW_WATCHER_RUNNING)
		ret->watchers[ret->watcher_count++] = (struct hw_share_watcher){
			.name = watcher->instance->name,
			.plugin = watcher->plugin->name,
			.directories = watcher->directories,
			.watches = stats.watches,
			.kernel_events = stats.kernel_events,
			.overflows = stats.overflows,
		};
	ret->armed += watcher->directories;
	ret->watches += stats.watches;
	ret->kernel_events += stats.kernel_events;
	ret->overflows += stats.overflows;
}

static const char *why_of(const struct hw_share *share)
{
	bool refused = share->state == HW_SHARE_OFFLINE && *share->root.refusal;

	return refused ? share->root.refusal : share->why;
}

void hw_share_get_status(struct hw_share *share, struct hw_share_status *ret)
{
	uint8_t first = hw_tree_entry(&share->tree, HW_ROOT)->watcher;
	uint64_t silent_ns = hw_silence_ns(share);

	*ret = (struct hw_share_status){
		.name = share->name,
		.path = share->path,
		.state = share->state,
		.backend =
			first == HW_WATCHER_NONE ? "" : share->watchers.list[first].instance->name,
		.why = why_of(share),
		.epoch = share->epoch,
		.seq = hw_share_seq(share),
		.entries = share->tree.entries,
		.directories = share->tree.directories,
		.kernel_events = share->watchers.past_events,
		.overflows = share->watchers.past_overflows,
		.rescans = share->history.rescans,
		.retrying = (uint64_t)share->retry.count + share->retry.left_out,
		.refusals = share->retry.refusals,
		.silent_since_ns = silent_ns ? (uint64_t)hw_now_coarse_ns() - silent_ns : 0,
		.short_since_ns = (uint64_t)share->shortage.since_ns,
		.tree_bytes = hw_tree_bytes(&share->tree),
		/* The rest of the ring was never touched, and takes no memory. */
		.journal_bytes = share->journal.head < share->journal.size ? share->journal.head
									   : share->journal.size,
		.kept_bytes = hw_keep_bytes(share),
		.kept_ns = (uint64_t)share->keep.written_ns,
		.not_kept = share->keep.why,
	};
	for (uint8_t i = 0; i < share->watchers.order_count; i++)
		add_watcher(&share->watchers.list[share->watchers.order[i]], ret);
}

static void look_elsewhere(void *arg)
{
	struct hw_share *share = arg;
	struct hw_root_path now = { 0 };
	int fd = share->root.path ? hw_root_resolve(&now, share->path) : -ENOENT;
	bool refused = share->state == HW_SHARE_OFFLINE && *share->root.refusal;

	share->presence.elsewhere = false;
	if (fd < 0)
		return;
	(void)close(fd); /* O_PATH */
	share->presence.elsewhere = refused || strcmp(now.path, share->root.path) != 0;
	hw_root_free(&now);
}

bool hw_share_is_elsewhere(struct hw_share *share)
{
	if (hw_slices_is_resting(&share->work) && !share->work.thread)
		look_elsewhere(share); /* the work does not wait for a filesystem either */
	else if (!hw_share_finish_work(share) || !hw_share_run(share, look_elsewhere))
		return false;
	return share->presence.elsewhere;
}

/* ---- listeners ---- */

int hw_share_listen(struct hw_share *share, hw_share_ready_fn *fn, void *arg)
{
	struct hw_listener *list =
		realloc(share->listeners.list, (share->listeners.count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	share->listeners.list = list;
	list[share->listeners.count++] = (struct hw_listener){ .fn = fn, .arg = arg };
	return 0;
}

void hw_share_unlisten(struct hw_share *share, hw_share_ready_fn *fn, void *arg)
{
	for (uint32_t i = 0; i < share->listeners.count; i++) {
		if (share->listeners.list[i].fn != fn || share->listeners.list[i].arg != arg)
			continue;
		share->listeners.list[i] = share->listeners.list[--share->listeners.count];
		return;
	}
}

/* ---- the tree ---- */

/* One directory on the current path. The walk does not recurse, because users decide how deep a
 * tree is. */
struct level {
	uint32_t *ids; /* owned */
	uint32_t at, count;
};

struct walk {
	struct level *levels; /* owned */
	size_t depth, room;
};

static int enter(struct walk *walk, const struct hw_tree *tree, uint32_t dir)
{
	if (walk->depth == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 16;
		struct level *levels = reallocarray(walk->levels, room, sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		walk->levels = levels;
		walk->room = room;
	}
	struct level *level = &walk->levels[walk->depth];
	int count = hw_tree_children(tree, dir, &level->ids);

	if (count < 0)
		return count;
	level->at = 0;
	level->count = (uint32_t)count;
	walk->depth++;
	return 0;
}

/* Returns the next entry; 0 at the end. */
static uint32_t step(struct walk *walk)
{
	while (walk->depth) {
		struct level *level = &walk->levels[walk->depth - 1];

		if (level->at < level->count)
			return level->ids[level->at++];
		free(level->ids);
		walk->depth--;
	}
	return 0;
}

static void end_walk(struct walk *walk)
{
	while (walk->depth)
		free(walk->levels[--walk->depth].ids);
	free(walk->levels);
}

/* Returns false if the path is too long for an event; so are all paths below it. */
static bool describe(struct hw_share *share, uint32_t id, struct hw_event *ret)
{
	size_t len;
	const char *path =
		hw_tree_path(&share->tree, id, share->scratch, sizeof(share->scratch), &len);

	if (!path || len > HW_PATH_MAX)
		return false;
	*ret = (struct hw_event){
		.struct_size = sizeof(*ret),
		.kind = HW_CREATE,
		.type = hw_tree_entry(&share->tree, id)->type,
		.path = path,
		.path_len = (uint32_t)len,
	};
	return true;
}

int hw_share_publish(struct hw_share *share)
{
	hw_keep_publish(share);
	return hw_keep_waits(&share->keep) ? -EAGAIN : 0;
}

int hw_share_entries(struct hw_share *share, hw_share_entry_fn *fn, void *arg)
{
	struct walk walk = { 0 };
	int r = enter(&walk, &share->tree, HW_ROOT);
	uint32_t id;

	while (r == 0 && (id = step(&walk))) {
		struct hw_event event;

		if (!describe(share, id, &event))
			continue;
		r = fn(arg, &event);
		if (r == 0 && event.type == HW_TYPE_DIR)
			r = enter(&walk, &share->tree, id);
	}
	end_walk(&walk);
	return r;
}

const char *hw_share_root_path(const struct hw_share *share)
{
	return share->root.path;
}

bool hw_share_may_hang(const struct hw_share *share)
{
	return share->mounts.may_hang || hw_share_silent_ns(share);
}
