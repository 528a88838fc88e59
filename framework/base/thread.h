/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread that takes turns with its owner: at any time only one of the two runs, so they can use
 * the same data without locks. The exception are system calls that may wait for a filesystem which
 * does not answer: between hw_away_begin() and hw_away_end() the thread uses nothing but its own
 * variables, and if it stays there for long, the owner continues without it. slices.h runs works
 * this way.
 */
#ifndef HW_THREAD_H
#define HW_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct hw_thread;

typedef void hw_thread_fn(void *arg);
/* Called on the thread, concurrently with the owner: a call has returned, and the owner should call
 * hw_thread_run(). */
typedef void hw_thread_wake_fn(void *arg);

int hw_thread_create(hw_thread_wake_fn *wake, void *arg, struct hw_thread **ret); /* -EAGAIN */
/* Ends the thread, also in the middle of a work, but not while it is away. NULL is allowed. */
void hw_thread_free(struct hw_thread *thread);

/* Begins fn(arg), or continues it if `fn` is NULL. Returns true if it has ended; false if it rests,
 * or is away. */
bool hw_thread_run(struct hw_thread *thread, hw_thread_fn *fn, void *arg);
/* For the work: rests until the next hw_thread_run(). */
void hw_thread_rest(struct hw_thread *thread);

/* CPU time of the thread since its beginning. For the owner and the work. */
uint64_t hw_thread_cpu_ns(const struct hw_thread *thread);

/* For the owner: whether a call of the work has not returned yet, and since when
 * (CLOCK_MONOTONIC in ns; 0: none). */
uint64_t hw_thread_away_since(struct hw_thread *thread);
/* Waits until the call has returned, at most this long. Returns whether it has. */
bool hw_thread_await(struct hw_thread *thread, uint64_t timeout_ns);

/* ---- around system calls that may wait ---- */

/* These do nothing on threads that were not made by hw_thread_create(). They may be nested, and
 * keep errno. The code between them may not use data of others, nor the loop, nor the log. */
void hw_away_begin(void);
void hw_away_end(void);
/* Returns whether this is a thread that was made by hw_thread_create(). It cannot make another. */
bool hw_away_is_possible(void);
/* Returns the process that this thread belongs to. On a thread that was made by hw_thread_create(),
 * getpid(2) returns another number. */
pid_t hw_thread_process(void);
/* The same as hw_away_begin() for calls that take long: the owner does not wait for them at all. */
void hw_away_begin_long(void);
/* Interrupts such a section, for a callback that uses shared data. Returns what hw_away_leave()
 * has to be given. */
unsigned hw_away_enter(void);
void hw_away_leave(unsigned depth);

#endif
