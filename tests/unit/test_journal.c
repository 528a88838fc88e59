/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal: appended events are read back unchanged until they are dropped, and then -ESTALE is
 * returned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char bytes[HW_PATH_MAX];

/* Makes an event whose fields depend on a number, so that a reader can check it. */
static struct hw_event event_of(uint64_t number, uint32_t from_len, uint32_t path_len)
{
	return (struct hw_event){
		.struct_size = sizeof(struct hw_event),
		.kind = (uint8_t)(1 + number % (HW_KIND_END - 1)),
		.type = (uint8_t)(number % HW_TYPE_END),
		.flags = (uint16_t)number,
		.from = number % 3 ? bytes : NULL,
		.path = number % 5 ? bytes + HW_PATH_MAX - path_len : NULL,
		.from_len = number % 3 ? from_len : 0,
		.path_len = number % 5 ? path_len : 0,
	};
}

static void assert_event(const struct hw_event *event, uint64_t seq, uint32_t from_len,
			 uint32_t path_len)
{
	const struct hw_event expected = event_of(seq, from_len, path_len);

	assert_int_equal(event->seq, seq);
	assert_int_equal(event->kind, expected.kind);
	assert_int_equal(event->type, expected.type);
	assert_int_equal(event->flags, expected.flags);
	assert_int_equal(event->from_len, expected.from_len);
	assert_int_equal(event->path_len, expected.path_len);
	assert_int_equal(event->from != NULL, expected.from != NULL);
	assert_int_equal(event->path != NULL, expected.path != NULL);
	assert_memory_equal(event->from ? event->from : "", expected.from ? bytes : "",
			    event->from_len);
	assert_memory_equal(event->path ? event->path : "", expected.path ? expected.path : "",
			    event->path_len);
	assert_true(event->time_ns > 0);
}

static int setup(void **state)
{
	struct hw_journal *journal = calloc(1, sizeof(*journal));

	assert_non_null(journal);
	assert_int_equal(hw_journal_init(journal, HW_JOURNAL_MIN), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 31 + i / 256);
	*state = journal;
	return 0;
}

static int teardown(void **state)
{
	hw_journal_free(*state);
	free(*state);
	return 0;
}

static void sizes_have_limits(void **state)
{
	struct hw_journal journal;

	(void)state;
	assert_int_equal(hw_journal_init(&journal, HW_JOURNAL_MIN - 1), -EINVAL);
	assert_int_equal(hw_journal_init(&journal, HW_JOURNAL_MAX + 1), -EINVAL);
	assert_int_equal(hw_journal_init(&journal, HW_JOURNAL_MIN + 1), 0);
	hw_journal_free(&journal);
	assert_int_equal(hw_journal_init(&journal, HW_JOURNAL_MAX), 0);
	hw_journal_free(&journal);
}

static void an_empty_journal_has_an_end_only(void **state)
{
	struct hw_journal_cursor cursor;
	struct hw_event event;

	assert_int_equal(hw_journal_seek(*state, 0, &cursor), 0);
	assert_int_equal(hw_journal_next(*state, &cursor, &event), 0);
	assert_int_equal(hw_journal_seek(*state, 1, &cursor), -ESTALE);
	assert_int_equal(hw_journal_seek(*state, UINT64_MAX, &cursor), -ESTALE);
}

static uint32_t length_of(uint64_t seq, uint32_t max)
{
	return (uint32_t)(seq * 2654435761u % (max + 1));
}

/* Reads all events, starting from each possible position. */
static void check_all(const struct hw_journal *journal, uint32_t max, uint64_t stride)
{
	for (uint64_t after = journal->first_seq - 1; after < journal->next_seq; after += stride) {
		struct hw_journal_cursor cursor;
		struct hw_event event;
		uint64_t seq = after;

		assert_int_equal(hw_journal_seek(journal, after, &cursor), 0);
		for (unsigned i = 0; i < 3 && seq + 1 < journal->next_seq; i++) {
			assert_int_equal(hw_journal_next(journal, &cursor, &event), 1);
			seq++;
			assert_event(&event, seq, length_of(seq, max), length_of(seq + 7, max));
		}
		if (seq + 1 == journal->next_seq)
			assert_int_equal(hw_journal_next(journal, &cursor, &event), 0);
	}
	if (journal->first_seq > 1) {
		struct hw_journal_cursor cursor;

		assert_int_equal(hw_journal_seek(journal, journal->first_seq - 2, &cursor),
				 -ESTALE);
	}
}

static void append_random(struct hw_journal *journal, uint32_t max, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t seq = journal->next_seq;
		struct hw_event event = event_of(seq, length_of(seq, max), length_of(seq + 7, max));

		assert_int_equal(hw_journal_append(journal, &event), seq);
	}
}

static void every_event_held_can_be_sought(void **state)
{
	struct hw_journal *journal = *state;

	append_random(journal, 60, 40000); /* several times around */
	assert_true(journal->first_seq > 20000);
	check_all(journal, 60, 1);
}

/* Starts at each multiple of 8 before the end of the ring: the wrap is in the middle of a
 * record. */
static void the_ring_wraps_at_every_alignment(void **state)
{
	struct hw_journal *journal = *state;

	for (uint32_t shift = 0; shift < 320; shift += 8) {
		const struct hw_event pad = event_of(1, shift, 0);

		hw_journal_free(journal);
		assert_int_equal(hw_journal_init(journal, HW_JOURNAL_MIN), 0);
		assert_int_equal(hw_journal_append(journal, &pad), 1);
		append_random(journal, 120, 20000);
		assert_true(journal->head > 2 * journal->size - 4096);
		check_all(journal, 120, 97);
	}
}

static void the_longest_events_fit_and_wrap(void **state)
{
	struct hw_journal *journal = *state;

	for (unsigned i = 0; i < 200; i++) {
		uint64_t seq = journal->next_seq;
		struct hw_event longest = event_of(seq, HW_PATH_MAX, HW_PATH_MAX), read;
		struct hw_journal_cursor cursor;

		assert_int_equal(hw_journal_append(journal, &longest), seq);
		assert_int_equal(hw_journal_seek(journal, seq - 1, &cursor), 0);
		assert_int_equal(hw_journal_next(journal, &cursor, &read), 1);
		assert_event(&read, seq, HW_PATH_MAX, HW_PATH_MAX);
		assert_true(seq < 8 || journal->next_seq - journal->first_seq >= 6);
	}
}

static void long_and_short_events_follow_each_other(void **state)
{
	struct hw_journal *journal = *state;

	for (unsigned i = 0; i < 3000; i++) {
		append_random(journal, i % 9 ? 30 : HW_PATH_MAX, 1);
		struct hw_journal_cursor cursor;
		struct hw_event event;

		for (uint64_t after = journal->first_seq - 1; after + 1 < journal->next_seq;
		     after += 1 + (journal->next_seq - after) / 3) {
			assert_int_equal(hw_journal_seek(journal, after, &cursor), 0);
			assert_int_equal(hw_journal_next(journal, &cursor, &event), 1);
			assert_int_equal(event.seq, after + 1);
		}
	}
}

/* Reads until the reader is `lag` events behind the end. */
static void follow(struct hw_journal *journal, struct hw_journal_cursor *cursor, uint64_t lag)
{
	struct hw_event event;

	while (cursor->seq + lag < journal->next_seq - 1) {
		assert_int_equal(hw_journal_next(journal, cursor, &event), 1);
		assert_int_equal(event.seq, cursor->seq);
	}
}

static void a_cursor_is_stale_exactly_when_its_next_event_is_gone(void **state)
{
	struct hw_journal *journal = *state;
	struct hw_event event;

	for (unsigned round = 0; round < 300; round++) {
		struct hw_journal_cursor cursor, copy;
		uint64_t begun;

		append_random(journal, 300, round % 13);
		assert_int_equal(hw_journal_seek(journal, journal->next_seq - 1, &cursor), 0);
		append_random(journal, 300, round % 7);
		follow(journal, &cursor, round % 3);
		begun = cursor.seq;
		for (;;) {
			copy = cursor;
			int r = hw_journal_next(journal, &copy, &event);

			if (begun + 1 < journal->first_seq) {
				assert_int_equal(r, -ESTALE);
				break;
			}
			assert_int_equal(r, begun + 1 < journal->next_seq);
			if (r)
				assert_event(&event, begun + 1, length_of(begun + 1, 300),
					     length_of(begun + 8, 300));
			append_random(journal, 300, 1 + round % 5 * 37);
		}
		/* The cursor remains stale until the next seek. */
		assert_int_equal(hw_journal_next(journal, &cursor, &event), -ESTALE);
		assert_int_equal(hw_journal_seek(journal, journal->next_seq - 1, &cursor), 0);
		assert_int_equal(hw_journal_next(journal, &cursor, &event), 0);
	}
}

/* Seeking must not walk through the events before the position: a returning reader costs the same
 * however full the ring is. */
static void seeking_does_not_read_the_whole_ring(void **state)
{
	struct hw_journal journal;
	struct hw_journal_cursor cursor;
	struct timespec begun, ended;

	(void)state;
	assert_int_equal(hw_journal_init(&journal, UINT64_C(64) << 20), 0);
	append_random(&journal, 8, 1200000);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(hw_journal_seek(&journal, journal.next_seq - 2 - i, &cursor), 0);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	hw_journal_free(&journal);
	/* With a walk, each seek would take milliseconds, and all of them minutes. */
	assert_true(ended.tv_sec - begun.tv_sec < 5);
}

/* The events that a journal with gaps should have had, also those that were dropped. */
struct past {
	uint64_t seqs[3000];
	uint64_t ends[100]; /* the last number of each gap */
	unsigned count, gaps;
};

/* Returns whether a cursor after `after` was ever valid, and the event that should follow. */
static bool follows(const struct past *past, uint64_t after, uint64_t next_seq, uint64_t *ret)
{
	bool valid = after == 0;

	*ret = next_seq;
	for (unsigned i = 0; i < past->count; i++) {
		valid |= past->seqs[i] == after;
		if (past->seqs[i] > after && *ret == next_seq)
			*ret = past->seqs[i];
	}
	for (unsigned i = 0; i < past->gaps; i++)
		valid |= past->ends[i] == after;
	return valid;
}

static void check_position(const struct hw_journal *journal, const struct past *past,
			   uint64_t after)
{
	struct hw_journal_cursor cursor;
	struct hw_event event;
	uint64_t next;
	bool valid = follows(past, after, journal->next_seq, &next) && next >= journal->first_seq;
	int r = hw_journal_seek(journal, after, &cursor);

	if (!valid || after < hw_journal_oldest(journal)) {
		assert_int_equal(r, -ESTALE);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(hw_journal_next(journal, &cursor, &event), next < journal->next_seq);
	if (next < journal->next_seq)
		assert_event(&event, next, length_of(next, 60), length_of(next + 7, 60));
	uint64_t left = hw_journal_count_after(journal, after);

	for (r = hw_journal_seek(journal, after, &cursor); left; left--)
		assert_int_equal(hw_journal_next(journal, &cursor, &event), 1);
	assert_int_equal(hw_journal_next(journal, &cursor, &event), 0);
}

static void add_with_gaps(struct hw_journal *journal, struct past *past, unsigned round)
{
	if (round % 7 < 2) { /* also two without an event between them */
		uint64_t next = journal->next_seq + 1 + round % 5 * 1000;

		hw_journal_skip(journal, next);
		assert_int_equal(journal->next_seq, next);
		past->ends[past->gaps++] = next - 1;
	}
	for (unsigned i = round % 4 * (round % 3 * 20); i--;) {
		past->seqs[past->count++] = journal->next_seq;
		append_random(journal, 60, 1);
	}
}

static void gaps_are_skipped(void **state)
{
	struct hw_journal *journal = *state;
	struct past past = { .count = 0 };

	for (unsigned round = 0; round < 60; round++) {
		add_with_gaps(journal, &past, round);
		uint64_t oldest = hw_journal_oldest(journal);

		check_position(journal, &past, oldest);
		check_position(journal, &past, oldest + 1);
		check_position(journal, &past, journal->next_seq - 1);
		check_position(journal, &past, journal->next_seq);
		for (unsigned i = round % 11; i < past.count; i += 11) {
			check_position(journal, &past, past.seqs[i]);
			check_position(journal, &past, past.seqs[i] + 1);
			check_position(journal, &past, past.seqs[i] - 1);
		}
		for (unsigned i = 0; i < past.gaps; i++)
			for (uint64_t seq = past.ends[i] - 1; seq < past.ends[i] + 3; seq++)
				check_position(journal, &past, seq);
		assert_int_equal(hw_journal_tail(journal, journal->size), oldest);
	}
	/* At most this many gaps are remembered; the events before are dropped with the first. */
	assert_true(past.gaps > HW_JOURNAL_GAPS);
	assert_true(journal->first_seq > past.ends[0]);
}

static void check_all_positions(const struct hw_journal *journal, const struct past *past)
{
	uint64_t oldest = hw_journal_oldest(journal);

	for (unsigned i = 0; i < past->count; i++)
		if (past->seqs[i] > oldest)
			check_position(journal, past, past->seqs[i]);
	for (unsigned i = 0; i < past->gaps; i++)
		for (uint64_t seq = past->ends[i] - 1; seq < past->ends[i] + 2; seq++)
			if (seq >= oldest)
				check_position(journal, past, seq);
}

/* As after losses of power that follow each other. With the first gap all events are dropped. */
static void gaps_without_an_event_between_them_are_skipped(void **state)
{
	struct hw_journal *journal = *state;
	struct past past = { .count = 0 };

	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < round + 2; i++) {
			past.seqs[past.count++] = journal->next_seq;
			append_random(journal, 60, 1);
		}
		for (unsigned i = 0; i < HW_JOURNAL_GAPS + round; i++) {
			hw_journal_skip(journal, journal->next_seq + 1000);
			past.ends[past.gaps++] = journal->next_seq - 1;
			check_all_positions(journal, &past);
		}
	}
	for (unsigned i = 0; i < 3; i++) {
		past.seqs[past.count++] = journal->next_seq;
		append_random(journal, 60, 1);
		check_all_positions(journal, &past);
	}
}

static void numbers_in_gaps_are_not_counted(void **state)
{
	struct hw_journal *journal = *state;
	const uint64_t gap = UINT64_C(1) << 32;

	for (unsigned i = 0; i < 10; i++)
		append_random(journal, 60, 1);
	hw_journal_skip(journal, 10 + gap);
	for (unsigned i = 0; i < 3; i++)
		append_random(journal, 60, 1);
	assert_int_equal(hw_journal_count_after(journal, 4), 9);
	assert_int_equal(hw_journal_count_after(journal, 10), 3);
	assert_int_equal(hw_journal_count_after(journal, 1000), 3);
	assert_int_equal(hw_journal_count_after(journal, 10 + gap), 2);
	/* Nor when the journal no longer holds the events before the gap. */
	while (journal->first_seq <= 11 + gap)
		append_random(journal, 60, 1);
	uint64_t left = journal->next_seq - 10 - gap;

	assert_int_equal(hw_journal_count_after(journal, 4), 6 + left);
	assert_int_equal(hw_journal_count_after(journal, 1000), left);
	assert_int_equal(hw_journal_count_after(journal, 10 + gap), left - 1);
}

static void the_tail_is_short(void **state)
{
	struct hw_journal *journal = *state;

	for (unsigned i = 0; i < 500; i++) {
		append_random(journal, 60, 1);
		if (i == 200)
			hw_journal_skip(journal, 100000);
		uint64_t after = hw_journal_tail(journal, 20000);
		struct hw_journal_cursor cursor;

		assert_int_equal(hw_journal_seek(journal, after, &cursor), 0);
		assert_true(journal->head - cursor.offset <= 20000);
		assert_true(hw_journal_count_after(journal, after) >= (i < 128 ? i + 1 : 60));
	}
}

/* A receiver that has read all before the gap misses nothing. */
static void the_tail_begins_before_a_gap(void **state)
{
	struct hw_journal *journal = *state;
	uint64_t last = 0, end = 0;

	for (unsigned i = 1; i < 400; i++) {
		if (i % HW_JOURNAL_STRIDE == 0) {
			last = journal->next_seq - 1;
			hw_journal_skip(journal, journal->next_seq + 1000);
			end = journal->next_seq - 1;
		}
		append_random(journal, 60, 1);
		if (end)
			assert_int_not_equal(hw_journal_tail(journal, 200), end);
		if (i % HW_JOURNAL_STRIDE == 1 && end)
			assert_int_equal(hw_journal_tail(journal, 200), last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_have_limits),
		cmocka_unit_test_setup_teardown(an_empty_journal_has_an_end_only, setup, teardown),
		cmocka_unit_test_setup_teardown(every_event_held_can_be_sought, setup, teardown),
		cmocka_unit_test_setup_teardown(the_ring_wraps_at_every_alignment, setup, teardown),
		cmocka_unit_test_setup_teardown(the_longest_events_fit_and_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(long_and_short_events_follow_each_other, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_cursor_is_stale_exactly_when_its_next_event_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(gaps_are_skipped, setup, teardown),
		cmocka_unit_test_setup_teardown(gaps_without_an_event_between_them_are_skipped,
						setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_in_gaps_are_not_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(the_tail_is_short, setup, teardown),
		cmocka_unit_test_setup_teardown(the_tail_begins_before_a_gap, setup, teardown),
		cmocka_unit_test(seeking_does_not_read_the_whole_ring),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
