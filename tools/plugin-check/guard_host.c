/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's services as the plugin calls them: counted, made to fail, checked, and passed on.
 * Those for sinks are in guard_sink.c. */
#include "guard_private.h"

#include "alloc.h"
#include "hint_fault.h"
#include "host.h"
#include "sized.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 1024u
#define LOCATION_BYTES HW_SIZE_THROUGH(hw_location, name)
#define HINT_BYTES HW_SIZE_THROUGH(hw_hint, handle_type) /* in the first release */

static uint64_t calls, fail_at;
static const char *failed_call;

void hw_guard_fail_call(uint64_t n)
{
	calls = 0;
	fail_at = n;
	failed_call = NULL;
	(void)hw_guard_gave_up(); /* resets the flag */
}

uint64_t hw_guard_calls(void)
{
	return calls;
}

const char *hw_guard_failed_call(void)
{
	return failed_call;
}

bool hw_guard_fails(const char *service)
{
	if (++calls != fail_at)
		return false;
	failed_call = service;
	return true;
}

/* ---- for both kinds ---- */

HW_PRINTF(3, 4)
static void guard_log(void *ctx, uint32_t level, const char *format, ...)
{
	char text[TEXT_MAX_BYTES];
	va_list ap;

	hw_frame_pause("log");
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	if (level > HW_LOG_DEBUG)
		hw_guard_fault("log() with level %u", level);
	hw_host_services.log(ctx, level, "%s", text);
	hw_frame_resume();
}

HW_PRINTF(3, 4)
static int guard_fail(void *ctx, int error, const char *format, ...)
{
	char text[TEXT_MAX_BYTES];
	va_list ap;

	hw_frame_pause("fail");
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	if ((!error && !hw_frame_is("probe()")) || error > 4095 || error < -4095)
		hw_guard_fault("fail() with %d, which is not an errno", error);
	int r = hw_host_services.fail(ctx, error, "%s", text);
	hw_frame_resume();
	return r;
}

static void check_keys(const char *keys)
{
	size_t len;

	if (!keys || !*keys)
		hw_guard_fault("fail_option() without a key");
	for (; keys && *keys; keys += len + (keys[len] == ',')) {
		len = strcspn(keys, ",");
		if (!hw_guard_has_option(keys, len))
			hw_guard_fault("fail_option() of %.*s, which is not an option", (int)len,
				       keys);
	}
}

HW_PRINTF(5, 6)
static int guard_fail_option(void *ctx, const char *keys, const char *value, int error,
			     const char *format, ...)
{
	char text[TEXT_MAX_BYTES];
	va_list ap;

	hw_frame_pause("fail_option");
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	check_keys(keys);
	if (!error || error > 4095 || error < -4095)
		hw_guard_fault("fail_option() with %d, which is not an errno", error);
	int r = hw_host_services.fail_option(ctx, keys, value, error, "%s", text);
	hw_frame_resume();
	return r;
}

static uint64_t guard_now_ns(void *ctx)
{
	hw_frame_pause("now_ns");
	uint64_t ns = hw_host_services.now_ns(ctx);
	hw_frame_resume();
	return ns;
}

/* The function may remove its own io. */
static int on_io(void *arg, struct hw_io *io, uint32_t events, uint32_t budget)
{
	const struct hw_held held = *(struct hw_held *)arg;
	struct hw_frame frame;

	hw_frame_enter(&frame, "a callback of io_add()");
	int handled = held.io_fn(held.arg, io, events, budget);
	hw_frame_leave(&frame);
	if (handled < 0 || (uint32_t)handled > budget)
		hw_guard_fault("a callback of io_add() returned %d with a budget of %u", handled,
			       budget);
	return handled;
}

static int guard_io_add(void *ctx, int fd, uint32_t events, hw_io_fn *fn, void *arg,
			struct hw_io **ret)
{
	struct hw_held *held;
	int r = -ENOMEM;

	hw_frame_pause("io_add");
	held = hw_guard_fails("io_add") ? NULL : hw_held_add(HW_HELD_IO, ctx, NULL);
	if (held) {
		held->io_fn = fn;
		held->arg = arg;
		r = hw_host_services.io_add(ctx, fd, events, on_io, held, ret);
		if (r < 0)
			hw_held_drop(held);
		else
			held->object = *ret;
	}
	hw_frame_resume();
	return r;
}

static void guard_io_set(void *ctx, struct hw_io *io, uint32_t events)
{
	hw_frame_pause("io_set");
	if (events & ~(HW_IO_READ | HW_IO_WRITE))
		hw_guard_fault("io_set() with events %#x", events);
	hw_host_services.io_set(ctx, io, events);
	hw_frame_resume();
}

static void guard_io_del(void *ctx, struct hw_io *io)
{
	struct hw_held *held;

	hw_frame_pause("io_del");
	held = io ? hw_held_find(HW_HELD_IO, io) : NULL;
	if (io && !held)
		hw_guard_fault("io_del() of an unknown descriptor");
	else
		hw_host_services.io_del(ctx, io);
	hw_held_drop(held);
	hw_frame_resume();
}

static void on_timer(void *arg, struct hw_timer *timer)
{
	const struct hw_held held = *(struct hw_held *)arg;
	struct hw_frame frame;

	hw_frame_enter(&frame, "a callback of timer_add()");
	held.timer_fn(held.arg, timer);
	hw_frame_leave(&frame);
}

static int guard_timer_add(void *ctx, hw_timer_fn *fn, void *arg, struct hw_timer **ret)
{
	struct hw_held *held;
	int r = -ENOMEM;

	hw_frame_pause("timer_add");
	held = hw_guard_fails("timer_add") ? NULL : hw_held_add(HW_HELD_TIMER, ctx, NULL);
	if (held) {
		held->timer_fn = fn;
		held->arg = arg;
		r = hw_host_services.timer_add(ctx, on_timer, held, ret);
		if (r < 0)
			hw_held_drop(held);
		else
			held->object = *ret;
	}
	hw_frame_resume();
	return r;
}

static void guard_timer_set(void *ctx, struct hw_timer *timer, uint64_t delay_ns)
{
	hw_frame_pause("timer_set");
	hw_host_services.timer_set(ctx, timer, delay_ns);
	hw_frame_resume();
}

static void guard_timer_del(void *ctx, struct hw_timer *timer)
{
	struct hw_held *held;

	hw_frame_pause("timer_del");
	held = timer ? hw_held_find(HW_HELD_TIMER, timer) : NULL;
	if (timer && !held)
		hw_guard_fault("timer_del() of an unknown timer");
	else
		hw_host_services.timer_del(ctx, timer);
	hw_held_drop(held);
	hw_frame_resume();
}

/* ---- for watchers ---- */

static void check_hint(const struct hw_hint *hint)
{
	const char *fault = NULL;

	if (hw_sized_is_valid(hint, HINT_BYTES))
		fault = hw_hint_fault(hint);
	else
		hw_guard_fault("hint() with struct_size %u", hint->struct_size);
	if (fault)
		hw_guard_fault("hint(): %s (what is %#x)", fault, hint->what);
}

static void guard_hint(void *ctx, const struct hw_hint *hint)
{
	hw_frame_pause("hint");
	check_hint(hint);
	hw_host_services.hint(ctx, hint);
	hw_frame_resume();
}

static void guard_lost(void *ctx, hw_token dir)
{
	hw_frame_pause("lost");
	hw_host_services.lost(ctx, dir);
	hw_frame_resume();
}

static int guard_lock(void *ctx, hw_token dir)
{
	hw_frame_pause("lock");
	int r = hw_guard_fails("lock") ? -EOPNOTSUPP : hw_host_services.lock(ctx, dir);

	hw_frame_resume();
	return r;
}

static int guard_scan(void *ctx, hw_token dir)
{
	hw_frame_pause("scan");
	/* A request for the whole share cannot fail. */
	int r = dir != HW_NO_DIR && hw_guard_fails("scan") ? -ENOENT
							   : hw_host_services.scan(ctx, dir);
	hw_frame_resume();
	return r;
}

static int guard_locate(void *ctx, const char *path, uint32_t len, struct hw_location *ret)
{
	hw_frame_pause("locate");
	if (!hw_sized_is_valid(ret, LOCATION_BYTES))
		hw_guard_fault("locate() into a structure whose struct_size is not set");
	int r = hw_guard_fails("locate") ? -EAGAIN : hw_host_services.locate(ctx, path, len, ret);
	hw_frame_resume();
	return r;
}

static int guard_activation_fd(void *ctx, const char *name)
{
	hw_frame_pause("activation_fd");
	int fd = hw_guard_fails("activation_fd") ? -ENOENT
						 : hw_host_services.activation_fd(ctx, name);
	hw_frame_resume();
	return fd;
}

static int guard_runtime_dir(void *ctx, uint32_t make, const char **ret)
{
	hw_frame_pause("runtime_dir");
	int r = hw_host_services.runtime_dir(ctx, make, ret);
	hw_frame_resume();
	return r;
}

const struct hw_host hw_guard_host = {
	.struct_size = sizeof(struct hw_host),
	.abi_major = HW_ABI_MAJOR,
	.abi_minor = HW_ABI_MINOR,
	.log = guard_log,
	.fail = guard_fail,
	.fail_option = guard_fail_option,
	.now_ns = guard_now_ns,
	.io_add = guard_io_add,
	.io_set = guard_io_set,
	.io_del = guard_io_del,
	.timer_add = guard_timer_add,
	.timer_set = guard_timer_set,
	.timer_del = guard_timer_del,
	.hint = guard_hint,
	.lost = guard_lost,
	.scan = guard_scan,
	.lock = guard_lock,
	.locate = guard_locate,
	.share_count = hw_guard_share_count,
	.share_info = hw_guard_share_info,
	.cursor_open = hw_guard_cursor_open,
	.cursor_next = hw_guard_cursor_next,
	.cursor_done = hw_guard_cursor_done,
	.cursor_seek = hw_guard_cursor_seek,
	.cursor_close = hw_guard_cursor_close,
	.snapshot_open = hw_guard_snapshot_open,
	.snapshot_next = hw_guard_snapshot_next,
	.snapshot_close = hw_guard_snapshot_close,
	.receiver = hw_guard_receiver,
	.activation_fd = guard_activation_fd,
	.address = hw_guard_address,
	.sync = hw_guard_sync,
	.find_share = hw_guard_find_share,
	.count_after = hw_guard_count_after,
	.runtime_dir = guard_runtime_dir,
};
