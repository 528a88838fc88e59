/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event loop: one thread, based on libuv. Everything here runs on that thread. */
#ifndef HW_LOOP_H
#define HW_LOOP_H

#include "slices.h"

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <uv.h>

struct hw_loop;

int hw_loop_create(struct hw_loop **ret);
/* Closes all remaining handles; asserts that no hw_io or hw_timer remains. Accepts NULL. */
void hw_loop_destroy(struct hw_loop *loop);

/* For uv_queue_work() and signal handles. */
uv_loop_t *hw_loop_uv(struct hw_loop *loop);

/* Runs until hw_loop_stop(). Returns 0. */
int hw_loop_run(struct hw_loop *loop);
void hw_loop_stop(struct hw_loop *loop);

/* Runs one iteration: waits at most timeout_ms (0: does not wait) and handles everything that is
 * ready. */
void hw_loop_turn(struct hw_loop *loop, unsigned timeout_ms);

/* Returns whether data can be read now. */
bool hw_io_is_readable(const struct hw_io *io);
/* Returns whether the last call used its full budget, so that much may be left to read, and the
 * next call has not been due yet. Makes no system call. */
bool hw_io_is_behind(const struct hw_io *io);

/* CLOCK_MONOTONIC in ns at the time of the call. */
uint64_t hw_loop_now_ns(const struct hw_loop *loop);
/* The same clock up to 10 ms ago, in a fraction of the time. */
uint64_t hw_loop_recent_ns(const struct hw_loop *loop);

/* Descriptors and timers, as described in plugin.h. hw_io_add() returns -EEXIST if fd is already
 * watched, -EINVAL, or -ENOMEM. An fd that is closed and reopened during an iteration never reaches
 * the wrong hw_io. After a call that used its full budget, the next call follows up to 1 ms later.
 * */
#define HW_IO_BUDGET 1024u
int hw_io_add(struct hw_loop *loop, int fd, uint32_t events, hw_io_fn *fn, void *arg,
	      struct hw_io **ret);
void hw_io_set(struct hw_io *io, uint32_t events);
void hw_io_del(struct hw_io *io);
/* For kernel queues: their records are handled by works (slices.h), so that a call may be long, and
 * gets a larger budget. Also delays the next call for a stream of small batches; a single record is
 * still handled at once. */
#define HW_IO_QUEUE_BUDGET 8192u
void hw_io_set_patient(struct hw_io *io);
int hw_timer_add(struct hw_loop *loop, hw_timer_fn *fn, void *arg, struct hw_timer **ret);
void hw_timer_set(struct hw_timer *timer, uint64_t delay_ns);
void hw_timer_del(struct hw_timer *timer);

/*
 * Long work in slices. Callbacks that use the same data are given the same slices: each runs as a
 * work of these, and while one rests, the others wait. hw_loop_call() runs fn(arg) in the same way;
 * it returns false, and does nothing, if a work rests. hw_loop_finish() runs the work that rests,
 * if any, to its end; it returns false if a system call of the work does not return. The slices are
 * borrowed; a work must not free them.
 */
void hw_io_set_slices(struct hw_io *io, struct hw_slices *slices);
void hw_timer_set_slices(struct hw_timer *timer, struct hw_slices *slices);
bool hw_loop_call(struct hw_loop *loop, struct hw_slices *slices, hw_slices_fn *fn, void *arg);
bool hw_loop_finish(struct hw_loop *loop, struct hw_slices *slices);
/* In a callback of a descriptor: how long the loop did something else than wait, since it polled
 * the descriptors the last time but one. What the callback reports may have happened in that time.
 */
int64_t hw_loop_busy_ns(const struct hw_loop *loop);
/* Later works run on a thread of their own: see hw_slices_use_thread(). 0 or -errno. */
int hw_loop_use_thread(struct hw_loop *loop, struct hw_slices *slices);
/* For a work whose system call does not return: when it has, the work ends where it is, and fn(arg)
 * is called, which releases the descriptors and timers with these slices, and the slices. Until
 * then, hw_loop_destroy() does nothing. */
void hw_loop_drop(struct hw_slices *slices, hw_slices_fn *fn, void *arg);
/* Returns whether there is such a work: then the process should end without releasing anything. */
bool hw_loop_has_dropped(const struct hw_loop *loop);
/* Makes the loop run another iteration at once. */
void hw_loop_wake(struct hw_loop *loop);

/* Called at the end of each iteration in which an io, timer or work callback ran, after all of them
 * and before the loop sleeps. Here a batch of hints becomes a batch of events. */
typedef void hw_turn_fn(void *arg);
int hw_turn_add(struct hw_loop *loop, hw_turn_fn *fn, void *arg);
void hw_turn_del(struct hw_loop *loop, hw_turn_fn *fn, void *arg);

#endif
