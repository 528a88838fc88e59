/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop.h"

#include "loop_private.h"
#include "stage.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SERVED_MAX 4u /* iterations in a row in which other descriptors delay works that rest */
/* Descriptors of a loop with signals: epoll, wake-up, a pipe of the process and one of the loop. */
#define UV_DESCRIPTORS 6

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
	loop->busy_ns = uv_hrtime() - loop->polled_ns;
	hw_stage_set(HW_STAGE_WAIT);
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

	hw_stage_set(HW_STAGE_OTHER);
	loop->polled_ns = uv_now(&loop->uv) * HW_MS;
	run_turns(loop);
	resume_works(loop);
}

int64_t hw_loop_busy_ns(const struct hw_loop *loop)
{
	return (int64_t)(loop->busy_ns + hw_loop_elapsed_ns(loop));
}

int hw_turn_add(struct hw_loop *loop, hw_turn_fn *fn, void *arg)
{
	return hw_turns_add(&loop->turns, fn, arg);
}

void hw_turn_del(struct hw_loop *loop, hw_turn_fn *fn, void *arg)
{
	hw_turns_del(&loop->turns, fn, arg);
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

uint64_t hw_loop_recent_ns(const struct hw_loop *loop)
{
	struct timespec now;

	(void)loop;
	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}
