/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A rig for the virtiofs sink: the built plugin, the real loop, and a journal that the test fills
 * and truncates, so that a receiver can be at any position in it. The guest is a real socket.
 */
#ifndef VIRTIOFS_RIG_H
#define VIRTIOFS_RIG_H

#include "cross.h"
#include "loop.h"
#include "option.h"
#include <hostwatch/frame.h>
#include <hostwatch/plugin.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CODE ((uint32_t)HW_FUSE_NOTIFY_FSNOTIFY)
#define EPOCH_A UINT64_C(0xa1a2a3a4a5a6a7a8)
#define EPOCH_B UINT64_C(0xb1b2b3b4b5b6b7b8)
#define DEADLINE_MS 60000

/* The journal of the rig: event N is a create of "f/N" followed by `padding` bytes. */
struct rig {
	struct hw_loop *loop;
	char dir[32];
	const struct hw_plugin *plugin;
	void *self;
	char *strings;
	struct hw_host host;
	uint64_t epoch, seq;
	uint64_t first; /* number of the oldest event in the journal */
	unsigned padding;
	uint32_t share_count;
	bool drawn; /* the next rig_append() calls ready() */
	size_t cursors;
	uint64_t done, max_read;
	int given_fd; /* result of activation_fd() */
	char reason[512];
	char log[16384];
	char receiver[256];
	uint64_t receiver_seq, receiver_dropped, receiver_lost;
	char address[256];
	size_t receivers;
	size_t fds_before;
	unsigned calls, fail_at; /* the fail_at-th call of a service that can fail, fails; 0: no
				  * call fails */
};

struct hw_cursor {
	uint64_t seq;
	bool stale;
	char path[4096];
};

/* ---- services ---- */

static inline HW_PRINTF(3, 4) void rig_log(void *ctx, uint32_t level, const char *format, ...)
{
	struct rig *rig = ctx;
	size_t len = strlen(rig->log);
	va_list ap;

	if (len + 64 > sizeof(rig->log))
		return;
	len += (size_t)snprintf(rig->log + len, sizeof(rig->log) - len, "%c ", "EWID"[level & 3]);
	va_start(ap, format);
	(void)vsnprintf(rig->log + len, sizeof(rig->log) - len, format, ap);
	va_end(ap);
	len = strlen(rig->log);
	if (len + 1 < sizeof(rig->log))
		memcpy(rig->log + len, "\n", 2);
}

static inline HW_PRINTF(3, 4) int rig_fail(void *ctx, int error, const char *format, ...)
{
	struct rig *rig = ctx;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(rig->reason, sizeof(rig->reason), format, ap);
	va_end(ap);
	return error < 0 ? error : -error;
}

static inline HW_PRINTF(5, 6) int rig_fail_option(void *ctx, const char *keys, const char *value,
						  int error, const char *format, ...)
{
	struct rig *rig = ctx;
	va_list ap;
	int used = snprintf(rig->reason, sizeof(rig->reason), "%.*s%s%s: ", (int)strcspn(keys, ","),
			    keys, value ? " = " : "", value ? value : "");

	va_start(ap, format);
	(void)vsnprintf(rig->reason + used, sizeof(rig->reason) - (size_t)used, format, ap);
	va_end(ap);
	return error < 0 ? error : -error;
}

static inline bool rig_fails(struct rig *rig)
{
	return rig->fail_at != 0 && ++rig->calls == rig->fail_at;
}

static inline uint64_t rig_now_ns(void *ctx)
{
	return hw_loop_now_ns(((struct rig *)ctx)->loop);
}

static inline int rig_io_add(void *ctx, int fd, uint32_t events, hw_io_fn *fn, void *arg,
			     struct hw_io **ret)
{
	if (rig_fails(ctx))
		return -ENOMEM;
	return hw_io_add(((struct rig *)ctx)->loop, fd, events, fn, arg, ret);
}

static inline void rig_io_set(void *ctx, struct hw_io *io, uint32_t events)
{
	(void)ctx;
	hw_io_set(io, events);
}

static inline void rig_io_del(void *ctx, struct hw_io *io)
{
	(void)ctx;
	if (io)
		hw_io_del(io);
}

static inline int rig_timer_add(void *ctx, hw_timer_fn *fn, void *arg, struct hw_timer **ret)
{
	if (rig_fails(ctx))
		return -ENOMEM;
	return hw_timer_add(((struct rig *)ctx)->loop, fn, arg, ret);
}

static inline void rig_timer_set(void *ctx, struct hw_timer *timer, uint64_t delay_ns)
{
	(void)ctx;
	hw_timer_set(timer, delay_ns);
}

static inline void rig_timer_del(void *ctx, struct hw_timer *timer)
{
	(void)ctx;
	if (timer)
		hw_timer_del(timer);
}

static inline uint32_t rig_share_count(void *ctx)
{
	return ((struct rig *)ctx)->share_count;
}

static inline int rig_share_info(void *ctx, uint32_t share, struct hw_share_info *ret)
{
	static const char *const names[] = { "projects", "other" };
	struct rig *rig = ctx;

	if (share >= rig->share_count)
		return -ENOENT;
	if (rig_fails(rig))
		return -EIO;
	ret->state = HW_SHARE_ONLINE;
	ret->name = names[share];
	ret->epoch = rig->epoch;
	ret->seq = rig->seq;
	return 0;
}

static inline int rig_cursor_open(void *ctx, uint32_t share, uint64_t epoch, uint64_t after,
				  struct hw_cursor **ret)
{
	struct rig *rig = ctx;

	assert_true(share < rig->share_count);
	if (rig_fails(rig))
		return -ENOMEM;
	if (epoch != 0 && (epoch != rig->epoch || after > rig->seq || after + 1 < rig->first))
		return -ESTALE;
	*ret = calloc(1, sizeof(**ret));
	assert_non_null(*ret);
	(*ret)->seq = epoch ? after : rig->seq;
	rig->cursors++;
	return 0;
}

static inline int rig_cursor_next(void *ctx, struct hw_cursor *cursor, struct hw_event *ret)
{
	struct rig *rig = ctx;
	int len;

	if (rig_fails(rig))
		return -EIO;
	if (cursor->seq + 1 < rig->first)
		return -ESTALE;
	if (cursor->seq >= rig->seq) {
		rig->drawn = true;
		return 0;
	}
	cursor->seq++;
	if (cursor->seq > rig->max_read)
		rig->max_read = cursor->seq;
	len = snprintf(cursor->path, sizeof(cursor->path), "f/%" PRIu64, cursor->seq);
	if (rig->padding) {
		cursor->path[len++] = '/';
		memset(cursor->path + len, 'x', rig->padding);
		len += (int)rig->padding;
	}
	*ret = (struct hw_event){ .struct_size = sizeof(*ret),
				  .kind = HW_CREATE,
				  .type = HW_TYPE_FILE,
				  .seq = cursor->seq,
				  .path = cursor->path,
				  .path_len = (uint32_t)len };
	return 1;
}

static inline void rig_cursor_done(void *ctx, struct hw_cursor *cursor, uint64_t seq)
{
	(void)cursor;
	((struct rig *)ctx)->done = seq;
}

static inline uint64_t rig_cursor_seek(void *ctx, struct hw_cursor *cursor)
{
	cursor->seq = ((struct rig *)ctx)->seq;
	return cursor->seq;
}

static inline uint64_t rig_count_after(void *ctx, uint32_t share, uint64_t after)
{
	const struct rig *rig = ctx;

	(void)share;
	return after < rig->seq ? rig->seq - after : 0;
}

static inline void rig_cursor_close(void *ctx, struct hw_cursor *cursor)
{
	if (cursor)
		((struct rig *)ctx)->cursors--;
	free(cursor);
}

static inline void rig_receiver(void *ctx, const struct hw_receiver *receiver)
{
	struct rig *rig = ctx;

	(void)snprintf(rig->receiver, sizeof(rig->receiver), "%s %s", receiver->share,
		       receiver->name);
	rig->receiver_seq = receiver->seq;
	rig->receiver_dropped = receiver->dropped;
	rig->receiver_lost = receiver->lost;
	rig->receivers++;
}

static inline int rig_runtime_dir(void *ctx, uint32_t make, const char **ret)
{
	(void)ctx, (void)make;
	*ret = "/nonexistent";
	return 0;
}

static inline void rig_note_address(void *ctx, const struct hw_sink_address *address)
{
	struct rig *rig = ctx;

	(void)snprintf(rig->address, sizeof(rig->address), "%s %s|%s", address->option,
		       address->address, address->state);
}

static inline int rig_activation_fd(void *ctx, const char *name)
{
	struct rig *rig = ctx;

	return strcmp(name, "channel") == 0 && rig->given_fd >= 0 ? rig->given_fd : -ENOENT;
}

/* ---- the rig ---- */

static inline size_t rig_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static inline const struct hw_plugin *rig_plugin(void)
{
	static const struct hw_plugin *plugin;
	struct hw_loop *loop;
	void *so;

	if (plugin)
		return plugin;
	so = dlopen(HW_BUILD_DIR "/sinks/virtiofs.so", RTLD_NOW | RTLD_LOCAL);
	if (!so)
		fail_msg("%s", dlerror());
	plugin = dlsym(so, HW_PLUGIN_SYMBOL);
	assert_non_null(plugin);
	/* the first loop of a process opens descriptors that remain open */
	assert_int_equal(hw_loop_create(&loop), 0);
	hw_loop_destroy(loop);
	return plugin;
}

static inline int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->plugin = rig_plugin();
	(void)hw_cross_check(1, 1); /* the process keeps mountinfo open from now on */
	rig->fds_before = rig_count_fds();
	assert_int_equal(hw_loop_create(&rig->loop), 0);
	strcpy(rig->dir, "/tmp/hw-virtiofs-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	rig->epoch = EPOCH_A;
	rig->first = 1;
	rig->share_count = 1;
	rig->drawn = true;
	rig->given_fd = -1;
	rig->host = (struct hw_host){
		.struct_size = sizeof(rig->host),
		.abi_major = HW_ABI_MAJOR,
		.log = rig_log,
		.fail = rig_fail,
		.fail_option = rig_fail_option,
		.now_ns = rig_now_ns,
		.io_add = rig_io_add,
		.io_set = rig_io_set,
		.io_del = rig_io_del,
		.timer_add = rig_timer_add,
		.timer_set = rig_timer_set,
		.timer_del = rig_timer_del,
		.share_count = rig_share_count,
		.share_info = rig_share_info,
		.cursor_open = rig_cursor_open,
		.cursor_next = rig_cursor_next,
		.cursor_done = rig_cursor_done,
		.cursor_seek = rig_cursor_seek,
		.count_after = rig_count_after,
		.cursor_close = rig_cursor_close,
		.receiver = rig_receiver,
		.activation_fd = rig_activation_fd,
		.address = rig_note_address,
		.runtime_dir = rig_runtime_dir,
	};
	*state = rig;
	return 0;
}

static inline void rig_stop(struct rig *rig)
{
	if (!rig->self)
		return;
	rig->plugin->stop(rig->self);
	rig->plugin->close(rig->self);
	free(rig->self);
	free(rig->strings);
	rig->self = NULL;
	assert_int_equal(rig->cursors, 0);
}

/* Every test must end with the descriptors that it started with, and an empty directory. */
static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;

	rig_stop(rig);
	hw_loop_destroy(rig->loop);
	assert_int_equal(rig_count_fds(), rig->fds_before);
	if (rmdir(rig->dir) < 0)
		fail_msg("%s: %s", rig->dir, strerror(errno));
	free(rig);
	return 0;
}

static inline void rig_mistake(void *arg, const struct hw_setting *setting, const char *text)
{
	(void)setting;
	rig_log(arg, HW_LOG_ERROR, "%s", text);
}

/* Sets the options, calls open() and start(). `settings` is a list of "key=value" that NULL ends;
 * %s in a value is the directory. Returns the first error. */
static inline int rig_start(struct rig *rig, const char *const *settings)
{
	const struct hw_option_table table = { rig->plugin->options, rig->plugin->option_count };
	struct hw_setting parsed[8];
	char text[8][256];
	size_t n = 0;
	int r;

	for (; settings[n]; n++) {
		const char *equals = strchr(settings[n], '=');
		const char *mark = strstr(settings[n], "%s");
		char *split;

		assert_non_null(equals);
		if (mark)
			(void)snprintf(text[n], sizeof(text[n]), "%.*s%s%s",
				       (int)(mark - settings[n]), settings[n], rig->dir, mark + 2);
		else
			(void)snprintf(text[n], sizeof(text[n]), "%s", settings[n]);
		split = strchr(text[n], '=');
		*split = '\0';
		parsed[n] = (struct hw_setting){ text[n], split + 1 };
	}
	rig->self = calloc(1, rig->plugin->instance_size);
	assert_non_null(rig->self);
	r = hw_option_apply(&table, rig->self, parsed, n, rig_mistake, rig, &rig->strings);
	if (r < 0) {
		free(rig->self);
		rig->self = NULL;
		return r;
	}
	r = rig->plugin->open(rig->self, &rig->host, rig);
	if (r < 0) {
		rig->plugin->close(rig->self);
		free(rig->self);
		free(rig->strings);
		rig->self = NULL;
		return r;
	}
	r = rig->plugin->start(rig->self);
	if (r < 0)
		rig_stop(rig);
	return r;
}
#define RIG_START(rig, ...) rig_start(rig, (const char *const[]){ __VA_ARGS__, NULL })

static inline void rig_turn(struct rig *rig)
{
	hw_loop_turn(rig->loop, 5);
}

/* Appends `count` events, and calls ready() if the sink asked for it. */
static inline void rig_append(struct rig *rig, uint64_t count)
{
	rig->seq += count;
	if (rig->drawn && rig->self) {
		rig->drawn = false;
		rig->plugin->ready(rig->self, 0);
	}
}

static inline uint64_t rig_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Runs the loop until the condition holds; fails the test after the deadline. */
#define RIG_UNTIL(rig, condition)                                                                  \
	do {                                                                                       \
		uint64_t until_ = rig_ms() + DEADLINE_MS;                                          \
		while (!(condition)) {                                                             \
			if (rig_ms() > until_)                                                     \
				fail_msg("never: %s; log:\n%s", #condition, (rig)->log);           \
			rig_turn(rig);                                                             \
		}                                                                                  \
	} while (0)

#endif
