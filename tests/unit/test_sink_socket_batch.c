/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Subscribers of the socket sink that are at the same place get events that were encoded once. */
#include "socket_fixture.h"

#include <malloc.h>

#define JSON "format=json", "listen=unix:%s/s", "hello_wait=5s"
#define SUBSCRIBERS 8u
#define FILES 50u
#define IDLE 64u

/* ---- counting what is read from the journal ---- */

static struct hw_sink_services services; /* with counting_next() */
static int (*real_next)(struct hw_sink *sink, struct hw_cursor *cursor, struct hw_event *ret);
static uint64_t events_read;

static int counting_next(struct hw_sink *sink, struct hw_cursor *cursor, struct hw_event *ret)
{
	int r = real_next(sink, cursor, ret);

	events_read += r == 1;
	return r;
}

static void count_reads(struct fixture *f)
{
	struct hw_instance *instance = hw_sink_instance(f->sink);

	services = *instance->sink_services;
	real_next = services.cursor_next;
	services.cursor_next = counting_next;
	instance->sink_services = &services;
	events_read = 0;
}

static unsigned refused;

static int refuse_cursor(struct hw_sink *sink, uint32_t share, uint64_t epoch, uint64_t after,
			 struct hw_cursor **ret)
{
	(void)sink, (void)share, (void)epoch, (void)after, (void)ret;
	refused++;
	return -ENOMEM;
}

/* ---- subscribers ---- */

static struct client *subscribe(struct fixture *f, const char *request)
{
	struct client *c = connect_client(f);

	expect_line(c, "hello");
	say(c, request);
	return c;
}

/* Waits until the sink has read the requests: they are answered in order, once for each share. */
static void await_requests(struct fixture *f, struct client *const *c, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		say(c[i], "{\"sync\":\"begun\"}\n");
	for (unsigned i = 0; i < count * f->share_count; i++)
		expect_line(c[i % count], "\"synced\":\"begun\"");
}

static void make_changes(struct fixture *f, unsigned count)
{
	char name[64];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "%s/%u", i % 3 ? "a" : "b", i);
		touch(f, name);
	}
	(void)flush_share(f, 0);
	(void)flush_share(f, 1);
}

static uint64_t all_events(const struct fixture *f)
{
	return hw_share_seq(f->shares[0]) + hw_share_seq(f->shares[1]);
}

/* Checks that the client gets each event of both shares once and in order. */
static void expect_all(struct fixture *f, struct client *c, uint64_t a, uint64_t b)
{
	while (a < hw_share_seq(f->shares[0]) || b < hw_share_seq(f->shares[1])) {
		const char *line = expect_line(c, "\"seq\":");
		uint64_t *seq = strstr(line, "\"share\":\"a\"") ? &a : &b;

		assert_int_equal(json_number(line, "\"seq\":"), *seq + 1);
		++*seq;
	}
}

static void equal_subscribers_get_events_that_were_read_once(void **state)
{
	struct fixture *f = *state;
	struct client *c[SUBSCRIBERS];

	SINK(f, 2, JSON);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		c[i] = subscribe(f, "{\"subscribe\":{}}\n");
	await_requests(f, c, SUBSCRIBERS);
	count_reads(f);
	make_changes(f, FILES);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		expect_all(f, c[i], 0, 0);
	assert_int_equal(events_read, all_events(f));
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		close_client(c[i]);
}

/* Others do not get what a filter leaves out, nor does a filter hide anything from them. */
static void a_filter_concerns_its_subscriber_only(void **state)
{
	struct fixture *f = *state;
	struct client *all[2], *one;

	SINK(f, 2, JSON);
	all[0] = subscribe(f, "{\"subscribe\":{}}\n");
	one = subscribe(f, "{\"subscribe\":{\"share\":\"a\",\"exclude\":[\"1\"]}}\n");
	all[1] = subscribe(f, "{\"subscribe\":{}}\n");
	make_changes(f, 3);
	expect_all(f, all[0], 0, 0);
	expect_all(f, all[1], 0, 0);
	expect_line(one, "\"event\":\"create\",\"type\":\"file\",\"path\":\"2\"");
	close_client(one);
	close_client(all[0]);
	close_client(all[1]);
}

/* One that does not read for a while continues where it was, not where the others are. */
static void a_subscriber_that_was_behind_gets_each_event(void **state)
{
	struct fixture *f = *state;
	struct client *slow, *fast[2];
	uint64_t begun;

	SINK(f, 2, JSON, "send_buffer=4K");
	slow = subscribe(f, "{\"subscribe\":{}}\n");
	for (unsigned i = 0; i < 2; i++)
		fast[i] = subscribe(f, "{\"subscribe\":{}}\n");
	await_requests(f, (struct client *const[]){ slow, fast[0], fast[1] }, 3);
	begun = hw_share_seq(f->shares[0]);
	for (unsigned round = 0; round < 8; round++) {
		uint64_t seq = hw_share_seq(f->shares[0]);

		churn(f, 250);
		for (unsigned i = 0; i < 2; i++)
			expect_all(f, fast[i], seq, 0);
	}
	expect_all(f, slow, begun, 0);
	touch(f, "a/last");
	expect_line(slow, "\"path\":\"last\"");
	close_client(slow);
	for (unsigned i = 0; i < 2; i++)
		close_client(fast[i]);
}

static size_t bytes_in_use(void)
{
	return mallinfo2().uordblks;
}

/* What their sockets do not accept is kept once. */
static void subscribers_that_do_not_read_share_what_is_queued(void **state)
{
	struct fixture *f = *state;
	int fds[IDLE];
	size_t before;

	SINK(f, 1, JSON);
	for (unsigned i = 0; i < IDLE; i++) {
		fds[i] = connect_path(f, "s");
		assert_true(send(fds[i], "{\"subscribe\":{}}\n", 17, MSG_NOSIGNAL) == 17);
	}
	UNTIL(f, count_receivers(f) == IDLE);
	(void)flush_share(f, 0);
	before = bytes_in_use();
	churn(f, 1000); /* more than a socket accepts */
	assert_true(bytes_in_use() - before < (size_t)IDLE * 65536);
	assert_int_equal(count_receivers(f), IDLE);
	for (unsigned i = 0; i < IDLE; i++)
		(void)close(fds[i]);
}

/* The place of the others is no answer to a sync: each gets it behind the events before it. */
static void an_answer_follows_the_events_before_it(void **state)
{
	struct fixture *f = *state;
	struct client *c[3];

	SINK(f, 1, JSON);
	for (unsigned i = 0; i < 3; i++)
		c[i] = subscribe(f, "{\"subscribe\":{}}\n");
	await_requests(f, c, 3);
	touch(f, "a/x");
	say(c[1], "{\"sync\":\"now\"}\n");
	for (unsigned i = 0; i < 3; i++) {
		expect_line(c[i], "\"event\":\"create\"");
		expect_line(c[i], "\"event\":\"close_write\"");
	}
	expect_line(c[1], "\"synced\":\"now\"");
	touch(f, "a/y");
	for (unsigned i = 0; i < 3; i++)
		expect_line(c[i], "\"path\":\"y\"");
	for (unsigned i = 0; i < 3; i++)
		close_client(c[i]);
}

/* If there is no cursor behind a batch, a subscriber reads the journal itself. */
static void a_subscriber_that_cannot_skip_gets_each_event(void **state)
{
	struct fixture *f = *state;
	struct client *c[SUBSCRIBERS];

	SINK(f, 2, JSON, "send_buffer=4K");
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		c[i] = subscribe(f, "{\"subscribe\":{}}\n");
	await_requests(f, c, SUBSCRIBERS);
	count_reads(f);
	services.cursor_open = refuse_cursor;
	refused = 0;
	make_changes(f, FILES);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		expect_all(f, c[i], 0, 0);
	assert_true(refused);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		close_client(c[i]);
}

/* The messages of a batch follow each other without a gap, for each subscriber. */
static void a_batch_of_netlink_messages_holds_several_events(void **state)
{
	struct fixture *f = *state;
	struct client *c[SUBSCRIBERS];

	SINK(f, 1, "format=netlink", "listen=unix:%s/s");
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		c[i] = connect_client(f);
		(void)expect_message(c[i], HW_NL_HELLO);
	}
	touch(f, "a/first");
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		for (unsigned seq = 1; seq <= 2; seq++)
			assert_int_equal(expect_message(c[i], HW_NL_EVENT).event.seq, seq);
	count_reads(f);
	for (unsigned i = 0; i < 3; i++)
		touch(f, (const char *[]){ "a/1", "a/2", "a/3" }[i]);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		for (unsigned seq = 3; seq <= 8; seq++)
			assert_int_equal(expect_message(c[i], HW_NL_EVENT).event.seq, seq);
	assert_int_equal(events_read, 6);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		close_client(c[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_subscribers_get_events_that_were_read_once),
		TEST(a_filter_concerns_its_subscriber_only),
		TEST(a_subscriber_that_was_behind_gets_each_event),
		TEST(subscribers_that_do_not_read_share_what_is_queued),
		TEST(an_answer_follows_the_events_before_it),
		TEST(a_subscriber_that_cannot_skip_gets_each_event),
		TEST(a_batch_of_netlink_messages_holds_several_events),
	};

	return cmocka_run_group_tests_name("sink_socket_batch", tests, NULL, NULL);
}
