/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small host for one watcher plugin: loads the shared object, provides descriptors and timers
 * with poll(2), and records the hints. Header only; functions may remain unused.
 */
#ifndef HW_TESTS_RECORDING_HOST_H
#define HW_TESTS_RECORDING_HOST_H

#include "option.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h requires the four headers above. */
#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RH_UNUSED __attribute__((unused))
#define RH_SLOTS 8u
#define RH_DEADLINE_MS 60000 /* the machine may stall */

/* A recorded hint; owns its strings. */
struct rh_hint {
	uint32_t what, type;
	hw_token dir, to_dir;
	int32_t pid;
	char name[256], to_name[256];
	uint32_t name_len, to_name_len;
};

struct hw_io {
	int fd;
	uint32_t events;
	hw_io_fn *fn;
	void *arg;
};

struct hw_timer {
	hw_timer_fn *fn;
	void *arg;
	uint64_t due_ns; /* 0: not set */
};

#define RH_DIRS 256u

struct rh {
	const struct hw_plugin *plugin;
	struct hw_host host;
	void *self;
	char *strings;
	struct hw_io *ios[RH_SLOTS];
	struct hw_timer *timers[RH_SLOTS];
	struct rh_hint *hints;
	size_t hint_count, hint_room;
	unsigned lost, scans, calls;
	unsigned fail_call; /* the number of the service call that fails with ENOMEM; 0: no call
			     * fails */
	int scan_result;
	int lock_error; /* lock() returns this without checking; 0: lock() locks */
	int dirs[RH_DIRS]; /* owned: duplicates of watched directories, by token; 0: not watched */
	uint32_t budget;
	uint64_t last_delay_ns; /* of the last timer_set() */
	bool started;
	/* Called after each hint is recorded; may be NULL. */
	void (*on_hint)(struct rh *rh, const struct rh_hint *hint);
	char reason[512];
	char logged[512];
};

/*
 * The host's clock advances only if an iteration finds nothing to read, so a stalled machine does
 * not matter: the kernel has already queued all changes of the test. If rh_patient is set, an
 * iteration waits for another task that makes changes meanwhile, and the clock advances by at most
 * a millisecond.
 */
static uint64_t rh_clock_ns = HW_SEC;
static bool rh_patient;

static RH_UNUSED uint64_t rh_now_ns(void)
{
	return rh_clock_ns;
}

/* ---- services ---- */

static bool rh_may_call(struct rh *rh)
{
	return ++rh->calls != rh->fail_call;
}

static HW_PRINTF(3, 4) void rh_log(void *ctx, uint32_t level, const char *format, ...)
{
	struct rh *rh = ctx;
	va_list ap;

	(void)level;
	va_start(ap, format);
	vsnprintf(rh->logged, sizeof(rh->logged), format, ap);
	va_end(ap);
}

static HW_PRINTF(3, 4) int rh_fail(void *ctx, int error, const char *format, ...)
{
	struct rh *rh = ctx;
	va_list ap;

	va_start(ap, format);
	vsnprintf(rh->reason, sizeof(rh->reason), format, ap);
	va_end(ap);
	return error < 0 ? error : -error;
}

static HW_PRINTF(5, 6) int rh_fail_option(void *ctx, const char *keys, const char *value, int error,
					  const char *format, ...)
{
	struct rh *rh = ctx;
	va_list ap;
	int used = snprintf(rh->reason, sizeof(rh->reason), "%.*s%s%s: ", (int)strcspn(keys, ","),
			    keys, value ? " = " : "", value ? value : "");

	va_start(ap, format);
	vsnprintf(rh->reason + used, sizeof(rh->reason) - (size_t)used, format, ap);
	va_end(ap);
	return error < 0 ? error : -error;
}

static uint64_t rh_now(void *ctx)
{
	(void)ctx;
	return rh_now_ns();
}

static int rh_io_add(void *ctx, int fd, uint32_t events, hw_io_fn *fn, void *arg,
		     struct hw_io **ret)
{
	struct rh *rh = ctx;

	if (!rh_may_call(rh))
		return -ENOMEM;
	for (unsigned i = 0; i < RH_SLOTS; i++) {
		if (rh->ios[i])
			continue;
		*ret = rh->ios[i] = calloc(1, sizeof(struct hw_io));
		**ret = (struct hw_io){ fd, events, fn, arg };
		return 0;
	}
	return -ENOMEM;
}

static void rh_io_set(void *ctx, struct hw_io *io, uint32_t events)
{
	(void)ctx;
	io->events = events;
}

static void rh_io_del(void *ctx, struct hw_io *io)
{
	struct rh *rh = ctx;

	for (unsigned i = 0; io && i < RH_SLOTS; i++)
		if (rh->ios[i] == io)
			rh->ios[i] = NULL;
	free(io);
}

static int rh_timer_add(void *ctx, hw_timer_fn *fn, void *arg, struct hw_timer **ret)
{
	struct rh *rh = ctx;

	if (!rh_may_call(rh))
		return -ENOMEM;
	for (unsigned i = 0; i < RH_SLOTS; i++) {
		if (rh->timers[i])
			continue;
		*ret = rh->timers[i] = calloc(1, sizeof(struct hw_timer));
		**ret = (struct hw_timer){ fn, arg, 0 };
		return 0;
	}
	return -ENOMEM;
}

static void rh_timer_set(void *ctx, struct hw_timer *timer, uint64_t delay_ns)
{
	struct rh *rh = ctx;

	rh->last_delay_ns = delay_ns;
	timer->due_ns = delay_ns ? rh_now_ns() + delay_ns : 0;
}

static void rh_timer_del(void *ctx, struct hw_timer *timer)
{
	struct rh *rh = ctx;

	for (unsigned i = 0; i < RH_SLOTS; i++)
		if (rh->timers[i] == timer)
			rh->timers[i] = NULL;
	free(timer);
}

static void rh_hint(void *ctx, const struct hw_hint *hint)
{
	struct rh *rh = ctx;
	struct rh_hint *copy;

	assert_int_equal(hint->struct_size, sizeof(*hint));
	assert_in_range(hint->name_len, 0, 255);
	assert_in_range(hint->to_name_len, 0, 255);
	if (rh->hint_count == rh->hint_room) {
		rh->hint_room = rh->hint_room ? rh->hint_room * 2 : 64;
		rh->hints = reallocarray(rh->hints, rh->hint_room, sizeof(*rh->hints));
		assert_non_null(rh->hints);
	}
	copy = &rh->hints[rh->hint_count++];
	*copy = (struct rh_hint){
		.what = hint->what,
		.type = hint->type,
		.dir = hint->dir,
		.to_dir = hint->to_dir,
		.pid = hint->pid,
		.name_len = hint->name_len,
		.to_name_len = hint->to_name_len,
	};
	if (hint->name_len)
		memcpy(copy->name, hint->name, hint->name_len);
	if (hint->to_name_len)
		memcpy(copy->to_name, hint->to_name, hint->to_name_len);
	if (rh->on_hint)
		rh->on_hint(rh, copy);
}

static void rh_lost(void *ctx, hw_token dir)
{
	struct rh *rh = ctx;

	assert_true(dir == HW_NO_DIR);
	rh->lost++;
}

static int rh_scan(void *ctx, hw_token dir)
{
	struct rh *rh = ctx;

	(void)dir;
	rh->scans++;
	return rh->scan_result;
}

static int rh_lock(void *ctx, hw_token dir)
{
	struct rh *rh = ctx;
	char entry[512];

	if (rh->lock_error)
		return rh->lock_error;
	if (dir >= RH_DIRS || !rh->dirs[dir])
		return -ENOENT;
	int fd = openat(rh->dirs[dir], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)lseek(fd, LLONG_MAX, SEEK_SET);
	(void)syscall(SYS_getdents64, fd, entry, sizeof(entry));
	close(fd);
	return 0;
}

/* ---- the plugin's life ---- */

static void rh_mistake(void *arg, const struct hw_setting *setting, const char *text)
{
	(void)arg;
	(void)setting;
	fail_msg("%s", text);
}

/* Loads plugins/NAME.so and creates an instance with these settings; does not open or start it. */
static RH_UNUSED struct rh *rh_create(const char *name, const struct hw_setting *settings,
				      size_t count)
{
	struct rh *rh = calloc(1, sizeof(*rh));
	char path[4096];
	void *so;

	assert_non_null(rh);
	snprintf(path, sizeof(path), "%s/plugins/%s.so", HW_BUILD_DIR, name);
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!so)
		fail_msg("%s", dlerror());
	rh->plugin = dlsym(so, HW_PLUGIN_SYMBOL);
	assert_non_null(rh->plugin);
	rh->self = calloc(1, rh->plugin->instance_size);
	assert_non_null(rh->self);
	rh->budget = 1024;
	rh->host = (struct hw_host){
		.struct_size = sizeof(rh->host),
		.abi_major = HW_ABI_MAJOR,
		.abi_minor = HW_ABI_MINOR,
		.log = rh_log,
		.fail = rh_fail,
		.fail_option = rh_fail_option,
		.now_ns = rh_now,
		.io_add = rh_io_add,
		.io_set = rh_io_set,
		.io_del = rh_io_del,
		.timer_add = rh_timer_add,
		.timer_set = rh_timer_set,
		.timer_del = rh_timer_del,
		.hint = rh_hint,
		.lost = rh_lost,
		.scan = rh_scan,
		.lock = rh_lock,
	};
	struct hw_option_table table = { rh->plugin->options, rh->plugin->option_count };
	assert_int_equal(hw_option_apply(&table, rh->self, settings, count, rh_mistake, NULL,
					 &rh->strings),
			 0);
	return rh;
}

static RH_UNUSED int rh_open(struct rh *rh)
{
	return rh->plugin->open(rh->self, &rh->host, rh);
}

/* Creates, opens and starts an instance; fails the test on error. */
static RH_UNUSED struct rh *rh_start(const char *name, const struct hw_setting *settings,
				     size_t count)
{
	struct rh *rh = rh_create(name, settings, count);

	assert_int_equal(rh_open(rh), 0);
	if (rh->plugin->start(rh->self) < 0)
		fail_msg("start: %s", rh->reason);
	rh->started = true;
	return rh;
}

static RH_UNUSED void rh_close_dirs(struct rh *rh)
{
	for (unsigned i = 0; i < RH_DIRS; i++) {
		if (rh->dirs[i] > 0)
			close(rh->dirs[i]);
		rh->dirs[i] = 0;
	}
}

/* Stops a started instance, closes it, checks that it has released all resources of the host, and
 * frees it. */
static RH_UNUSED void rh_destroy(struct rh *rh)
{
	if (rh->started)
		rh->plugin->stop(rh->self);
	rh->plugin->close(rh->self);
	for (unsigned i = 0; i < RH_SLOTS; i++) {
		assert_null(rh->ios[i]);
		assert_null(rh->timers[i]);
	}
	rh_close_dirs(rh);
	free(rh->self);
	free(rh->strings);
	free(rh->hints);
	free(rh);
}

/* ---- iterations ---- */

static int rh_wait_ms(const struct rh *rh, uint64_t now_ns, int timeout_ms)
{
	for (unsigned i = 0; i < RH_SLOTS; i++) {
		uint64_t due = rh->timers[i] ? rh->timers[i]->due_ns : 0;
		uint64_t wait = due > now_ns ? (due - now_ns + HW_MS - 1) / HW_MS : 0;

		if (due && wait < (uint64_t)timeout_ms)
			timeout_ms = (int)wait;
	}
	return timeout_ms;
}

static void rh_run_timers(struct rh *rh)
{
	uint64_t now = rh_now_ns();

	for (unsigned i = 0; i < RH_SLOTS; i++) {
		struct hw_timer *timer = rh->timers[i];

		if (!timer || !timer->due_ns || timer->due_ns > now)
			continue;
		timer->due_ns = 0;
		timer->fn(timer->arg, timer);
	}
}

/* Runs one iteration: calls ready descriptors and expired timers; waits at most timeout_ms. */
static RH_UNUSED void rh_turn(struct rh *rh, int timeout_ms)
{
	struct pollfd fds[RH_SLOTS];

	for (unsigned i = 0; i < RH_SLOTS; i++)
		fds[i] = (struct pollfd){ .fd = rh->ios[i] && rh->ios[i]->events ? rh->ios[i]->fd
										 : -1,
					  .events = POLLIN };
	timeout_ms = rh_wait_ms(rh, rh_now_ns(), timeout_ms);
	if (poll(fds, RH_SLOTS, rh_patient ? timeout_ms : 0) <= 0)
		rh_clock_ns += (rh_patient && timeout_ms ? 1 : (uint64_t)timeout_ms) * HW_MS;
	for (unsigned i = 0; i < RH_SLOTS; i++) {
		struct hw_io *io = rh->ios[i];

		if (!io || !(fds[i].revents & POLLIN))
			continue;
		int handled = io->fn(io->arg, io, HW_IO_READ, rh->budget);
		assert_in_range(handled, 0, rh->budget);
	}
	rh_run_timers(rh);
}

/* The clock for deadlines: the real clock if another task makes changes. */
static uint64_t rh_deadline_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return rh_patient ? (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec : rh_now_ns();
}

/* Runs iterations until `count` hints are recorded. Fails the test at the deadline, or if the
 * kernel loses events. */
static RH_UNUSED void rh_expect(struct rh *rh, size_t count)
{
	uint64_t deadline = rh_deadline_clock_ns() + RH_DEADLINE_MS * HW_MS;
	unsigned lost = rh->lost;

	while (rh->hint_count < count) {
		if (rh->lost != lost || rh_deadline_clock_ns() > deadline)
			fail_msg("%zu hints, expected %zu; events lost: %s", rh->hint_count, count,
				 rh->lost != lost ? "yes" : "no");
		rh_turn(rh, 20);
	}
	assert_int_equal(rh->hint_count, count);
}

/* The plugin must report all events that the kernel has queued so far. */
static RH_UNUSED void rh_flush(struct rh *rh)
{
	assert_int_equal(rh->plugin->flush(rh->self), 0);
}

static RH_UNUSED void rh_forget_hints(struct rh *rh)
{
	rh->hint_count = 0;
}

static RH_UNUSED struct hw_watcher_stats rh_stats(struct rh *rh)
{
	struct hw_watcher_stats stats = { .struct_size = sizeof(stats) };

	rh->plugin->stats(rh->self, &stats);
	return stats;
}

/* ---- recorded hints ---- */

static RH_UNUSED bool rh_is(const struct rh_hint *hint, uint32_t what, hw_token dir,
			    const char *name)
{
	return hint->what == what && hint->dir == dir && !strcmp(hint->name, name) &&
	       hint->name_len == strlen(name);
}

static RH_UNUSED bool rh_is_move(const struct rh_hint *hint, hw_token dir, const char *name,
				 hw_token to_dir, const char *to_name)
{
	return rh_is(hint, HW_HINT_MOVED, dir, name) && hint->to_dir == to_dir &&
	       !strcmp(hint->to_name, to_name) && hint->to_name_len == strlen(to_name);
}

/* Returns the bits of all hints about this name. */
static RH_UNUSED uint32_t rh_told(const struct rh *rh, hw_token dir, const char *name)
{
	uint32_t what = 0;

	for (size_t i = 0; i < rh->hint_count; i++)
		if (rh->hints[i].dir == dir && !strcmp(rh->hints[i].name, name))
			what |= rh->hints[i].what;
	return what;
}

static RH_UNUSED void rh_print(const struct rh *rh)
{
	for (size_t i = 0; i < rh->hint_count; i++) {
		const struct rh_hint *h = &rh->hints[i];

		print_message("# %zu: what %#x type %u dir %ju \"%s\" -> %ju \"%s\" pid %d\n", i,
			      h->what, h->type, (uintmax_t)h->dir, h->name, (uintmax_t)h->to_dir,
			      h->to_name, h->pid);
	}
}

#endif
