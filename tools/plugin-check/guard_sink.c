/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's services for sinks, as the plugin calls them. */
#include "guard_private.h"

#include "host.h"
#include "sized.h"

#include <errno.h>

/* Size in the first release. */
#define ADDRESS_BYTES HW_SIZE_THROUGH(hw_sink_address, state)
#define RECEIVER_BYTES HW_SIZE_THROUGH(hw_receiver, lost)
#define EVENT_BYTES HW_SIZE_THROUGH(hw_event, from_len)
#define INFO_BYTES HW_SIZE_THROUGH(hw_share_info, seq)

static uint64_t drawn;

/* The host fills in at most the size that the plugin has set. */
static void check_size(const void *of_plugin, size_t least, const char *service)
{
	if (!hw_sized_is_valid(of_plugin, least))
		hw_guard_fault("%s() into a structure whose struct_size is not set", service);
}

uint32_t hw_guard_share_count(void *ctx)
{
	hw_frame_pause("share_count");
	uint32_t count = hw_host_services.share_count(ctx);
	hw_frame_resume();
	return count;
}

int hw_guard_share_info(void *ctx, uint32_t share, struct hw_share_info *ret)
{
	hw_frame_pause("share_info");
	check_size(ret, INFO_BYTES, "share_info");
	int r = hw_host_services.share_info(ctx, share, ret);
	hw_frame_resume();
	return r;
}

static int open_cursor(void *ctx, uint32_t share, uint64_t epoch, uint64_t after,
		       struct hw_cursor **ret)
{
	struct hw_share_info info = { .struct_size = sizeof(info) };
	struct hw_held *held = hw_held_add(HW_HELD_CURSOR, ctx, NULL);
	int r = -ENOMEM;

	if (held)
		r = hw_host_services.cursor_open(ctx, share, epoch, after, ret);
	if (r < 0) {
		hw_held_drop(held);
		return r;
	}
	(void)hw_host_services.share_info(ctx, share, &info); /* cannot fail: the share exists */
	held->object = *ret;
	held->seq = epoch ? after : info.seq;
	return r;
}

int hw_guard_cursor_open(void *ctx, uint32_t share, uint64_t epoch, uint64_t after,
			 struct hw_cursor **ret)
{
	hw_frame_pause("cursor_open");
	int r = hw_guard_fails("cursor_open") ? -ENOMEM
					      : open_cursor(ctx, share, epoch, after, ret);
	hw_frame_resume();
	return r;
}

int hw_guard_cursor_next(void *ctx, struct hw_cursor *cursor, struct hw_event *ret)
{
	struct hw_held *held;
	int r = -ESTALE;

	hw_frame_pause("cursor_next");
	check_size(ret, EVENT_BYTES, "cursor_next");
	held = hw_held_find(HW_HELD_CURSOR, cursor);
	if (!held)
		hw_guard_fault("cursor_next() of a cursor that is not open");
	else if (!hw_guard_fails("cursor_next"))
		r = hw_host_services.cursor_next(ctx, cursor, ret);
	if (r == 1) {
		held->seq = ret->seq;
		drawn++;
	}
	hw_frame_resume();
	return r;
}

void hw_guard_cursor_done(void *ctx, struct hw_cursor *cursor, uint64_t seq)
{
	struct hw_held *held;

	hw_frame_pause("cursor_done");
	held = hw_held_find(HW_HELD_CURSOR, cursor);
	if (!held || seq > held->seq)
		hw_guard_fault("cursor_done() of an event that was not read");
	else
		hw_host_services.cursor_done(ctx, cursor, seq);
	hw_frame_resume();
}

uint64_t hw_guard_cursor_seek(void *ctx, struct hw_cursor *cursor)
{
	struct hw_held *held;
	uint64_t seq = 0;

	hw_frame_pause("cursor_seek");
	held = hw_held_find(HW_HELD_CURSOR, cursor);
	if (held)
		held->seq = seq = hw_host_services.cursor_seek(ctx, cursor);
	else
		hw_guard_fault("cursor_seek() of a cursor that is not open");
	hw_frame_resume();
	return seq;
}

void hw_guard_cursor_close(void *ctx, struct hw_cursor *cursor)
{
	struct hw_held *held;

	hw_frame_pause("cursor_close");
	held = cursor ? hw_held_find(HW_HELD_CURSOR, cursor) : NULL;
	if (cursor && !held)
		hw_guard_fault("cursor_close() of a cursor that is not open");
	else
		hw_host_services.cursor_close(ctx, cursor);
	hw_held_drop(held);
	hw_frame_resume();
}

int hw_guard_snapshot_open(void *ctx, uint32_t share, struct hw_snapshot **ret, uint64_t *ret_seq)
{
	int r = -ENOMEM;

	hw_frame_pause("snapshot_open");
	if (!hw_guard_fails("snapshot_open"))
		r = hw_host_services.snapshot_open(ctx, share, ret, ret_seq);
	if (r == 0)
		(void)hw_held_add(HW_HELD_SNAPSHOT, ctx, *ret); /* only for counting */
	hw_frame_resume();
	return r;
}

int hw_guard_snapshot_next(void *ctx, struct hw_snapshot *snapshot, struct hw_event *ret)
{
	hw_frame_pause("snapshot_next");
	check_size(ret, EVENT_BYTES, "snapshot_next");
	int r = hw_host_services.snapshot_next(ctx, snapshot, ret);
	hw_frame_resume();
	return r;
}

void hw_guard_snapshot_close(void *ctx, struct hw_snapshot *snapshot)
{
	hw_frame_pause("snapshot_close");
	hw_held_drop(hw_held_find(HW_HELD_SNAPSHOT, snapshot));
	hw_host_services.snapshot_close(ctx, snapshot);
	hw_frame_resume();
}

void hw_guard_receiver(void *ctx, const struct hw_receiver *receiver)
{
	hw_frame_pause("receiver");
	if (receiver->struct_size < RECEIVER_BYTES || !receiver->name || !receiver->share)
		hw_guard_fault("receiver() with an incomplete row");
	hw_host_services.receiver(ctx, receiver);
	hw_frame_resume();
}

void hw_guard_address(void *ctx, const struct hw_sink_address *address)
{
	hw_frame_pause("address");
	if (address->struct_size < ADDRESS_BYTES || !address->option || !address->address ||
	    !address->state)
		hw_guard_fault("address() with an incomplete row");
	hw_host_services.address(ctx, address);
	hw_frame_resume();
}

int hw_guard_sync(void *ctx, uint32_t share)
{
	int r;

	hw_frame_pause("sync");
	r = hw_host_services.sync(ctx, share);
	hw_frame_resume();
	return r;
}

int hw_guard_find_share(void *ctx, const char *path, uint32_t len, struct hw_found_share *ret)
{
	int r;

	hw_frame_pause("find_share");
	r = hw_host_services.find_share(ctx, path, len, ret);
	hw_frame_resume();
	return r;
}

uint64_t hw_guard_count_after(void *ctx, uint32_t share, uint64_t after)
{
	uint64_t count;

	hw_frame_pause("count_after");
	count = hw_host_services.count_after(ctx, share, after);
	hw_frame_resume();
	return count;
}

/* ---- events read ---- */

uint64_t hw_guard_drawn(void)
{
	return drawn;
}

bool hw_guard_all_drawn(uint64_t seq)
{
	for (const struct hw_held *held = hw_held; held; held = held->next)
		if (held->what == HW_HELD_CURSOR && held->seq < seq)
			return false;
	return true;
}
