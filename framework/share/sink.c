/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sink.h"

#include "log.h"
#include "share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/*
 * A copy of the tree at one moment: for each entry, the length of its path, its type and the path.
 * All readers of a share use the same copy. It is made again only when the journal no longer holds
 * the events that followed it.
 */
struct image {
	struct hw_share *share; /* borrowed */
	char *bytes; /* owned */
	size_t used, room;
	uint64_t epoch, seq;
	unsigned readers;
};

struct hw_snapshot {
	struct hw_snapshot *next;
	struct image *image; /* shared */
	size_t at;
};

struct hw_cursor {
	struct hw_cursor *next, *prev; /* in the list of the sink */
	struct hw_share *share; /* borrowed */
	uint32_t index;
	struct hw_journal_cursor place;
	uint64_t done; /* acknowledged */
};

/* A barrier that a sink has started. It outlives the sink. */
struct sync {
	struct served *served; /* borrowed; NULL: the sink is gone */
};

struct served {
	struct hw_sink *sink;
	struct sync *sync; /* owned by the barrier; NULL: none is pending */
	struct hw_share *share; /* borrowed */
	uint32_t index;
};

struct hw_sink {
	struct hw_instance *instance; /* owned */
	struct served *served; /* owned */
	uint32_t count;
	struct hw_cursor *cursors; /* owned */
	struct hw_snapshot *snapshots; /* owned */
	const struct hw_sink_rows *rows; /* borrowed while status() runs */
};

/* ---- create, start, destroy ---- */

static void share_ready(void *arg, struct hw_share *share)
{
	struct served *served = arg;
	struct hw_instance *instance = served->sink->instance;

	(void)share;
	if (instance->state == HW_INSTANCE_STARTED && instance->plugin->ready)
		instance->plugin->ready(instance->self, served->index);
}

static const struct hw_sink_services services = {
	.share_count = hw_sink_share_count,
	.share_info = hw_sink_share_info,
	.cursor_open = hw_sink_cursor_open,
	.cursor_next = hw_sink_cursor_next,
	.cursor_done = hw_sink_cursor_done,
	.cursor_seek = hw_sink_cursor_seek,
	.cursor_close = hw_sink_cursor_close,
	.snapshot_open = hw_sink_snapshot_open,
	.snapshot_next = hw_sink_snapshot_next,
	.snapshot_close = hw_sink_snapshot_close,
	.receiver = hw_sink_receiver,
	.address = hw_sink_address,
	.sync = hw_sink_sync,
	.find_share = hw_sink_find_share,
	.count_after = hw_sink_count_after,
};

int hw_sink_create(struct hw_instance *instance, struct hw_share *const *shares, uint32_t count,
		   struct hw_sink **ret)
{
	struct hw_sink *sink = calloc(1, sizeof(*sink));

	if (!sink)
		return -ENOMEM;
	sink->served = calloc(count ? count : 1, sizeof(*sink->served));
	if (!sink->served) {
		free(sink);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct served *s = &sink->served[i];

		*s = (struct served){ .sink = sink, .share = shares[i], .index = i };
		if (hw_share_listen(shares[i], share_ready, s) < 0) {
			hw_sink_destroy(sink);
			return -ENOMEM;
		}
		sink->count++;
	}
	sink->instance = instance;
	instance->sink = sink;
	instance->sink_services = &services;
	*ret = sink;
	return 0;
}

int hw_sink_start(struct hw_sink *sink)
{
	int r = hw_instance_open(sink->instance);

	return r < 0 ? r : hw_instance_start(sink->instance);
}

void hw_sink_destroy(struct hw_sink *sink)
{
	if (!sink)
		return;
	for (uint32_t i = 0; i < sink->count; i++) {
		hw_share_unlisten(sink->served[i].share, share_ready, &sink->served[i]);
		if (sink->served[i].sync)
			sink->served[i].sync->served = NULL;
	}
	hw_instance_destroy(sink->instance);
	while (sink->cursors)
		hw_sink_cursor_close(sink, sink->cursors);
	while (sink->snapshots)
		hw_sink_snapshot_close(sink, sink->snapshots);
	free(sink->served);
	free(sink);
}

struct hw_instance *hw_sink_instance(struct hw_sink *sink)
{
	return sink->instance;
}

/* ---- shares ---- */

uint32_t hw_sink_share_count(struct hw_sink *sink)
{
	return sink->count;
}

int hw_sink_share_info(struct hw_sink *sink, uint32_t share, struct hw_share_info *ret)
{
	if (share >= sink->count)
		return -ENOENT;
	struct hw_share *s = sink->served[share].share;

	*ret = (struct hw_share_info){
		.struct_size = sizeof(*ret),
		.state = hw_share_state(s),
		.name = hw_share_name(s),
		.epoch = hw_share_epoch(s),
		.seq = hw_share_seq(s),
	};
	return 0;
}

static void end_sync(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	struct sync *sync = arg;
	struct served *served = sync->served;

	/* The receiver waits until the changes can be reported. */
	if (served && error == -ENOMEM && hw_share_flush(share, end_sync, sync) == 0)
		return;
	free(sync);
	if (!served)
		return;
	served->sync = NULL;
	/* If the share is being destroyed, the sink is also. */
	if (error == 0 && served->sink->instance->state == HW_INSTANCE_STARTED)
		served->sink->instance->plugin->synced(served->sink->instance->self, served->index,
						       seq);
}

int hw_sink_sync(struct hw_sink *sink, uint32_t share)
{
	struct served *served = share < sink->count ? &sink->served[share] : NULL;
	int r;

	if (!served)
		return -ENOENT;
	if (!sink->instance->plugin->synced)
		return -ENOSYS;
	if (served->sync)
		return -EBUSY;
	served->sync = calloc(1, sizeof(*served->sync));
	if (!served->sync)
		return -ENOMEM;
	served->sync->served = served;
	r = hw_share_flush(served->share, end_sync, served->sync);
	if (r < 0) {
		free(served->sync);
		served->sync = NULL;
	}
	return r;
}

/* Returns the length of the root's path if it is `path` or above it; 0 otherwise. */
static uint32_t root_of(const struct hw_share *share, const char *path, size_t len)
{
	const char *root = hw_share_root_path(share);
	size_t root_len = root ? strlen(root) : 0;

	if (root_len == 1)
		return 1;
	if (!root_len || len < root_len || memcmp(path, root, root_len) != 0)
		return 0;
	return len == root_len || path[root_len] == '/' ? (uint32_t)root_len : 0;
}

int hw_sink_find_share(struct hw_sink *sink, const char *path, size_t len,
		       struct hw_found_share *ret)
{
	uint32_t longest = 0;

	if (!len || path[0] != '/')
		return -EINVAL;
	for (uint32_t i = 0; i < sink->count; i++) {
		uint32_t root_len = root_of(sink->served[i].share, path, len);

		uint32_t skip = root_len + (root_len < len && path[root_len] == '/');

		if (root_len <= longest ||
		    hw_share_excludes(sink->served[i].share, path + skip, len - skip))
			continue;
		longest = root_len;
		*ret = (struct hw_found_share){
			.struct_size = sizeof(*ret),
			.share = i,
			.root_len = root_len,
			.may_hang = hw_share_may_hang(sink->served[i].share),
		};
	}
	return longest ? 0 : -ENOENT;
}

uint64_t hw_sink_count_after(struct hw_sink *sink, uint32_t share, uint64_t after)
{
	return share < sink->count ? hw_share_count_after(sink->served[share].share, after) : 0;
}

/* ---- cursors ---- */

int hw_sink_cursor_open(struct hw_sink *sink, uint32_t share, uint64_t epoch, uint64_t after,
			struct hw_cursor **ret)
{
	struct hw_cursor *cursor;

	if (share >= sink->count)
		return -ENOENT;
	struct hw_share *s = sink->served[share].share;

	if (epoch && epoch != hw_share_epoch(s))
		return -ESTALE;
	cursor = calloc(1, sizeof(*cursor));
	if (!cursor)
		return -ENOMEM;
	cursor->share = s;
	cursor->index = share;
	int r = hw_share_cursor_init(s, epoch ? after : hw_share_seq(s), &cursor->place);

	if (r < 0) {
		free(cursor);
		return r;
	}
	cursor->done = cursor->place.seq;
	DL_PREPEND(sink->cursors, cursor);
	*ret = cursor;
	return 0;
}

int hw_sink_cursor_next(struct hw_sink *sink, struct hw_cursor *cursor, struct hw_event *ret)
{
	(void)sink;
	return hw_share_cursor_next(cursor->share, &cursor->place, ret);
}

void hw_sink_cursor_done(struct hw_sink *sink, struct hw_cursor *cursor, uint64_t seq)
{
	(void)sink;
	cursor->done = seq;
}

uint64_t hw_sink_cursor_seek(struct hw_sink *sink, struct hw_cursor *cursor)
{
	(void)sink;
	(void)hw_share_cursor_init(cursor->share, hw_share_seq(cursor->share),
				   &cursor->place); /* the end can always be found */
	return cursor->place.seq;
}

void hw_sink_cursor_close(struct hw_sink *sink, struct hw_cursor *cursor)
{
	if (!cursor)
		return;
	DL_DELETE(sink->cursors, cursor);
	free(cursor);
}

/* ---- snapshots ---- */

struct head {
	uint32_t path_len;
	uint8_t type;
};

static int write_entry(void *arg, const struct hw_event *event)
{
	struct image *image = arg;
	struct head head = { .path_len = event->path_len, .type = event->type };
	size_t need = image->used + sizeof(head) + event->path_len;

	if (need > image->room) {
		size_t room = image->room ? image->room * 2 : 65536;
		char *bytes = realloc(image->bytes, room < need ? need : room);

		if (!bytes)
			return -ENOMEM;
		image->bytes = bytes;
		image->room = room < need ? need : room;
	}
	memcpy(image->bytes + image->used, &head, sizeof(head));
	memcpy(image->bytes + image->used + sizeof(head), event->path, event->path_len);
	image->used = need;
	return 0;
}

static void drop_image(struct image *image)
{
	if (--image->readers)
		return;
	free(image->bytes);
	free(image);
}

static struct image *living_image(struct hw_sink *sink, struct hw_share *share)
{
	struct hw_journal_cursor place;

	for (struct hw_snapshot *s = sink->snapshots; s; s = s->next)
		if (s->image->share == share && s->image->epoch == hw_share_epoch(share) &&
		    hw_share_cursor_init(share, s->image->seq, &place) == 0)
			return s->image;
	return NULL;
}

static int take_image(struct hw_share *share, struct image **ret)
{
	struct image *image;
	int r = hw_share_publish(share);

	if (r < 0)
		return r;
	image = calloc(1, sizeof(*image));
	if (!image)
		return -ENOMEM;
	image->share = share;
	image->epoch = hw_share_epoch(share);
	image->seq = hw_share_seq(share);
	r = hw_share_entries(share, write_entry, image);

	if (r < 0) {
		free(image->bytes);
		free(image);
		return r;
	}
	*ret = image;
	return 0;
}

int hw_sink_snapshot_open(struct hw_sink *sink, uint32_t share, struct hw_snapshot **ret,
			  uint64_t *ret_seq)
{
	struct hw_snapshot *snapshot;
	struct image *image;
	int r = 0;

	if (share >= sink->count)
		return -ENOENT;
	struct hw_share *s = sink->served[share].share;

	if (hw_share_state(s) != HW_SHARE_ONLINE)
		return -EAGAIN;
	snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot)
		return -ENOMEM;
	image = living_image(sink, s);
	if (!image)
		r = take_image(s, &image);
	if (r < 0) {
		free(snapshot);
		return r;
	}
	image->readers++;
	snapshot->image = image;
	snapshot->next = sink->snapshots;
	sink->snapshots = snapshot;
	*ret = snapshot;
	*ret_seq = image->seq;
	return 0;
}

int hw_sink_snapshot_next(struct hw_sink *sink, struct hw_snapshot *snapshot, struct hw_event *ret)
{
	const struct image *image = snapshot->image;
	struct head head;

	(void)sink;
	if (snapshot->at == image->used)
		return 0;
	memcpy(&head, image->bytes + snapshot->at, sizeof(head));
	*ret = (struct hw_event){
		.struct_size = sizeof(*ret),
		.kind = HW_CREATE,
		.type = head.type,
		.path = image->bytes + snapshot->at + sizeof(head),
		.path_len = head.path_len,
	};
	snapshot->at += sizeof(head) + head.path_len;
	return 1;
}

void hw_sink_snapshot_close(struct hw_sink *sink, struct hw_snapshot *snapshot)
{
	struct hw_snapshot **link = &sink->snapshots;

	if (!snapshot)
		return;
	while (*link && *link != snapshot)
		link = &(*link)->next;
	if (*link)
		*link = snapshot->next;
	drop_image(snapshot->image);
	free(snapshot);
}

/* ---- status ---- */

struct hw_share *hw_sink_share(const struct hw_sink *sink, uint32_t index)
{
	return index < sink->count ? sink->served[index].share : NULL;
}

static const struct hw_share *find_share(const struct hw_sink *sink, const char *name)
{
	for (uint32_t i = 0; i < sink->count; i++)
		if (strcmp(hw_share_name(sink->served[i].share), name) == 0)
			return sink->served[i].share;
	return NULL;
}

void hw_sink_receiver(struct hw_sink *sink, const struct hw_receiver *receiver)
{
	struct hw_sink_receiver_row row = { .name = "", .share = "" };
	const struct hw_share *share;

	if (!sink->rows || !sink->rows->receiver)
		return;
	if (receiver->name)
		row.name = receiver->name;
	if (receiver->share)
		row.share = receiver->share;
	row.seq = receiver->seq;
	row.rescans = receiver->dropped;
	row.lost = receiver->lost;
	share = find_share(sink, row.share);
	if (share)
		row.lag = hw_share_count_after(share, row.seq);
	if (share && hw_share_oldest(share) > row.seq)
		row.lost += row.lag - hw_share_count_after(share, hw_share_oldest(share));
	sink->rows->receiver(sink->rows->arg, &row);
}

void hw_sink_address(struct hw_sink *sink, const struct hw_sink_address *address)
{
	if (sink->rows && sink->rows->address && address->option && address->address &&
	    address->state)
		sink->rows->address(sink->rows->arg, address);
}

void hw_sink_status(struct hw_sink *sink, const struct hw_sink_rows *rows)
{
	struct hw_instance *instance = sink->instance;

	sink->rows = rows;
	if (instance->state == HW_INSTANCE_STARTED && instance->plugin->status)
		instance->plugin->status(instance->self);
	sink->rows = NULL;
}
