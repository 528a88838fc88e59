/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work in slices, sorting in slices, and what a loop does while a work rests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop.h"
#include "sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_NS (60 * HW_SEC)
#define LONG (16 * HW_SLICES_SHORT)

struct work {
	struct hw_slices slices;
	unsigned steps, done;
	unsigned rests; /* counted by the owner */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

/* Each step takes 10 us, so that a slice ends after some hundreds. */
static void run(void *arg)
{
	struct work *work = arg;

	while (work->done < work->steps) {
		uint64_t end = now_ns() + 10000;

		while (now_ns() < end)
			;
		work->done++;
		hw_slices_rest(&work->slices);
	}
}

static void run_to_end(struct work *work)
{
	hw_slices_begin(&work->slices, run, work);
	while (hw_slices_is_resting(&work->slices)) {
		work->rests++;
		hw_slices_resume(&work->slices);
	}
}

static void long_work_rests_and_ends(void **state)
{
	struct work work = { .steps = LONG };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		work.done = work.rests = 0;
		run_to_end(&work);
		assert_int_equal(work.done, LONG);
		assert_true(work.rests > 0);
	}
	hw_slices_free(&work.slices);
}

static void short_work_never_rests(void **state)
{
	struct work work = { .steps = HW_SLICES_SHORT };

	(void)state;
	run_to_end(&work);
	assert_int_equal(work.done, HW_SLICES_SHORT);
	assert_int_equal(work.rests, 0);
	hw_slices_free(&work.slices);
}

static void finish_runs_to_the_end(void **state)
{
	struct work work = { .steps = LONG };

	(void)state;
	hw_slices_begin(&work.slices, run, &work);
	assert_true(hw_slices_is_resting(&work.slices));
	assert_true(work.done < LONG);
	hw_slices_finish(&work.slices);
	assert_false(hw_slices_is_resting(&work.slices));
	assert_int_equal(work.done, LONG);
	hw_slices_finish(&work.slices); /* none rests */
	work.done = 0;
	run_to_end(&work); /* the next work rests again */
	assert_true(work.rests > 0);
	hw_slices_free(&work.slices);
}

static void finish_other(void *arg)
{
	struct work *const *works = arg;

	hw_slices_finish(&works[1]->slices);
	run(works[0]);
}

static void a_work_finishes_another_one(void **state)
{
	struct work inner = { .steps = LONG }, outer = { .steps = LONG };
	struct work *works[] = { &outer, &inner };

	(void)state;
	hw_slices_begin(&inner.slices, run, &inner);
	assert_true(hw_slices_is_resting(&inner.slices));
	hw_slices_begin(&outer.slices, finish_other, works);
	assert_int_equal(inner.done, LONG);
	assert_true(hw_slices_is_resting(&outer.slices));
	hw_slices_finish(&outer.slices);
	assert_int_equal(outer.done, LONG);
	hw_slices_free(&inner.slices);
	hw_slices_free(&outer.slices);
}

/* ---- CPU time ---- */

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec now;

	assert_int_equal(clock_gettime(clock, &now), 0);
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

struct metered {
	struct work work;
	uint64_t used_ns, meter_ns;
};

static void use_cpu(void *arg)
{
	struct metered *metered = arg;
	uint64_t begun = cpu_ns(CLOCK_THREAD_CPUTIME_ID);

	hw_slices_meter_begin(&metered->work.slices);
	while (metered->work.done < metered->work.steps) {
		uint64_t end = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + 10000;

		while (cpu_ns(CLOCK_THREAD_CPUTIME_ID) < end)
			metered->used_ns = end - begun;
		metered->work.done++;
		hw_slices_rest(&metered->work.slices);
	}
	metered->meter_ns = hw_slices_meter_end(&metered->work.slices);
}

/* What its owner does while it rests is not counted. */
static void a_meter_counts_the_cpu_time_of_the_work(void **state)
{
	struct metered inner = { .work.steps = LONG }, outer = { .work.steps = LONG };

	(void)state;
	assert_int_equal(hw_slices_meter_end(&inner.work.slices), 0);
	hw_slices_begin(&inner.work.slices, use_cpu, &inner);
	while (hw_slices_is_resting(&inner.work.slices)) {
		use_cpu(&outer);
		outer.work.done = 0;
		hw_slices_resume(&inner.work.slices);
	}
	assert_true(inner.meter_ns >= LONG * UINT64_C(10000));
	assert_true(inner.meter_ns < inner.used_ns / 2);
	hw_slices_free(&inner.work.slices);
}

static void wake_nobody(void *arg)
{
	(void)arg;
}

static void a_meter_counts_the_cpu_time_of_a_thread(void **state)
{
	struct metered metered = { .work.steps = LONG };

	(void)state;
	assert_int_equal(hw_slices_use_thread(&metered.work.slices, wake_nobody, NULL), 0);
	hw_slices_begin(&metered.work.slices, use_cpu, &metered);
	while (hw_slices_is_resting(&metered.work.slices))
		hw_slices_resume(&metered.work.slices);
	assert_in_range(metered.meter_ns, metered.used_ns / 2, 2 * metered.used_ns);
	hw_slices_free(&metered.work.slices);
}

/* ---- sorting ---- */

struct pair {
	uint32_t key, place;
	char more[40];
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct pair *x = a, *y = b;

	(void)arg;
	return (x->key > y->key) - (x->key < y->key);
}

static void check_sort(uint32_t count, struct hw_slices *slices)
{
	const struct hw_sort how = { compare, NULL, slices };
	struct pair *pairs = calloc(count ? count : 1, sizeof(*pairs));
	uint32_t random = 12345;

	assert_non_null(pairs);
	for (uint32_t i = 0; i < count; i++) {
		random = random * 1664525 + 1013904223;
		pairs[i].key = random >> 20;
		pairs[i].place = i;
	}
	hw_sort(count ? pairs : NULL, count, sizeof(*pairs), &how);
	for (uint32_t i = 1; i < count; i++) {
		assert_true(pairs[i - 1].key <= pairs[i].key);
		assert_true(pairs[i - 1].key < pairs[i].key || pairs[i - 1].place < pairs[i].place);
	}
	free(pairs);
}

static void sort_is_right_and_stable_for_every_length(void **state)
{
	static const uint32_t counts[] = { 0,   1,   2,   255,  256,  257,  511,   512,   513,
					   767, 768, 769, 1024, 1025, 4097, 65535, 65536, 65537 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		check_sort(counts[i], NULL);
}

static void sort_many(void *arg)
{
	struct work *work = arg;

	check_sort(300000, &work->slices);
	work->done = 1;
}

static void a_long_sort_rests(void **state)
{
	struct work work = { .done = 0 };

	(void)state;
	hw_slices_begin(&work.slices, sort_many, &work);
	assert_true(hw_slices_is_resting(&work.slices));
	while (hw_slices_is_resting(&work.slices))
		hw_slices_resume(&work.slices);
	assert_int_equal(work.done, 1);
	hw_slices_free(&work.slices);
}

/* ---- in a loop ---- */

struct seen {
	struct work work;
	unsigned bound, other, turns; /* calls */
	bool early; /* a bound callback was called while the work rested */
	struct hw_io *io;
};

static int on_io(void *arg, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct seen *seen = arg;

	(void)events;
	(void)budget;
	seen->bound++;
	seen->early |= seen->work.done < seen->work.steps;
	hw_io_set(io, 0);
	return 1;
}

static void on_bound_timer(void *arg, struct hw_timer *timer)
{
	struct seen *seen = arg;

	(void)timer;
	seen->bound++;
	seen->early |= seen->work.done < seen->work.steps;
}

static void on_other_timer(void *arg, struct hw_timer *timer)
{
	struct seen *seen = arg;

	seen->other += seen->work.done < seen->work.steps;
	hw_timer_set(timer, HW_MS);
}

static void on_turn(void *arg)
{
	struct seen *seen = arg;

	seen->turns += seen->work.done < seen->work.steps;
}

/* The callbacks that share the slices wait; everything else runs meanwhile. */
static void callbacks_of_a_resting_work_wait(void **state)
{
	struct seen seen = { .work.steps = LONG };
	struct hw_timer *bound, *other;
	struct hw_loop *loop;
	int fds[2];

	(void)state;
	assert_int_equal(hw_loop_create(&loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(hw_io_add(loop, fds[0], HW_IO_READ, on_io, &seen, &seen.io), 0);
	assert_int_equal(hw_timer_add(loop, on_bound_timer, &seen, &bound), 0);
	assert_int_equal(hw_timer_add(loop, on_other_timer, &seen, &other), 0);
	assert_int_equal(hw_turn_add(loop, on_turn, &seen), 0);
	hw_io_set_slices(seen.io, &seen.work.slices);
	hw_timer_set_slices(bound, &seen.work.slices);
	hw_timer_set(bound, 1);
	hw_timer_set(other, 1);
	assert_true(hw_loop_call(loop, &seen.work.slices, run, &seen.work));
	assert_true(hw_slices_is_resting(&seen.work.slices));
	assert_false(hw_loop_call(loop, &seen.work.slices, run, &seen.work));
	for (uint64_t end = now_ns() + DEADLINE_NS; seen.bound < 2 && now_ns() < end;)
		hw_loop_turn(loop, 100);
	assert_int_equal(seen.bound, 2);
	assert_false(seen.early);
	assert_int_equal(seen.work.done, LONG);
	assert_true(seen.other > 0);
	assert_true(seen.turns > 0);
	hw_io_del(seen.io);
	hw_timer_del(bound);
	hw_timer_del(other);
	hw_turn_del(loop, on_turn, &seen);
	hw_loop_destroy(loop);
	hw_slices_free(&seen.work.slices);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void run_and_delete(void *arg, struct hw_timer *timer)
{
	struct seen *seen = arg;

	hw_timer_del(timer);
	run(&seen->work);
}

/* The loop closes a deleted handle while the callback rests. */
static void a_callback_deletes_its_handle_and_rests(void **state)
{
	struct seen seen = { .work.steps = LONG };
	struct hw_timer *timer;
	struct hw_loop *loop;

	(void)state;
	assert_int_equal(hw_loop_create(&loop), 0);
	assert_int_equal(hw_timer_add(loop, run_and_delete, &seen, &timer), 0);
	hw_timer_set_slices(timer, &seen.work.slices);
	hw_timer_set(timer, 1);
	for (uint64_t end = now_ns() + DEADLINE_NS; seen.work.done < LONG && now_ns() < end;)
		hw_loop_turn(loop, 100);
	assert_int_equal(seen.work.done, LONG);
	hw_loop_destroy(loop);
	hw_slices_free(&seen.work.slices);
}

/* ---- calls that do not return ---- */

struct call {
	struct hw_slices slices;
	struct hw_loop *loop;
	int pipe[2];
	unsigned begun, ended, dropped, ticks;
	int error;
};

static void wait_for_pipe(void *arg)
{
	struct call *call = arg;
	char byte;

	call->begun++;
	hw_away_begin();
	hw_away_begin(); /* may be nested */
	(void)!read(call->pipe[0], &byte, 1);
	hw_away_end();
	errno = EDOM;
	hw_away_end();
	call->error = errno;
	call->ended++;
}

static void begin_call(struct call *call)
{
	memset(call, 0, sizeof(*call));
	assert_int_equal(hw_loop_create(&call->loop), 0);
	assert_int_equal(pipe(call->pipe), 0);
	assert_int_equal(hw_loop_use_thread(call->loop, &call->slices), 0);
	assert_true(hw_loop_call(call->loop, &call->slices, wait_for_pipe, call));
	assert_int_equal(call->begun, 1);
	assert_true(hw_slices_is_resting(&call->slices));
	assert_true(hw_slices_away_since(&call->slices));
}

static void end_call(struct call *call)
{
	hw_loop_destroy(call->loop);
	(void)close(call->pipe[0]);
	(void)close(call->pipe[1]);
}

static void tick(void *arg, struct hw_timer *timer)
{
	struct call *call = arg;

	if (call->ended)
		return;
	if (++call->ticks == 20)
		assert_int_equal(write(call->pipe[1], "x", 1), 1);
	hw_timer_set(timer, HW_MS);
}

static void the_loop_runs_while_a_call_does_not_return(void **state)
{
	struct hw_timer *timer;
	struct call call;

	(void)state;
	begin_call(&call);
	assert_false(hw_loop_call(call.loop, &call.slices, wait_for_pipe, &call));
	assert_false(hw_loop_finish(call.loop, &call.slices));
	assert_int_equal(hw_timer_add(call.loop, tick, &call, &timer), 0);
	hw_timer_set(timer, HW_MS);
	for (uint64_t end = now_ns() + DEADLINE_NS; !call.ended && now_ns() < end;)
		hw_loop_turn(call.loop, 100);
	assert_int_equal(call.ended, 1);
	assert_int_equal(call.error, EDOM);
	assert_true(call.ticks >= 20); /* more of them until the loop sees that it has returned */
	assert_false(hw_slices_is_resting(&call.slices));
	assert_true(hw_loop_finish(call.loop, &call.slices));
	hw_timer_del(timer);
	hw_slices_free(&call.slices);
	end_call(&call);
}

static void note_drop(void *arg)
{
	struct call *call = arg;

	call->dropped++;
	hw_slices_free(&call->slices);
}

static void a_work_that_was_dropped_never_continues(void **state)
{
	struct call call;

	(void)state;
	begin_call(&call);
	hw_loop_drop(&call.slices, note_drop, &call);
	hw_loop_turn(call.loop, 1);
	assert_int_equal(call.dropped, 0);
	assert_int_equal(write(call.pipe[1], "x", 1), 1);
	for (uint64_t end = now_ns() + DEADLINE_NS; !call.dropped && now_ns() < end;)
		hw_loop_turn(call.loop, 100);
	assert_int_equal(call.dropped, 1);
	assert_int_equal(call.ended, 0);
	end_call(&call);
}

#define CALLS 20u

static void many_calls_are_waited_for_hardly_longer_than_one(void **state)
{
	struct call calls[CALLS];
	uint64_t begun;

	(void)state;
	for (unsigned i = 0; i < CALLS; i++)
		begin_call(&calls[i]);
	begun = now_ns();
	for (unsigned i = 0; i < CALLS; i++)
		assert_false(hw_loop_finish(calls[i].loop, &calls[i].slices));
	assert_true(now_ns() - begun < 2 * HW_SEC);
	for (unsigned i = 0; i < CALLS; i++) {
		assert_int_equal(write(calls[i].pipe[1], "x", 1), 1);
		for (uint64_t end = now_ns() + DEADLINE_NS; !calls[i].ended && now_ns() < end;)
			hw_loop_turn(calls[i].loop, 100);
		assert_int_equal(calls[i].ended, 1);
		hw_slices_free(&calls[i].slices);
		end_call(&calls[i]);
	}
}

static void long_work_on_a_thread_rests_and_ends(void **state)
{
	struct work work = { .steps = LONG };
	struct hw_loop *loop;

	(void)state;
	assert_int_equal(hw_loop_create(&loop), 0);
	assert_int_equal(hw_loop_use_thread(loop, &work.slices), 0);
	run_to_end(&work);
	assert_int_equal(work.done, LONG);
	assert_true(work.rests > 0);
	work.done = 0;
	hw_slices_begin(&work.slices, run, &work);
	assert_true(hw_slices_finish(&work.slices));
	assert_int_equal(work.done, LONG);
	hw_slices_end_thread(&work.slices);
	work.done = 0;
	run_to_end(&work); /* on the stack again */
	assert_int_equal(work.done, LONG);
	hw_slices_free(&work.slices);
	hw_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_work_rests_and_ends),
		cmocka_unit_test(short_work_never_rests),
		cmocka_unit_test(finish_runs_to_the_end),
		cmocka_unit_test(a_work_finishes_another_one),
		cmocka_unit_test(a_meter_counts_the_cpu_time_of_the_work),
		cmocka_unit_test(a_meter_counts_the_cpu_time_of_a_thread),
		cmocka_unit_test(sort_is_right_and_stable_for_every_length),
		cmocka_unit_test(a_long_sort_rests),
		cmocka_unit_test(callbacks_of_a_resting_work_wait),
		cmocka_unit_test(a_callback_deletes_its_handle_and_rests),
		cmocka_unit_test(the_loop_runs_while_a_call_does_not_return),
		cmocka_unit_test(a_work_that_was_dropped_never_continues),
		cmocka_unit_test(many_calls_are_waited_for_hardly_longer_than_one),
		cmocka_unit_test(long_work_on_a_thread_rests_and_ends),
	};

	return cmocka_run_group_tests_name("slices", tests, NULL, NULL);
}
