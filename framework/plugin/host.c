/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"
#include "activation.h"
#include "defaults.h"
#include "hint_fault.h"
#include "instance.h"
#include "log.h"
#include "loop.h"
#include "sized.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Structure sizes in the first release. */
#define EVENT_BYTES HW_SIZE_THROUGH(hw_event, from_len)
#define INFO_BYTES HW_SIZE_THROUGH(hw_share_info, seq)
#define LOCATION_BYTES HW_SIZE_THROUGH(hw_location, name)
#define HINT_BYTES HW_SIZE_THROUGH(hw_hint, handle_type)
#define RECEIVER_BYTES HW_SIZE_THROUGH(hw_receiver, lost)
#define FOUND_BYTES HW_SIZE_THROUGH(hw_found_share, may_hang)
#define ADDRESS_BYTES HW_SIZE_THROUGH(hw_sink_address, state)

HW_PRINTF(3, 4)
static void host_log(void *ctx, uint32_t level, const char *format, ...)
{
	struct hw_instance *instance = ctx;
	char text[1024];
	unsigned away;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* a truncated line is acceptable */
	va_end(ap);
	if (level > HW_LOG_DEBUG)
		level = HW_LOG_DEBUG;
	away = hw_away_enter();
	if (instance->sink)
		hw_log_limited(&instance->limit, hw_loop_now_ns(instance->loop),
			       (enum hw_log_level)level, "%s: %s", instance->name, text);
	else
		hw_log((enum hw_log_level)level, "%s: %s", instance->name, text);
	hw_away_leave(away);
}

static int give_reason(struct hw_instance *instance, const char *keys, const char *value, int error)
{
	if (instance->on_reason)
		instance->on_reason(instance->reason_arg, keys, value, instance->reason);
	return error > 0 ? -error : error;
}

HW_PRINTF(3, 4)
static int host_fail(void *ctx, int error, const char *format, ...)
{
	struct hw_instance *instance = ctx;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(instance->reason, sizeof(instance->reason), format, ap);
	va_end(ap);
	return give_reason(instance, NULL, NULL, error);
}

HW_PRINTF(5, 6)
static int host_fail_option(void *ctx, const char *keys, const char *value, int error,
			    const char *format, ...)
{
	struct hw_instance *instance = ctx;
	char quoted[256], *at = instance->reason;
	size_t room = sizeof(instance->reason);
	const char *shown = value ? value : "";
	va_list ap;
	int used;

	if (!hw_quote_is_needless(shown, strlen(shown)))
		shown = hw_quote(quoted, sizeof(quoted), shown, strlen(shown));
	used = snprintf(at, room, "%.*s%s%s: ", (int)strcspn(keys, ","), keys, value ? " = " : "",
			shown);
	if (used > 0 && (size_t)used < room) {
		va_start(ap, format);
		(void)vsnprintf(at + used, room - (size_t)used, format, ap); /* may truncate */
		va_end(ap);
	}
	return give_reason(instance, keys, value, error);
}

static uint64_t host_now_ns(void *ctx)
{
	const struct hw_instance *instance = ctx;

	return hw_loop_now_ns(instance->loop);
}

static int host_io_add(void *ctx, int fd, uint32_t events, hw_io_fn *fn, void *arg,
		       struct hw_io **ret)
{
	struct hw_instance *instance = ctx;
	unsigned away = hw_away_enter();
	int r;

	r = hw_io_add(instance->loop, fd, events, fn, arg, ret);
	if (r == 0 && instance->plugin->kind == HW_PLUGIN_WATCHER)
		hw_io_set_patient(*ret);
	if (r == 0)
		hw_io_set_slices(*ret, instance->slices);
	for (unsigned i = 0; r == 0 && events & HW_IO_READ && i < HW_INPUTS_MAX; i++)
		if (!instance->inputs[i]) {
			instance->inputs[i] = *ret;
			break;
		}
	hw_away_leave(away);
	return r;
}

static void host_io_set(void *ctx, struct hw_io *io, uint32_t events)
{
	unsigned away = hw_away_enter();

	(void)ctx;
	hw_io_set(io, events);
	hw_away_leave(away);
}

static void host_io_del(void *ctx, struct hw_io *io)
{
	struct hw_instance *instance = ctx;
	unsigned away = hw_away_enter();

	for (unsigned i = 0; i < HW_INPUTS_MAX; i++)
		if (instance->inputs[i] == io)
			instance->inputs[i] = NULL;
	hw_io_del(io);
	hw_away_leave(away);
}

static int host_timer_add(void *ctx, hw_timer_fn *fn, void *arg, struct hw_timer **ret)
{
	struct hw_instance *instance = ctx;
	unsigned away = hw_away_enter();
	int r = hw_timer_add(instance->loop, fn, arg, ret);

	if (r == 0)
		hw_timer_set_slices(*ret, instance->slices);
	hw_away_leave(away);
	return r;
}

static void host_timer_set(void *ctx, struct hw_timer *timer, uint64_t delay_ns)
{
	unsigned away = hw_away_enter();

	(void)ctx;
	hw_timer_set(timer, delay_ns);
	hw_away_leave(away);
}

static void host_timer_del(void *ctx, struct hw_timer *timer)
{
	unsigned away = hw_away_enter();

	(void)ctx;
	hw_timer_del(timer);
	hw_away_leave(away);
}

/* A structure whose size was not set is neither read nor written. Logged once. */
static bool is_valid(struct hw_instance *instance, const void *of_plugin, size_t least,
		     const char *service)
{
	if (hw_sized_is_valid(of_plugin, least))
		return true;
	hw_instance_complain(instance, "%s(): struct_size is not set", service);
	return false;
}

/* ---- watchers: also called from probe() and watch_dir(), see thread.h ---- */

static void host_hint(void *ctx, const struct hw_hint *hint)
{
	struct hw_instance *instance = ctx;
	struct hw_hint known;
	const char *fault;
	unsigned away;

	if (!instance->watcher || !is_valid(instance, hint, HINT_BYTES, "hint"))
		return;
	away = hw_away_enter();
	if (hint->struct_size != sizeof(known)) {
		hw_sized_read(&known, sizeof(known), hint);
		hint = &known;
	}
	fault = hw_hint_fault(hint);
	if (fault)
		hw_instance_complain(instance, "%s", fault);
	else
		instance->watcher_services->hint(instance->watcher, hint);
	hw_away_leave(away);
}

static void host_lost(void *ctx, hw_token dir)
{
	struct hw_instance *instance = ctx;
	unsigned away = hw_away_enter();

	if (instance->watcher)
		instance->watcher_services->lost(instance->watcher, dir);
	hw_away_leave(away);
}

static int host_lock(void *ctx, hw_token dir)
{
	struct hw_instance *instance = ctx;
	unsigned away = hw_away_enter();
	int r = instance->watcher ? instance->watcher_services->lock(instance->watcher, dir)
				  : -ENODEV;

	hw_away_leave(away);
	return r;
}

static int host_scan(void *ctx, hw_token dir)
{
	struct hw_instance *instance = ctx;
	unsigned away = hw_away_enter();
	int r = instance->watcher ? instance->watcher_services->scan(instance->watcher, dir)
				  : -ENOSYS;

	hw_away_leave(away);
	return r;
}

static int host_locate(void *ctx, const char *path, uint32_t len, struct hw_location *ret)
{
	struct hw_instance *instance = ctx;
	struct hw_location location = { .struct_size = sizeof(location) };
	unsigned away;
	int r;

	if (!instance->watcher)
		return -ENOSYS;
	if (!is_valid(instance, ret, LOCATION_BYTES, "locate"))
		return -EINVAL;
	away = hw_away_enter();
	r = instance->watcher_services->locate(instance->watcher, path, len, &location);
	hw_away_leave(away);
	if (r >= 0)
		hw_sized_write(ret, &location, sizeof(location));
	return r;
}

/* ---- sinks ---- */

static uint32_t host_share_count(void *ctx)
{
	struct hw_instance *instance = ctx;

	return instance->sink ? instance->sink_services->share_count(instance->sink) : 0;
}

static int host_share_info(void *ctx, uint32_t share, struct hw_share_info *ret)
{
	struct hw_instance *instance = ctx;
	struct hw_share_info info;
	int r;

	if (!instance->sink)
		return -ENOSYS;
	if (!is_valid(instance, ret, INFO_BYTES, "share_info"))
		return -EINVAL;
	r = instance->sink_services->share_info(instance->sink, share, &info);
	if (r == 0)
		hw_sized_write(ret, &info, sizeof(info));
	return r;
}

static int host_cursor_open(void *ctx, uint32_t share, uint64_t epoch, uint64_t after,
			    struct hw_cursor **ret)
{
	struct hw_instance *instance = ctx;

	return instance->sink ? instance->sink_services->cursor_open(instance->sink, share, epoch,
								     after, ret)
			      : -ENOSYS;
}

static int host_cursor_next(void *ctx, struct hw_cursor *cursor, struct hw_event *ret)
{
	struct hw_instance *instance = ctx;
	struct hw_event event;
	int r;

	if (!instance->sink)
		return -ENOSYS;
	if (!is_valid(instance, ret, EVENT_BYTES, "cursor_next"))
		return -EINVAL;
	r = instance->sink_services->cursor_next(instance->sink, cursor, &event);
	if (r == 1)
		hw_sized_write(ret, &event, sizeof(event));
	return r;
}

static void host_cursor_done(void *ctx, struct hw_cursor *cursor, uint64_t seq)
{
	struct hw_instance *instance = ctx;

	if (instance->sink)
		instance->sink_services->cursor_done(instance->sink, cursor, seq);
}

static uint64_t host_cursor_seek(void *ctx, struct hw_cursor *cursor)
{
	struct hw_instance *instance = ctx;

	return instance->sink ? instance->sink_services->cursor_seek(instance->sink, cursor) : 0;
}

static void host_cursor_close(void *ctx, struct hw_cursor *cursor)
{
	struct hw_instance *instance = ctx;

	if (instance->sink)
		instance->sink_services->cursor_close(instance->sink, cursor);
}

static int host_snapshot_open(void *ctx, uint32_t share, struct hw_snapshot **ret,
			      uint64_t *ret_seq)
{
	struct hw_instance *instance = ctx;

	return instance->sink
		       ? instance->sink_services->snapshot_open(instance->sink, share, ret, ret_seq)
		       : -ENOSYS;
}

static int host_snapshot_next(void *ctx, struct hw_snapshot *snapshot, struct hw_event *ret)
{
	struct hw_instance *instance = ctx;
	struct hw_event event;
	int r;

	if (!instance->sink)
		return -ENOSYS;
	if (!is_valid(instance, ret, EVENT_BYTES, "snapshot_next"))
		return -EINVAL;
	r = instance->sink_services->snapshot_next(instance->sink, snapshot, &event);
	if (r == 1)
		hw_sized_write(ret, &event, sizeof(event));
	return r;
}

static void host_snapshot_close(void *ctx, struct hw_snapshot *snapshot)
{
	struct hw_instance *instance = ctx;

	if (instance->sink)
		instance->sink_services->snapshot_close(instance->sink, snapshot);
}

static void host_receiver(void *ctx, const struct hw_receiver *receiver)
{
	struct hw_instance *instance = ctx;
	struct hw_receiver known;

	if (!instance->sink || !is_valid(instance, receiver, RECEIVER_BYTES, "receiver"))
		return;
	hw_sized_read(&known, sizeof(known), receiver);
	instance->sink_services->receiver(instance->sink, &known);
}

static int host_activation_fd(void *ctx, const char *name)
{
	(void)ctx;
	return hw_activation_fd(name);
}

static void host_address(void *ctx, const struct hw_sink_address *address)
{
	struct hw_instance *instance = ctx;
	struct hw_sink_address known;

	if (!instance->sink || !is_valid(instance, address, ADDRESS_BYTES, "address"))
		return;
	hw_sized_read(&known, sizeof(known), address);
	instance->sink_services->address(instance->sink, &known);
}

static int host_sync(void *ctx, uint32_t share)
{
	struct hw_instance *instance = ctx;

	return instance->sink ? instance->sink_services->sync(instance->sink, share) : -ENOSYS;
}

static int host_find_share(void *ctx, const char *path, uint32_t len, struct hw_found_share *ret)
{
	struct hw_instance *instance = ctx;
	struct hw_found_share found = { .struct_size = sizeof(found) };
	int r;

	if (!instance->sink)
		return -ENOSYS;
	if (!is_valid(instance, ret, FOUND_BYTES, "find_share"))
		return -EINVAL;
	r = instance->sink_services->find_share(instance->sink, path, len, &found);
	if (r == 0)
		hw_sized_write(ret, &found, sizeof(found));
	return r;
}

static uint64_t host_count_after(void *ctx, uint32_t share, uint64_t after)
{
	struct hw_instance *instance = ctx;

	return instance->sink ? instance->sink_services->count_after(instance->sink, share, after)
			      : 0;
}

static int host_runtime_dir(void *ctx, uint32_t make, const char **ret)
{
	static char path[HW_DEFAULT_PATH_MAX];
	int r = hw_default_runtime_dir(path);

	(void)ctx;
	if (r == 0 && make)
		r = hw_default_make_runtime_dir(path);
	if (r == 0)
		*ret = path;
	return r;
}

const struct hw_host hw_host_services = {
	.struct_size = sizeof(struct hw_host),
	.abi_major = HW_ABI_MAJOR,
	.abi_minor = HW_ABI_MINOR,
	.log = host_log,
	.fail = host_fail,
	.fail_option = host_fail_option,
	.now_ns = host_now_ns,
	.io_add = host_io_add,
	.io_set = host_io_set,
	.io_del = host_io_del,
	.timer_add = host_timer_add,
	.timer_set = host_timer_set,
	.timer_del = host_timer_del,
	.hint = host_hint,
	.lost = host_lost,
	.scan = host_scan,
	.lock = host_lock,
	.locate = host_locate,
	.share_count = host_share_count,
	.sync = host_sync,
	.find_share = host_find_share,
	.count_after = host_count_after,
	.share_info = host_share_info,
	.cursor_open = host_cursor_open,
	.cursor_next = host_cursor_next,
	.cursor_done = host_cursor_done,
	.cursor_seek = host_cursor_seek,
	.cursor_close = host_cursor_close,
	.snapshot_open = host_snapshot_open,
	.snapshot_next = host_snapshot_next,
	.snapshot_close = host_snapshot_close,
	.receiver = host_receiver,
	.activation_fd = host_activation_fd,
	.address = host_address,
	.runtime_dir = host_runtime_dir,
};
