/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The descriptors of a loop. */
#include "loop_private.h"
#include "stage.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
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
	bool behind; /* the last call used its full budget, and it rests since then */
	bool deleted; /* freed after libuv has closed the handle */
	bool hangup_told;
	bool running; /* fn() has not returned; free_io() leaves io to call_io() and clears fn */
	uint32_t ready; /* of this call */
	struct hw_slices *slices; /* borrowed; NULL: fn() runs in one piece */
};

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

static void on_pace(uv_timer_t *handle)
{
	struct hw_loop *loop = handle->data;
	struct hw_io *io, *next;

	for (io = loop->paced; io; io = next) {
		next = io->next;
		if (hw_loop_is_away(io->slices)) {
			set_pace(loop, HW_LOOP_AWAY_MS);
			continue;
		}
		DL_DELETE(loop->paced, io);
		io->paced = false;
		io->rested = true;
		io->behind = false;
		(void)update_poll(io); /* cannot fail: the same handle was polled before */
	}
}

static void pace(struct hw_io *io)
{
	struct hw_loop *loop = io->loop;

	if (io->paced)
		return; /* it became ready while its work rested */
	/* The time spent on handling since the loop's time is not part of the rest. */
	set_pace(loop, PACE_MS + hw_loop_elapsed_ns(loop) / HW_MS);
	if (io->paced)
		return;
	io->paced = true;
	DL_APPEND(loop->paced, io);
	(void)update_poll(io);
}

static uint32_t budget_of(const struct hw_io *io)
{
	return io->patient ? HW_IO_QUEUE_BUDGET : HW_IO_BUDGET;
}

static bool is_flood(struct hw_io *io, uint32_t ready, int handled)
{
	uint64_t now_ms = uv_now(&io->loop->uv);
	bool rested = io->rested;

	io->rested = false;
	io->behind = handled >= (int)budget_of(io);
	if (io->behind)
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

	HW_STAGE(io->patient ? HW_STAGE_READ : HW_STAGE_OTHER);
	HW_PROBE2(input_begin, io->fd, io->ready);
	io->running = true;
	handled = io->fn(io->arg, io, io->ready, budget_of(io));
	io->running = false;
	HW_PROBE2(input_end, io->fd, handled);
	if (!io->fn)
		free(io);
	else if (io->deleted)
		return;
	else if (is_flood(io, io->ready, handled))
		pace(io);
	else if (io->ready & HW_IO_HANGUP)
		(void)update_poll(io);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct hw_io *io = handle->data;

	if (hw_loop_must_wait(io->slices)) {
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

bool hw_io_is_behind(const struct hw_io *io)
{
	return io->behind;
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
