/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_NS (60 * HW_SEC)

/* The calls of a callback, and its instructions. */
struct seen {
	struct hw_loop *loop;
	struct hw_io *io;
	struct hw_io *victim; /* deleted by the callback */
	int fds[2];
	unsigned calls, turns;
	uint32_t events;
	uint64_t at_ns;
	int handled;
	uint32_t budget; /* expected; 0: HW_IO_BUDGET */
	uint64_t work_ns; /* how long the callback takes */
	const struct seen *wakes; /* made ready by the callback; NULL: none */
	int64_t busy_ns; /* of the loop, as the callback saw it */
	bool drain, delete_self, call_seen_by_turn;
};

static int setup(void **state)
{
	return hw_loop_create((struct hw_loop **)state);
}

static int teardown(void **state)
{
	hw_loop_destroy(*state);
	return 0;
}

static void open_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_pair(const int fds[2])
{
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void make_ready(const struct seen *seen)
{
	assert_int_equal(write(seen->fds[1], "x", 1), 1);
}

static void work(const struct seen *seen)
{
	while (hw_loop_now_ns(seen->loop) - seen->at_ns < seen->work_ns)
		;
}

static int on_io(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct seen *seen = self;
	char buf[64];

	assert_ptr_equal(io, seen->io);
	assert_int_equal(budget, seen->budget ? seen->budget : HW_IO_BUDGET);
	seen->calls++;
	seen->events |= events;
	seen->at_ns = hw_loop_now_ns(seen->loop);
	seen->busy_ns = hw_loop_busy_ns(seen->loop);
	work(seen);
	if (seen->wakes)
		make_ready(seen->wakes);
	if (seen->drain)
		(void)!read(seen->fds[0], buf, sizeof(buf));
	if (seen->victim) {
		hw_io_del(seen->victim);
		seen->victim = NULL;
	}
	if (seen->delete_self) {
		hw_io_del(io);
		seen->io = NULL;
	}
	return seen->handled;
}

/* Runs the loop until the counter reaches a number. */
static void turn_until(struct hw_loop *loop, const unsigned *counter, unsigned number)
{
	uint64_t deadline = hw_loop_now_ns(loop) + DEADLINE_NS;

	while (*counter < number) {
		assert_true(hw_loop_now_ns(loop) < deadline);
		hw_loop_turn(loop, 100);
	}
}

static void begin(struct seen *seen, struct hw_loop *loop, uint32_t events)
{
	*seen = (struct seen){ .loop = loop, .drain = true };
	open_pair(seen->fds);
	assert_int_equal(hw_io_add(loop, seen->fds[0], events, on_io, seen, &seen->io), 0);
}

static void end(struct seen *seen)
{
	hw_io_del(seen->io);
	close_pair(seen->fds);
}

static void a_ready_descriptor_is_called(void **state)
{
	struct hw_loop *loop = *state;
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	hw_loop_turn(loop, 0);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(write(seen.fds[1], "x", 1), 1);
	hw_loop_turn(loop, 1000);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.events, HW_IO_READ);
	hw_loop_turn(loop, 0);
	assert_int_equal(seen.calls, 1);
	end(&seen);
}

static void events_zero_rests(void **state)
{
	struct hw_loop *loop = *state;
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	hw_io_set(seen.io, 0);
	assert_int_equal(write(seen.fds[1], "x", 1), 1);
	hw_loop_turn(loop, 10);
	assert_int_equal(seen.calls, 0);
	hw_io_set(seen.io, HW_IO_READ | HW_IO_WRITE);
	turn_until(loop, &seen.calls, 1);
	assert_int_equal(seen.events, HW_IO_READ | HW_IO_WRITE);
	end(&seen);
}

static void a_peer_that_leaves_is_told_once_as_hangup(void **state)
{
	struct hw_loop *loop = *state;
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	hw_io_set(seen.io, HW_IO_WRITE);
	seen.drain = false;
	assert_int_equal(fcntl(seen.fds[1], F_SETFL, O_NONBLOCK), 0);
	hw_io_set(seen.io, HW_IO_READ);
	assert_int_equal(shutdown(seen.fds[1], SHUT_WR), 0);
	turn_until(loop, &seen.calls, 3);
	assert_int_equal(seen.events, HW_IO_READ | HW_IO_HANGUP);
	seen.events = 0;
	hw_loop_turn(loop, 100);
	assert_int_equal(seen.events, HW_IO_READ);
	end(&seen);
}

static void one_descriptor_has_one_watcher(void **state)
{
	struct hw_loop *loop = *state;
	struct hw_io *other = NULL;
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	assert_int_equal(hw_io_add(loop, seen.fds[0], HW_IO_READ, on_io, &seen, &other), -EEXIST);
	hw_io_set(seen.io, 0);
	assert_int_equal(hw_io_add(loop, seen.fds[0], HW_IO_READ, on_io, &seen, &other), -EEXIST);
	assert_null(other);
	end(&seen);
}

static void what_cannot_be_waited_for_is_refused(void **state)
{
	struct hw_loop *loop = *state;
	struct hw_io *io = NULL;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(hw_io_add(loop, -1, HW_IO_READ, on_io, NULL, &io), -EINVAL);
	assert_int_equal(hw_io_add(loop, fd, HW_IO_READ, on_io, NULL, &io), -EINVAL);
	assert_int_equal(hw_io_add(loop, fd, HW_IO_HANGUP, on_io, NULL, &io), -EINVAL);
	(void)close(fd);
	assert_int_equal(hw_io_add(loop, fd, HW_IO_READ, on_io, NULL, &io), -EINVAL);
	assert_null(io);
}

/* Without pacing, a descriptor that remains ready would be called thousands of times per
 * millisecond. */
static void a_full_budget_waits_for_a_batch(void **state)
{
	struct hw_loop *loop = *state;
	uint64_t start_ns = hw_loop_now_ns(loop);
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	seen.drain = false;
	seen.handled = (int)HW_IO_BUDGET;
	assert_int_equal(write(seen.fds[1], "x", 1), 1);
	turn_until(loop, &seen.calls, 10);
	assert_true(hw_io_is_behind(seen.io));
	hw_io_set(seen.io, HW_IO_READ | HW_IO_WRITE); /* must not wake it early */
	turn_until(loop, &seen.calls, 20);
	assert_true(hw_loop_now_ns(loop) - start_ns >= 18 * HW_MS);
	seen.handled = 1;
	turn_until(loop, &seen.calls, 21);
	assert_false(hw_io_is_behind(seen.io));
	end(&seen);
}

static void small_batches_wait_only_where_that_is_allowed(void **state)
{
	struct hw_loop *loop = *state;
	uint64_t start_ns;
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	seen.drain = false;
	seen.handled = 10;
	seen.budget = HW_IO_QUEUE_BUDGET;
	assert_int_equal(write(seen.fds[1], "x", 1), 1);
	hw_io_set_patient(seen.io);
	turn_until(loop, &seen.calls, 4);
	start_ns = hw_loop_now_ns(loop);
	turn_until(loop, &seen.calls, 24);
	assert_true(hw_loop_now_ns(loop) - start_ns >= 15 * HW_MS);
	end(&seen);
}

static void deleting_itself_in_the_callback_is_safe(void **state)
{
	struct hw_loop *loop = *state;
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	seen.delete_self = true;
	seen.handled = (int)HW_IO_BUDGET;
	seen.drain = false;
	assert_int_equal(write(seen.fds[1], "x", 1), 1);
	turn_until(loop, &seen.calls, 1);
	hw_loop_turn(loop, 5);
	assert_int_equal(seen.calls, 1);
	end(&seen);
}

/* Both are ready in one batch; the one that is called first deletes the other, closes its fd and
 * reuses the number. */
static void a_number_reused_inside_a_turn_reaches_nobody_else(void **state)
{
	struct hw_loop *loop = *state;
	struct seen a, b;

	begin(&a, loop, HW_IO_READ);
	begin(&b, loop, HW_IO_READ);
	a.victim = b.io;
	b.victim = a.io;
	assert_int_equal(write(a.fds[1], "x", 1), 1);
	assert_int_equal(write(b.fds[1], "x", 1), 1);
	hw_loop_turn(loop, 1000);
	hw_loop_turn(loop, 0);
	assert_int_equal(a.calls + b.calls, 1);
	if (a.calls)
		b.io = NULL;
	else
		a.io = NULL;
	end(&a);
	end(&b);
}

struct reuse {
	struct hw_loop *loop;
	int old[2], fresh[2];
	struct hw_io *old_io, *fresh_io, *trigger_io;
	unsigned triggered, old_calls, fresh_calls;
};

static int on_old(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct reuse *reuse = self;

	(void)io, (void)events, (void)budget;
	reuse->old_calls++;
	return 0;
}

static int on_fresh(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct reuse *reuse = self;

	(void)io, (void)events, (void)budget;
	reuse->fresh_calls++;
	return 0;
}

static int on_trigger(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct reuse *reuse = self;

	(void)events, (void)budget;
	reuse->triggered++;
	hw_io_del(reuse->old_io);
	reuse->old_io = NULL;
	/* a descriptor that is not readable takes the number of one that is ready in this batch */
	assert_int_equal(dup3(reuse->fresh[0], reuse->old[0], O_CLOEXEC), reuse->old[0]);
	assert_int_equal(hw_io_add(reuse->loop, reuse->old[0], HW_IO_READ, on_fresh, reuse,
				   &reuse->fresh_io),
			 0);
	hw_io_set(io, 0);
	return 0;
}

static void a_descriptor_reopened_inside_a_turn_gets_no_stale_event(void **state)
{
	struct reuse reuse = { .loop = *state };
	int trigger[2];

	open_pair(trigger);
	open_pair(reuse.old);
	open_pair(reuse.fresh);
	assert_int_equal(hw_io_add(reuse.loop, trigger[0], HW_IO_READ, on_trigger, &reuse,
				   &reuse.trigger_io),
			 0);
	assert_int_equal(hw_io_add(reuse.loop, reuse.old[0], HW_IO_READ, on_old, &reuse,
				   &reuse.old_io),
			 0);
	assert_int_equal(write(trigger[1], "x", 1), 1);
	assert_int_equal(write(reuse.old[1], "x", 1), 1);
	turn_until(reuse.loop, &reuse.triggered, 1);
	hw_loop_turn(reuse.loop, 20);
	assert_int_equal(reuse.fresh_calls, 0);
	assert_int_equal(write(reuse.fresh[1], "x", 1), 1);
	turn_until(reuse.loop, &reuse.fresh_calls, 1);
	hw_io_del(reuse.fresh_io);
	hw_io_del(reuse.trigger_io);
	close_pair(trigger);
	close_pair(reuse.old);
	close_pair(reuse.fresh);
}

/* ---- how long the loop did something else ---- */

#define WORK_NS (20 * HW_MS)

static void the_work_of_the_last_iteration_is_busy_time(void **state)
{
	struct seen first, second;

	begin(&first, *state, HW_IO_READ);
	begin(&second, *state, HW_IO_READ);
	first.work_ns = WORK_NS;
	first.wakes = &second;
	make_ready(&first);
	turn_until(*state, &second.calls, 1);
	assert_int_equal(first.calls, 1);
	assert_true(second.busy_ns >= (int64_t)WORK_NS);
	end(&first);
	end(&second);
}

static void the_work_of_another_descriptor_is_busy_time(void **state)
{
	struct seen one, other;

	begin(&one, *state, HW_IO_READ);
	begin(&other, *state, HW_IO_READ);
	one.work_ns = other.work_ns = WORK_NS;
	make_ready(&one);
	make_ready(&other);
	turn_until(*state, &one.calls, 1);
	turn_until(*state, &other.calls, 1);
	assert_true(one.busy_ns >= (int64_t)WORK_NS || other.busy_ns >= (int64_t)WORK_NS);
	end(&one);
	end(&other);
}

/* The machine may be so busy that the loop does not wait: tried again. */
static void waiting_is_not_busy_time(void **state)
{
	struct hw_loop *loop = *state;
	uint64_t deadline = hw_loop_now_ns(loop) + DEADLINE_NS;
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	do {
		unsigned calls = seen.calls;

		assert_true(hw_loop_now_ns(loop) < deadline);
		hw_loop_turn(loop, WORK_NS / HW_MS);
		make_ready(&seen);
		turn_until(loop, &seen.calls, calls + 1);
	} while (seen.busy_ns >= (int64_t)WORK_NS);
	end(&seen);
}

/* ---- timers ---- */

struct alarm {
	struct hw_loop *loop;
	struct hw_timer *timer;
	unsigned fired, turns, turns_at_fire;
	uint64_t at_ns;
	bool delete_self;
};

static void on_timer(void *self, struct hw_timer *timer)
{
	struct alarm *alarm = self;

	assert_ptr_equal(timer, alarm->timer);
	alarm->fired++;
	alarm->turns_at_fire = alarm->turns;
	alarm->at_ns = hw_loop_now_ns(alarm->loop);
	if (alarm->delete_self) {
		hw_timer_del(timer);
		alarm->timer = NULL;
	}
}

static void a_timer_fires_once_and_never_early(void **state)
{
	struct alarm alarm = { .loop = *state };

	assert_int_equal(hw_timer_add(alarm.loop, on_timer, &alarm, &alarm.timer), 0);
	for (unsigned i = 1; i <= 20; i++) {
		uint64_t start_ns = hw_loop_now_ns(alarm.loop);

		hw_timer_set(alarm.timer, 1500000);
		turn_until(alarm.loop, &alarm.fired, i);
		assert_true(alarm.at_ns - start_ns >= 1500000);
	}
	hw_loop_turn(alarm.loop, 5);
	assert_int_equal(alarm.fired, 20);
	hw_timer_del(alarm.timer);
}

static void a_timer_can_be_disarmed_and_deleted(void **state)
{
	struct alarm alarm = { .loop = *state, .delete_self = true };

	assert_int_equal(hw_timer_add(alarm.loop, on_timer, &alarm, &alarm.timer), 0);
	hw_timer_set(alarm.timer, HW_MS);
	hw_timer_set(alarm.timer, 0);
	hw_loop_turn(alarm.loop, 10);
	assert_int_equal(alarm.fired, 0);
	hw_timer_set(alarm.timer, UINT64_MAX);
	hw_timer_set(alarm.timer, HW_MS);
	turn_until(alarm.loop, &alarm.fired, 1);
	assert_null(alarm.timer);
	hw_timer_del(NULL);
}

/* ---- iterations ---- */

static void count_turn(void *arg)
{
	unsigned *turns = arg;

	++*turns;
}

static void on_turn(void *arg)
{
	struct seen *seen = arg;

	seen->turns++;
	seen->call_seen_by_turn = seen->calls > 0;
}

static void the_turn_comes_after_the_callbacks(void **state)
{
	struct hw_loop *loop = *state;
	struct seen seen;

	begin(&seen, loop, HW_IO_READ);
	assert_int_equal(hw_turn_add(loop, on_turn, &seen), 0);
	assert_int_equal(write(seen.fds[1], "x", 1), 1);
	hw_loop_turn(loop, 1000);
	assert_int_equal(seen.calls, 1);
	assert_true(seen.call_seen_by_turn);
	hw_turn_del(loop, on_turn, &seen);
	end(&seen);
}

static void a_turn_follows_every_timer_before_the_loop_sleeps(void **state)
{
	struct alarm alarm = { .loop = *state };
	unsigned before;

	assert_int_equal(hw_timer_add(alarm.loop, on_timer, &alarm, &alarm.timer), 0);
	assert_int_equal(hw_turn_add(alarm.loop, count_turn, &alarm.turns), 0);
	hw_timer_set(alarm.timer, HW_MS);
	before = alarm.fired;
	while (alarm.fired == before)
		hw_loop_turn(alarm.loop, 100);
	assert_true(alarm.turns > alarm.turns_at_fire);
	hw_turn_del(alarm.loop, count_turn, &alarm.turns);
	hw_timer_del(alarm.timer);
}

struct self_removing {
	struct hw_loop *loop;
	unsigned turns;
};

static void remove_turn(void *arg)
{
	struct self_removing *turn = arg;

	turn->turns++;
	hw_turn_del(turn->loop, remove_turn, turn);
}

static void a_turn_may_remove_itself(void **state)
{
	struct self_removing first = { .loop = *state }, second = { .loop = *state };
	unsigned turns = 0;

	assert_int_equal(hw_turn_add(*state, remove_turn, &first), 0);
	assert_int_equal(hw_turn_add(*state, remove_turn, &second), 0);
	assert_int_equal(hw_turn_add(*state, count_turn, &turns), 0);
	hw_loop_turn(*state, 1);
	hw_loop_turn(*state, 1);
	assert_int_equal(first.turns, 1);
	assert_int_equal(second.turns, 1);
	assert_true(turns >= 2);
	hw_turn_del(*state, count_turn, &turns);
}

static void stop_loop(void *self, struct hw_timer *timer)
{
	(void)timer;
	hw_loop_stop(self);
}

static void run_goes_on_until_stop(void **state)
{
	struct hw_loop *loop = *state;
	struct hw_timer *timer;

	assert_int_equal(hw_timer_add(loop, stop_loop, loop, &timer), 0);
	hw_timer_set(timer, HW_MS);
	assert_int_equal(hw_loop_run(loop), 0);
	hw_timer_set(timer, HW_MS);
	assert_int_equal(hw_loop_run(loop), 0);
	hw_timer_del(timer);
}

#define LOOP_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		LOOP_TEST(a_ready_descriptor_is_called),
		LOOP_TEST(events_zero_rests),
		LOOP_TEST(a_peer_that_leaves_is_told_once_as_hangup),
		LOOP_TEST(one_descriptor_has_one_watcher),
		LOOP_TEST(what_cannot_be_waited_for_is_refused),
		LOOP_TEST(a_full_budget_waits_for_a_batch),
		LOOP_TEST(small_batches_wait_only_where_that_is_allowed),
		LOOP_TEST(deleting_itself_in_the_callback_is_safe),
		LOOP_TEST(a_number_reused_inside_a_turn_reaches_nobody_else),
		LOOP_TEST(a_descriptor_reopened_inside_a_turn_gets_no_stale_event),
		LOOP_TEST(the_work_of_the_last_iteration_is_busy_time),
		LOOP_TEST(the_work_of_another_descriptor_is_busy_time),
		LOOP_TEST(waiting_is_not_busy_time),
		LOOP_TEST(a_timer_fires_once_and_never_early),
		LOOP_TEST(a_timer_can_be_disarmed_and_deleted),
		LOOP_TEST(the_turn_comes_after_the_callbacks),
		LOOP_TEST(a_turn_follows_every_timer_before_the_loop_sleeps),
		LOOP_TEST(a_turn_may_remove_itself),
		LOOP_TEST(run_goes_on_until_stop),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
