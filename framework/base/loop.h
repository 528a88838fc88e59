/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event loop: one thread, libuv underneath. Everything here runs on that thread. */
#ifndef HW_LOOP_H
#define HW_LOOP_H

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <uv.h>

struct hw_loop;

int hw_loop_create(struct hw_loop **ret);
/* Closes every handle that is left; asserts that no hw_io or hw_timer is. NULL is fine. */
void hw_loop_destroy(struct hw_loop *loop);

/* For uv_queue_work() and signal handles. */
uv_loop_t *hw_loop_uv(struct hw_loop *loop);

/* Until hw_loop_stop(). Returns 0. */
int hw_loop_run(struct hw_loop *loop);
void hw_loop_stop(struct hw_loop *loop);

/* One turn: waits at most timeout_ms (0: not at all) for something to happen, handles what is
 * ready. */
void hw_loop_turn(struct hw_loop *loop, unsigned timeout_ms);

/* Something can be read just now. */
bool hw_io_is_readable(const struct hw_io *io);

/* CLOCK_MONOTONIC in ns at the time of the call. */
uint64_t hw_loop_now_ns(const struct hw_loop *loop);

/* Descriptors and timers, as plugin.h describes them. hw_io_add(): -EEXIST when fd is watched
 * already, -EINVAL, -ENOMEM. An fd that was closed and reopened inside a turn never reaches the
 * wrong hw_io. Full budgets pace themselves: the next call comes up to 1 ms later. */
#define HW_IO_BUDGET 1024u
int hw_io_add(struct hw_loop *loop, int fd, uint32_t events, hw_io_fn *fn, void *arg,
	      struct hw_io **ret);
void hw_io_set(struct hw_io *io, uint32_t events);
void hw_io_del(struct hw_io *io);
/* A stream of small batches paces itself as well; a single record is still handled at once. For
 * kernel queues. */
void hw_io_set_patient(struct hw_io *io);
int hw_timer_add(struct hw_loop *loop, hw_timer_fn *fn, void *arg, struct hw_timer **ret);
void hw_timer_set(struct hw_timer *timer, uint64_t delay_ns);
void hw_timer_del(struct hw_timer *timer);

/* Called once at the end of each turn in which an io, timer or work callback ran, after all of
 * them, before the loop sleeps: where a batch of hints becomes a batch of events. */
typedef void hw_turn_fn(void *arg);
int hw_turn_add(struct hw_loop *loop, hw_turn_fn *fn, void *arg);
void hw_turn_del(struct hw_loop *loop, hw_turn_fn *fn, void *arg);

#endif
