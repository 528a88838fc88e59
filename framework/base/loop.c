/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop.h"

#include "turns.h"
#include "works.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/*
 * A descriptor that is flooded with records rests, so that the kernel queues a batch: waking for
 * every record takes three times the CPU time. A single change is still read at once. Several calls
 * in one millisecond show that a flood began, and a large batch after a rest shows that it
 * continues.
 */
#define PACE_MS 1
#define PACE_CALLS 4
#define PACE_BATCH 8
#define AWAY_MS 20 /* between two looks whether a system call of a work has returned */
#define SERVED_MAX 4u /* iterations in a row in which other descriptors delay works that rest */
/* Descriptors of a loop with signals: epoll, wake-up, a pipe of the process and one of the loop. */
#define UV_DESCRIPTORS 6

struct hw_loop {
	uv_loop_t uv;
	uv_prepare_t prepare; /* runs before the loop sleeps, after the timers */
	uv_check_t check; /* runs after the descriptors and finished work */
	uv_timer_t timeout; /* of hw_loop_turn() */
	uv_timer_t pace; /* wakes the descriptors in `paced` */
	struct hw_works works; /* that rest */
	struct hw_io *paced; /* borrowed, linked through next and prev */
	struct hw_io **by_fd; /* owned array of borrowed pointers: the hw_io of each fd */
	size_t by_fd_len;
	struct hw_turns turns;
	unsigned io_count, timer_count;
	bool served; /* a descriptor without slices was handled in this iteration */
	unsigned served_count; /* number of such iterations since the last slice */
	bool timer_ran; /* a timer or a slice ran since the turn functions were last called */
};

struct hw_io {
	uv_poll_t poll;
	struct hw_loop *loop; /* borrowed */
	hw_io_fn *fn;
	void *arg; /* borrowed from the caller of hw_io_add() */
	struct hw_io *next, *prev; /* in loop->paced */
	int fd; /* borrowed */
	uint32_t events;
	uint64_t tick_ms; /* loop time in ms of the last call */
	unsigned tick_calls; /* calls in that millisecond that found data to read */
	bool paced;
	bool patient; /* hw_io_set_patient() */
	bool rested; /* the last call followed a rest */
	bool deleted; /* freed after libuv has closed the handle */
	bool hangup_told;
	bool running; /* fn() has not returned; free_io() leaves io to call_io() and clears fn */
	uint32_t ready; /* of this call */
	struct hw_slices *slices; /* borrowed; NULL: fn() runs in one piece */
};

struct hw_timer {
	uv_timer_t timer;
	struct hw_loop *loop; /* borrowed */
	hw_timer_fn *fn;
	void *arg; /* borrowed from the caller of hw_timer_add() */
	bool deleted;
	bool running; /* as in struct hw_io */
	struct hw_slices *slices; /* likewise */
};

/* ---- turns ---- */

static void run_turns(struct hw_loop *loop)
{
	loop->timer_ran = false;
	hw_turns_run(&loop->turns);
}

static void on_prepare(uv_prepare_t *handle)
{
	struct hw_loop *loop = handle->data;

	if (loop->timer_ran)
		run_turns(loop);
}

/* A client that was just served may have another request: it does not wait for a slice again. */
static void resume_works(struct hw_loop *loop)
{
	bool wait = loop->served && loop->served_count++ < SERVED_MAX;

	loop->served = false;
	if (wait)
		return;
	loop->served_count = 0;
	loop->timer_ran |= hw_works_resume(&loop->works);
}

/* libuv does not report whether uv_queue_work() callbacks ran. Calling the turn functions without
 * need costs little. */
static void on_check(uv_check_t *handle)
{
	struct hw_loop *loop = handle->data;

	run_turns(loop);
	resume_works(loop);
}

int hw_turn_add(struct hw_loop *loop, hw_turn_fn *fn, void *arg)
{
	return hw_turns_add(&loop->turns, fn, arg);
}

void hw_turn_del(struct hw_loop *loop, hw_turn_fn *fn, void *arg)
{
	hw_turns_del(&loop->turns, fn, arg);
}

/* ---- descriptors ---- */

static void on_poll(uv_poll_t *handle, int status, int events);

static int update_poll(struct hw_io *io)
{
	int events = 0;

	if (io->events == 0 || io->paced)
		return uv_poll_stop(&io->poll);
	if (io->events & HW_IO_READ)
		events |= UV_READABLE;
	if (io->events & HW_IO_WRITE)
		events |= UV_WRITABLE;
	/* Polling is level triggered: report the hangup once, or a half-closed peer would keep the
	 * loop busy. */
	if (!io->hangup_told)
		events |= UV_DISCONNECT;
	return uv_poll_start(&io->poll, events, on_poll);
}

static void on_pace(uv_timer_t *handle);

/* An earlier time is not changed. */
static void set_pace(struct hw_loop *loop, uint64_t delay_ms)
{
	if (!uv_is_active((uv_handle_t *)&loop->pace) ||
	    uv_timer_get_due_in(&loop->pace) > delay_ms)
		(void)uv_timer_start(&loop->pace, on_pace, delay_ms,
				     0); /* fails only if the handle is closing */
}

static bool is_away(const struct hw_slices *slices)
{
	return slices && hw_slices_away_since(slices);
}

static void on_pace(uv_timer_t *handle)
{
	struct hw_loop *loop = handle->data;
	struct hw_io *io, *next;

	for (io = loop->paced; io; io = next) {
		next = io->next;
		if (is_away(io->slices)) {
			set_pace(loop, AWAY_MS);
			continue;
		}
		DL_DELETE(loop->paced, io);
		io->paced = false;
		io->rested = true;
		(void)update_poll(io); /* cannot fail: the same handle was polled before */
	}
}

static void pace(struct hw_io *io)
{
	struct hw_loop *loop = io->loop;

	if (io->paced)
		return; /* it became ready while its work rested */
	/* The loop's time is that of its last wake-up. Update it, because the time spent on
	 * handling since then is not part of the rest. */
	uv_update_time(&loop->uv);
	set_pace(loop, PACE_MS);
	if (io->paced)
		return;
	io->paced = true;
	DL_APPEND(loop->paced, io);
	(void)update_poll(io);
}

static bool is_flood(struct hw_io *io, uint32_t ready, int handled)
{
	uint64_t now_ms = uv_now(&io->loop->uv);
	bool rested = io->rested;

	io->rested = false;
	if (handled >= (int)HW_IO_BUDGET)
		return true;
	if (!io->patient || ready != HW_IO_READ || handled <= 0)
		return false;
	io->tick_calls = io->tick_ms == now_ms ? io->tick_calls + 1 : 1;
	io->tick_ms = now_ms;
	return io->tick_calls >= PACE_CALLS || (rested && handled >= PACE_BATCH);
}

static void call_io(void *arg)
{
	struct hw_io *io = arg;
	int handled;

	io->running = true;
	handled = io->fn(io->arg, io, io->ready, HW_IO_BUDGET);
	io->running = false;
	if (!io->fn)
		free(io);
	else if (io->deleted)
		return;
	else if (is_flood(io, io->ready, handled))
		pace(io);
	else if (io->ready & HW_IO_HANGUP)
		(void)update_poll(io);
}

static bool must_wait(const struct hw_slices *slices)
{
	return slices && hw_slices_is_resting(slices);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct hw_io *io = handle->data;

	if (must_wait(io->slices)) {
		pace(io); /* polling is level triggered: it is ready again afterwards */
		return;
	}
	io->ready = 0;
	if (events & UV_READABLE)
		io->ready |= HW_IO_READ;
	if (events & UV_WRITABLE)
		io->ready |= HW_IO_WRITE;
	if (events & UV_DISCONNECT)
		io->ready |= HW_IO_HANGUP;
	/* libuv stops the handle at POLLERR. The caller gets the error from its next call on the
	 * fd. */
	if (status < 0)
		io->ready = HW_IO_HANGUP | io->events;
	if (io->ready & HW_IO_HANGUP)
		io->hangup_told = true;
	io->loop->served |= !io->slices;
	hw_works_call(&io->loop->works, io->slices, call_io, io);
}

static int remember_fd(struct hw_loop *loop, int fd, struct hw_io *io)
{
	size_t index = (size_t)fd;

	if (index >= loop->by_fd_len) {
		size_t len = (index / 64 + 1) * 64;
		struct hw_io **by_fd = reallocarray(loop->by_fd, len, sizeof(struct hw_io *));
		if (!by_fd)
			return -ENOMEM;
		memset(by_fd + loop->by_fd_len, 0, (len - loop->by_fd_len) * sizeof(*by_fd));
		loop->by_fd = by_fd;
		loop->by_fd_len = len;
	}
	/* libuv would detect the duplicate only if both are being polled, and not while one rests.
	 * */
	if (loop->by_fd[index])
		return -EEXIST;
	loop->by_fd[index] = io;
	return 0;
}

int hw_io_add(struct hw_loop *loop, int fd, uint32_t events, hw_io_fn *fn, void *arg,
	      struct hw_io **ret)
{
	struct hw_io *io;
	int r;

	if (fd < 0 || !fn || (events & ~(HW_IO_READ | HW_IO_WRITE)))
		return -EINVAL;
	io = calloc(1, sizeof(*io));
	if (!io)
		return -ENOMEM;
	*io = (struct hw_io){ .loop = loop, .fd = fd, .fn = fn, .arg = arg, .events = events };
	r = remember_fd(loop, fd, io);
	if (r < 0)
		goto fail;
	r = uv_poll_init(&loop->uv, &io->poll, fd);
	if (r < 0) {
		loop->by_fd[fd] = NULL;
		goto fail;
	}
	io->poll.data = io;
	loop->io_count++;
	r = update_poll(io);
	if (r < 0) {
		hw_io_del(io);
		return r;
	}
	*ret = io;
	return 0;
fail:
	free(io);
	/* EPERM and EBADF of epoll: the descriptor cannot be polled */
	return r == -ENOMEM || r == -EEXIST ? r : -EINVAL;
}

void hw_io_set(struct hw_io *io, uint32_t events)
{
	events &= HW_IO_READ | HW_IO_WRITE;
	if (events == io->events)
		return;
	io->events = events;
	(void)update_poll(io); /* cannot fail: hw_io_add() has polled this fd */
}

void hw_io_set_patient(struct hw_io *io)
{
	io->patient = true;
}

void hw_io_set_slices(struct hw_io *io, struct hw_slices *slices)
{
	io->slices = slices;
}

static void free_io(uv_handle_t *handle)
{
	struct hw_io *io = handle->data;

	io->fn = NULL;
	if (!io->running)
		free(io);
}

bool hw_io_is_readable(const struct hw_io *io)
{
	struct pollfd ready = { .fd = io->fd, .events = POLLIN };

	return poll(&ready, 1, 0) > 0;
}

void hw_io_del(struct hw_io *io)
{
	struct hw_loop *loop;

	if (!io)
		return;
	loop = io->loop;
	if (io->paced)
		DL_DELETE(loop->paced, io);
	loop->by_fd[io->fd] = NULL;
	loop->io_count--;
	io->deleted = true;
	/* Removes the fd from epoll and from the batch being handled, so that its number may be
	 * reused at once. */
	(void)uv_poll_stop(&io->poll);
	uv_close((uv_handle_t *)&io->poll, free_io);
}

/* ---- timers ---- */

int hw_timer_add(struct hw_loop *loop, hw_timer_fn *fn, void *arg, struct hw_timer **ret)
{
	struct hw_timer *timer;

	if (!fn)
		return -EINVAL;
	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	*timer = (struct hw_timer){ .loop = loop, .fn = fn, .arg = arg };
	(void)uv_timer_init(&loop->uv, &timer->timer); /* always 0 */
	timer->timer.data = timer;
	loop->timer_count++;
	*ret = timer;
	return 0;
}

static void call_timer(void *arg)
{
	struct hw_timer *timer = arg;

	timer->running = true;
	timer->fn(timer->arg, timer);
	timer->running = false;
	if (!timer->fn)
		free(timer);
}

static void on_timer(uv_timer_t *handle)
{
	struct hw_timer *timer = handle->data;

	timer->loop->timer_ran = true;
	if (must_wait(timer->slices))
		hw_timer_set(timer, is_away(timer->slices) ? AWAY_MS * HW_MS : HW_MS);
	else
		hw_works_call(&timer->loop->works, timer->slices, call_timer, timer);
}

void hw_timer_set_slices(struct hw_timer *timer, struct hw_slices *slices)
{
	timer->slices = slices;
}

static void free_timer(uv_handle_t *handle)
{
	struct hw_timer *timer = handle->data;

	timer->fn = NULL;
	if (!timer->running)
		free(timer);
}

void hw_timer_set(struct hw_timer *timer, uint64_t delay_ns)
{
	uint64_t due_ms, now_ms = uv_now(&timer->loop->uv);

	if (delay_ns == 0) {
		(void)uv_timer_stop(&timer->timer);
		return;
	}
	/* libuv counts whole milliseconds from the start of this iteration. Update its time, so
	 * that the timer never expires early. */
	if (delay_ns > INT64_MAX)
		delay_ns = INT64_MAX;
	due_ms = (uv_hrtime() + delay_ns + HW_MS - 1) / HW_MS;
	(void)uv_timer_start(&timer->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

void hw_timer_del(struct hw_timer *timer)
{
	if (!timer || timer->deleted)
		return;
	timer->deleted = true;
	timer->loop->timer_count--;
	uv_close((uv_handle_t *)&timer->timer, free_timer);
}

/* ---- the loop ---- */

/* libuv aborts the process if it cannot get descriptors for its signals. */
static int check_descriptors(void)
{
	int fds[UV_DESCRIPTORS], count = 0, r = 0;

	while (count < UV_DESCRIPTORS && r == 0) {
		fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		r = fds[count] < 0 ? -errno : 0;
		count += r == 0;
	}
	while (count > 0)
		(void)close(fds[--count]); /* never used for data */
	return r;
}

int hw_loop_create(struct hw_loop **ret)
{
	struct hw_loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	r = check_descriptors();
	if (r == 0)
		r = uv_loop_init(&loop->uv);
	if (r < 0) {
		free(loop);
		return r;
	}
	r = hw_works_init(&loop->works, &loop->uv);
	if (r < 0) {
		hw_loop_destroy(loop);
		return r;
	}
	/* These always return 0. */
	(void)uv_prepare_init(&loop->uv, &loop->prepare);
	(void)uv_check_init(&loop->uv, &loop->check);
	(void)uv_timer_init(&loop->uv, &loop->timeout);
	(void)uv_timer_init(&loop->uv, &loop->pace);
	loop->prepare.data = loop->check.data = loop->pace.data = loop;
	(void)uv_prepare_start(&loop->prepare, on_prepare);
	(void)uv_check_start(&loop->check, on_check);
	*ret = loop;
	return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void hw_loop_destroy(struct hw_loop *loop)
{
	int r;

	if (!loop || hw_works_are_dropped(&loop->works))
		return;
	assert(loop->io_count == 0 && loop->timer_count == 0);
	uv_walk(&loop->uv, close_handle, NULL);
	do {
		(void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* until the close and work callbacks have
							  * run */
		r = uv_loop_close(&loop->uv);
	} while (r == UV_EBUSY);
	hw_turns_free(&loop->turns);
	free(loop->by_fd);
	free(loop);
}

uv_loop_t *hw_loop_uv(struct hw_loop *loop)
{
	return &loop->uv;
}

int hw_loop_run(struct hw_loop *loop)
{
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* the result is ignored: handles remain */
	if (loop->timer_ran)
		run_turns(loop);
	return 0;
}

bool hw_loop_call(struct hw_loop *loop, struct hw_slices *slices, hw_slices_fn *fn, void *arg)
{
	if (hw_slices_is_resting(slices))
		return false;
	hw_works_call(&loop->works, slices, fn, arg);
	return true;
}

bool hw_loop_finish(struct hw_loop *loop, struct hw_slices *slices)
{
	return hw_works_finish(&loop->works, slices);
}

int hw_loop_use_thread(struct hw_loop *loop, struct hw_slices *slices)
{
	return hw_slices_use_thread(slices, hw_works_wake, &loop->works);
}

void hw_loop_drop(struct hw_slices *slices, hw_slices_fn *fn, void *arg)
{
	hw_works_drop(slices, fn, arg);
}

bool hw_loop_has_dropped(const struct hw_loop *loop)
{
	return hw_works_are_dropped(&loop->works);
}

void hw_loop_wake(struct hw_loop *loop)
{
	hw_works_wake(&loop->works);
}

void hw_loop_stop(struct hw_loop *loop)
{
	uv_stop(&loop->uv);
}

static void on_timeout(uv_timer_t *handle)
{
	(void)handle; /* the handle only wakes the loop */
}

void hw_loop_turn(struct hw_loop *loop, unsigned timeout_ms)
{
	if (timeout_ms == 0) {
		(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
	} else {
		uv_update_time(&loop->uv); /* the last iteration may be long ago */
		/* It may expire before the loop waits, so it must repeat. */
		(void)uv_timer_start(&loop->timeout, on_timeout, timeout_ms, timeout_ms);
		(void)uv_run(&loop->uv, UV_RUN_ONCE);
		(void)uv_timer_stop(&loop->timeout);
	}
	/* UV_RUN_ONCE also runs timers after the check phase. */
	if (loop->timer_ran)
		run_turns(loop);
}

uint64_t hw_loop_now_ns(const struct hw_loop *loop)
{
	(void)loop;
	return uv_hrtime();
}
