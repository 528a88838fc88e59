/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard_private.h"

#include "alloc.h"
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FAULTS_TOLD 20u

static struct hw_plugin real, wrapped;

bool hw_guard_has_option(const char *key, size_t len)
{
	for (uint32_t i = 0; i < real.option_count; i++)
		if (strlen(real.options[i]->key) == len &&
		    memcmp(real.options[i]->key, key, len) == 0)
			return true;
	return false;
}
static __thread struct hw_frame *current;
static unsigned blocked, faults;
static bool gave_up;
struct hw_held *hw_held;

/* ---- objects of an instance ---- */

struct hw_held *hw_held_add(enum hw_held_what what, void *ctx, const void *object)
{
	struct hw_held *held = calloc(1, sizeof(*held));

	if (!held)
		return NULL;
	held->what = what;
	held->ctx = ctx;
	held->object = object;
	held->next = hw_held;
	hw_held = held;
	return held;
}

struct hw_held *hw_held_find(enum hw_held_what what, const void *object)
{
	struct hw_held *held = hw_held;

	while (held && (held->what != what || held->object != object))
		held = held->next;
	return held;
}

void hw_held_drop(struct hw_held *held)
{
	struct hw_held **link = &hw_held;

	while (*link && *link != held)
		link = &(*link)->next;
	if (*link)
		*link = held->next;
	free(held);
}

/* ---- time ---- */

static uint64_t to_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * HW_SEC + (uint64_t)tv.tv_usec * 1000;
}

/* Reads the second number of schedstat, proc(5). A child opens the file again, in place of the
 * parent's descriptor, so that the number of descriptors stays the same. */
static uint64_t queued_ns(void)
{
	static pid_t owner;
	static int fd = -1;
	char text[64] = "";
	unsigned long long cpu, queued;

	if (owner != getpid()) {
		if (fd >= 0)
			(void)close(fd); /* it refers to the parent */
		fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
		owner = getpid();
	}
	if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%llu %llu", &cpu, &queued) != 2)
		return 0; /* not supported by the kernel: waiting for the CPU is counted */
	return queued;
}

static struct hw_moment now(void)
{
	struct timespec ts = { 0 };
	struct rusage usage = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with these clocks */
	(void)getrusage(RUSAGE_THREAD, &usage);
	return (struct hw_moment){
		.wall_ns = (uint64_t)ts.tv_sec * HW_SEC + (uint64_t)ts.tv_nsec,
		.cpu_ns = to_ns(usage.ru_utime) + to_ns(usage.ru_stime),
		.queued_ns = queued_ns(),
		.waits = usage.ru_nvcsw,
	};
}

static void account(struct hw_frame *frame)
{
	struct hw_moment end = now();

	frame->spent.wall_ns += end.wall_ns - frame->since.wall_ns;
	frame->spent.cpu_ns += end.cpu_ns - frame->since.cpu_ns;
	frame->spent.queued_ns += end.queued_ns - frame->since.queued_ns;
	frame->spent.waits += end.waits - frame->since.waits;
}

static void judge(const struct hw_frame *frame)
{
	const struct hw_moment *spent = &frame->spent;
	uint64_t used_ns = spent->cpu_ns + spent->queued_ns;
	uint64_t off_ns = spent->wall_ns > used_ns ? spent->wall_ns - used_ns : 0;
	bool closes = strcmp(frame->name, "stop()") == 0 || strcmp(frame->name, "close()") == 0;

	if (spent->waits && off_ns > (closes ? HW_GUARD_CLOSING_NS : HW_GUARD_BLOCKED_NS)) {
		blocked++;
		printf("%s blocked for %.0f ms\n", frame->name, (double)off_ns / 1e6);
	} else if (spent->cpu_ns > HW_GUARD_BUSY_NS) {
		blocked++;
		printf("%s computed for %.0f ms\n", frame->name, (double)spent->cpu_ns / 1e6);
	}
}

void hw_frame_enter(struct hw_frame *frame, const char *name)
{
	*frame = (struct hw_frame){ .name = name, .outer = current };
	current = frame;
	frame->since = now();
	frame->before = hw_alloc_enter(true);
}

void hw_frame_leave(struct hw_frame *frame)
{
	(void)hw_alloc_enter(frame->before);
	account(frame);
	current = frame->outer;
	judge(frame);
}

void hw_frame_pause(const char *service)
{
	(void)hw_alloc_enter(false);
	if (current)
		account(current);
	else
		hw_guard_fault("%s() was called outside of a callback, or by another thread",
			       service);
}

void hw_frame_resume(void)
{
	if (!current)
		return;
	current->since = now();
	(void)hw_alloc_enter(true);
}

bool hw_frame_is(const char *name)
{
	return current && strcmp(current->name, name) == 0;
}

/* ---- faults ---- */

void hw_guard_fault(const char *format, ...)
{
	va_list ap;

	if (faults++ >= FAULTS_TOLD)
		return;
	va_start(ap, format);
	(void)vprintf(format, ap); /* writes to memory */
	va_end(ap);
	(void)putchar('\n');
}

unsigned hw_guard_blocked(void)
{
	return blocked;
}

unsigned hw_guard_faults(void)
{
	return faults;
}

bool hw_guard_gave_up(void)
{
	bool result = gave_up;

	gave_up = false;
	return result;
}

/* ---- callbacks ---- */

#define CALL(name, expression)                                                                     \
	do {                                                                                       \
		struct hw_frame frame;                                                             \
		hw_frame_enter(&frame, name);                                                      \
		expression;                                                                        \
		hw_frame_leave(&frame);                                                            \
	} while (0)

static int checked(const char *name, int r, int most)
{
	if (r > most || r < -4095)
		hw_guard_fault("%s returned %d: 0%s or a negative errno", name, r,
			       most ? ", 1" : "");
	return r;
}

static int guard_open(void *self, const struct hw_host *host, void *ctx)
{
	int r = 0;

	(void)host; /* replaced by the guard's */
	if (!hw_held_add(HW_HELD_INSTANCE, ctx, self))
		return -ENOMEM;
	CALL("open()", r = real.open(self, &hw_guard_host, ctx));
	return checked("open()", r, 0);
}

static int guard_start(void *self)
{
	int r = 0;

	CALL("start()", r = real.start(self));
	return checked("start()", r, 0);
}

static void guard_stop(void *self)
{
	CALL("stop()", real.stop(self));
}

/* Removes loop objects, so that the loop does not call a closed instance. The host itself closes
 * cursors and snapshots. */
static void take_back(struct hw_held *held)
{
	union {
		const void *borrowed;
		struct hw_io *io;
		struct hw_timer *timer;
	} object = { held->object };

	if (held->what == HW_HELD_IO)
		hw_host_services.io_del(held->ctx, object.io);
	else if (held->what == HW_HELD_TIMER)
		hw_host_services.timer_del(held->ctx, object.timer);
	hw_held_drop(held);
}

static void guard_close(void *self)
{
	static const char *const names[] = {
		[HW_HELD_IO] = "a descriptor (io_del)",
		[HW_HELD_TIMER] = "a timer (timer_del)",
		[HW_HELD_CURSOR] = "a cursor (cursor_close)",
		[HW_HELD_SNAPSHOT] = "a snapshot (snapshot_close)",
	};
	struct hw_held *instance = hw_held_find(HW_HELD_INSTANCE, self), *next;

	CALL("close()", real.close(self));
	if (!instance)
		return;
	for (struct hw_held *held = hw_held; held; held = next) {
		next = held->next;
		if (held->ctx != instance->ctx || held == instance)
			continue;
		hw_guard_fault("close() left %s", names[held->what]);
		take_back(held);
	}
	hw_held_drop(instance);
}

static int guard_probe(void *self, int dirfd)
{
	int r = 0;

	CALL("probe()", r = real.probe(self, dirfd));
	return checked("probe()", r, 0);
}

static int guard_watch_dir(void *self, hw_token dir, int dirfd)
{
	int r = 0;

	CALL("watch_dir()", r = real.watch_dir(self, dir, dirfd));
	gave_up = gave_up || (r < 0 && r != -ENOENT);
	return checked("watch_dir()", r, 0);
}

static void guard_forget_dir(void *self, hw_token dir)
{
	CALL("forget_dir()", real.forget_dir(self, dir));
}

static int guard_flush(void *self)
{
	int r = 0;

	CALL("flush()", r = real.flush(self));
	return checked("flush()", r, 1);
}

static void guard_scanned(void *self, const struct hw_scan_result *result)
{
	CALL("scanned()", real.scanned(self, result));
}

static void guard_stats(void *self, struct hw_watcher_stats *ret)
{
	CALL("stats()", real.stats(self, ret));
}

static void guard_cost(void *self, int dirfd, struct hw_watcher_cost *cost)
{
	CALL("cost()", real.cost(self, dirfd, cost));
}

static void guard_ready(void *self, uint32_t share)
{
	CALL("ready()", real.ready(self, share));
}

static void guard_status(void *self)
{
	CALL("status()", real.status(self));
}

static int guard_drain(void *self)
{
	int r = 0;

	CALL("drain()", r = real.drain(self));
	return checked("drain()", r, 1);
}

const struct hw_plugin *hw_guard_wrap(const struct hw_plugin *plugin)
{
	(void)queued_ns(); /* opens its descriptor before descriptors are counted */
	real = wrapped = *plugin;
	wrapped.open = guard_open;
	wrapped.start = guard_start;
	wrapped.stop = guard_stop;
	wrapped.close = guard_close;
	wrapped.probe = guard_probe;
	wrapped.watch_dir = guard_watch_dir;
	wrapped.forget_dir = guard_forget_dir;
	wrapped.flush = guard_flush;
	wrapped.scanned = guard_scanned;
	wrapped.stats = guard_stats;
	wrapped.cost = guard_cost;
	wrapped.ready = guard_ready;
	wrapped.status = guard_status;
	wrapped.drain = guard_drain;
	return &wrapped;
}
