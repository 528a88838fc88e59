/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Queue and joiner of the inotify watcher, built into the test: the kernel never sends these
 * inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h requires the four headers above. */
#include <cmocka.h>
#include <stdio.h>

#include "plugins/inotify/pair.c"
#include "plugins/inotify/queue.c"

#include <fcntl.h>

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* ---- the queue ---- */

static void put_record(struct hw_queue *queue, int wd, uint32_t mask, uint32_t cookie)
{
	struct inotify_event event = { .wd = wd, .mask = mask, .cookie = cookie, .len = 16 };
	char name[16] = "name";

	memcpy(queue->bytes + queue->tail, &event, sizeof(event));
	memcpy(queue->bytes + queue->tail + sizeof(event), name, sizeof(name));
	queue->tail += (uint32_t)(sizeof(event) + sizeof(name));
}

static void put_bytes(struct hw_queue *queue, const void *bytes, uint32_t len)
{
	memcpy(queue->bytes + queue->tail, bytes, len);
	queue->tail += len;
}

static void a_cut_record_is_refused(void **state)
{
	struct inotify_event event = { .wd = 1, .mask = IN_CREATE, .len = 16 };
	struct hw_record record;
	struct hw_queue queue;

	(void)state;
	assert_int_equal(hw_queue_init(&queue), 0);
	assert_int_equal(hw_queue_get(&queue, 0, &record), 0);
	put_bytes(&queue, &event, sizeof(event));
	for (queue.tail = 1; queue.tail < 32; queue.tail++)
		assert_int_equal(hw_queue_get(&queue, 0, &record), -EBADMSG);
	memset(queue.bytes + sizeof(event), 0, 16);
	assert_int_equal(hw_queue_get(&queue, 0, &record), 1);
	assert_int_equal(record.name_len, 0);
	assert_int_equal(record.next, 32);
	hw_queue_finish(&queue);
}

static void a_name_that_is_too_long_is_refused(void **state)
{
	struct inotify_event event = { .wd = 1, .mask = IN_CREATE, .len = 272 };
	struct hw_record record;
	struct hw_queue queue;

	(void)state;
	assert_int_equal(hw_queue_init(&queue), 0);
	memset(queue.bytes, 'x', 1024);
	put_bytes(&queue, &event, sizeof(event));
	queue.tail += 1000;
	assert_int_equal(hw_queue_get(&queue, 0, &record), -EBADMSG); /* 272 bytes without a NUL */
	queue.bytes[sizeof(event) + 255] = '\0';
	assert_int_equal(hw_queue_get(&queue, 0, &record), 1);
	assert_int_equal(record.name_len, 255);
	event.len = 288;
	memcpy(queue.bytes, &event, sizeof(event));
	assert_int_equal(hw_queue_get(&queue, 0, &record), -EBADMSG);
	hw_queue_finish(&queue);
}

static void random_bytes_are_never_read_past_their_end(void **state)
{
	struct hw_record record;
	struct hw_queue queue;
	uint64_t random = 2;

	(void)state;
	assert_int_equal(hw_queue_init(&queue), 0);
	for (unsigned round = 0; round < 2000; round++) {
		uint64_t position = 0;

		queue.tail = (uint32_t)next_random(&random) % 1024;
		/* At the end of the buffer, where the sanitizer detects overruns. */
		queue.head = HW_QUEUE_BYTES - queue.tail;
		queue.tail = HW_QUEUE_BYTES;
		for (uint32_t i = queue.head; i < queue.tail; i++)
			queue.bytes[i] =
				(char)(next_random(&random) % 3 ? 0 : next_random(&random));
		for (position = hw_queue_head(&queue); hw_queue_get(&queue, position, &record) > 0;
		     position = record.next)
			assert_true(record.next <= hw_queue_tail(&queue));
	}
	hw_queue_finish(&queue);
}

/* ---- the joiner ---- */

static enum hw_pair_verdict find(struct hw_queue *queue, uint64_t *partner)
{
	struct hw_pair pair = { 0 };
	uint32_t steps = 0;

	return hw_pair_find(&pair, queue, 0, partner, &steps);
}

static void events_of_others_may_stand_between_the_halves(void **state)
{
	struct hw_queue queue;
	uint64_t partner = 0;

	(void)state;
	assert_int_equal(hw_queue_init(&queue), 0);
	put_record(&queue, 1, IN_MOVED_FROM, 7);
	put_record(&queue, 2, IN_CREATE, 0);
	put_record(&queue, 1, IN_MODIFY, 0);
	put_record(&queue, 3, IN_MOVED_TO, 8);
	assert_int_equal(find(&queue, &partner), HW_PAIR_OPEN);
	put_record(&queue, 2, IN_MOVED_TO, 7);
	assert_int_equal(find(&queue, &partner), HW_PAIR_FOUND);
	assert_int_equal(partner, 4 * 32);
	hw_queue_finish(&queue);
}

static void entry_events_of_the_same_directory_and_overflow_end_the_search(void **state)
{
	static const uint32_t ends[] = { IN_CREATE, IN_DELETE, IN_MOVED_FROM, IN_MOVED_TO };
	uint64_t partner = 0;

	(void)state;
	for (unsigned i = 0; i <= 4; i++) {
		struct hw_queue queue;

		assert_int_equal(hw_queue_init(&queue), 0);
		put_record(&queue, 1, IN_MOVED_FROM, 7);
		if (i < 4)
			put_record(&queue, 1, ends[i], 8);
		else
			put_record(&queue, -1, IN_Q_OVERFLOW, 0);
		put_record(&queue, 2, IN_MOVED_TO, 7);
		assert_int_equal(find(&queue, &partner), HW_PAIR_ALONE);
		hw_queue_finish(&queue);
	}
}

static void a_search_goes_on_where_it_stopped(void **state)
{
	struct hw_pair pair = { 0 };
	struct hw_queue queue;
	uint64_t partner = 0;
	uint32_t steps = 0;

	(void)state;
	assert_int_equal(hw_queue_init(&queue), 0);
	put_record(&queue, 1, IN_MOVED_FROM, 7);
	for (unsigned i = 0; i < 100; i++)
		put_record(&queue, 2, IN_MODIFY, 0);
	assert_int_equal(hw_pair_find(&pair, &queue, 0, &partner, &steps), HW_PAIR_OPEN);
	assert_int_equal(steps, 100);
	put_record(&queue, 2, IN_MODIFY, 0);
	assert_int_equal(hw_pair_find(&pair, &queue, 0, &partner, &steps), HW_PAIR_OPEN);
	assert_int_equal(steps, 101);
	hw_queue_finish(&queue);
}

static void positions_survive_the_move_to_the_front(void **state)
{
	struct hw_record record;
	struct hw_queue queue;
	uint64_t partner = 0;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint32_t last;

	(void)state;
	assert_int_equal(hw_queue_init(&queue), 0);
	while (queue.tail < HW_QUEUE_BYTES - 64)
		put_record(&queue, 5, IN_MODIFY, 0);
	last = queue.tail;
	put_record(&queue, 1, IN_MOVED_FROM, 7);
	put_record(&queue, 2, IN_MOVED_TO, 7);
	assert_int_equal(hw_queue_fill(&queue, fd), -ENOBUFS);
	hw_queue_drop(&queue, last);
	assert_int_equal(hw_queue_fill(&queue, fd), 0);
	assert_int_equal(queue.head, 0);
	assert_int_equal(hw_queue_head(&queue), last);
	struct hw_pair pair = { 0 };
	uint32_t steps = 0;
	assert_int_equal(hw_pair_find(&pair, &queue, last, &partner, &steps), HW_PAIR_FOUND);
	assert_int_equal(partner, last + 32);
	hw_queue_take(&queue, partner);
	assert_int_equal(hw_queue_get(&queue, partner, &record), 1);
	assert_int_equal(record.mask, 0);
	close(fd);
	hw_queue_finish(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_record_is_refused),
		cmocka_unit_test(a_name_that_is_too_long_is_refused),
		cmocka_unit_test(random_bytes_are_never_read_past_their_end),
		cmocka_unit_test(events_of_others_may_stand_between_the_halves),
		cmocka_unit_test(entry_events_of_the_same_directory_and_overflow_end_the_search),
		cmocka_unit_test(a_search_goes_on_where_it_stopped),
		cmocka_unit_test(positions_survive_the_move_to_the_front),
	};

	return cmocka_run_group_tests_name("inotify parts", tests, NULL, NULL);
}
