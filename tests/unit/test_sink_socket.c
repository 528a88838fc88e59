/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the events that subscribers of the socket sink receive for changes on a real directory. */
#include "socket_fixture.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#define JSON "format=json", "listen=unix:%s/s"
#define NETLINK "format=netlink", "listen=unix:%s/s"

/* ---- events ---- */

static void a_json_subscriber_is_greeted_and_told_each_change(void **state)
{
	struct fixture *f = *state;
	struct client *c;
	uint64_t epoch = hw_share_epoch(f->shares[0]);
	char part[64], moved[512];

	SINK(f, 1, JSON);
	c = connect_client(f);
	snprintf(part, sizeof(part), "\"epoch\":\"%016llx\",\"seq\":0,\"state\":\"online\"}]}}",
		 (unsigned long long)epoch);
	expect_line(c, "{\"hello\":{\"protocol\":1,\"version\":\"");
	say(c, "{\"subscribe\":{\"share\":\"a\"}}\n");
	touch(f, "a/x\xff");
	expect_line(c, "{\"seq\":1,\"time\":");
	expect_line(c, "\"event\":\"close_write\",\"type\":\"file\",\"path\":\"x\xef\xbf\xbd\","
		       "\"path_b64\":\"eP8=\"}");
	snprintf(moved, sizeof(moved), "%s", tempdir_path(f->dir, "moved"));
	assert_int_equal(rename(tempdir_path(f->dir, "a/x\xff"), moved), 0);
	expect_line(c, "\"event\":\"move\",\"type\":\"file\",\"from\":\"x");
	assert_int_equal(unlink(moved), 0);
	close_client(c);
}

static void a_netlink_subscriber_is_told_the_same(void **state)
{
	struct fixture *f = *state;
	struct hw_share_info info;
	struct hw_nl_message m;
	struct client *c;
	uint32_t pos = 0;

	SINK(f, 2, NETLINK);
	c = connect_client(f);
	m = expect_message(c, HW_NL_HELLO);
	assert_int_equal(hw_nl_next_share(&m, &pos, &info), 1);
	assert_string_equal(info.name, "a");
	assert_true(info.epoch == hw_share_epoch(f->shares[0]));
	assert_int_equal(hw_nl_next_share(&m, &pos, &info), 1);
	assert_int_equal(hw_nl_next_share(&m, &pos, &info), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "b/d"), 0700), 0);
	m = expect_message(c, HW_NL_EVENT);
	assert_string_equal(m.share, "b");
	assert_true(m.epoch == hw_share_epoch(f->shares[1]));
	assert_int_equal(m.event.kind, HW_CREATE);
	assert_int_equal(m.event.type, HW_TYPE_DIR);
	assert_int_equal(m.event.seq, 1);
	assert_int_equal(m.event.path_len, 1);
	close_client(c);
}

static void a_silent_subscriber_misses_nothing_after_hello(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 1, JSON, "hello_wait=50ms");
	touch(f, "a/before");
	(void)flush_share(f, 0);
	c = connect_client(f);
	expect_line(c, "\"seq\":2,\"state\"");
	touch(f, "a/during");
	(void)flush_share(f, 0);
	expect_line(c, "{\"seq\":3,");
	expect_line(c, "{\"seq\":4,");
	touch(f, "a/after");
	expect_line(c, "{\"seq\":5,");
	close_client(c);
}

/* Waits as long as a stopped program would. */
static void let_hello_wait_pass(struct fixture *f, uint64_t hello_wait_ms)
{
	uint64_t since_ms = now_ms();

	UNTIL(f, now_ms() - since_ms > 5 * hello_wait_ms);
}

static void whoever_has_not_read_hello_is_waited_for(void **state)
{
	static const char *const snapshot[] = { "\"seq\":0,", "{\"snapshot\":\"end\"" };
	struct fixture *f = *state;
	struct client *c, *resumes;
	char request[256];

	SINK(f, 2, JSON, "hello_wait=10ms");
	c = connect_client(f);
	resumes = connect_client(f);
	UNTIL(f, count_receivers(f) == 4);
	touch(f, "a/not-of-the-share");
	touch(f, "b/of-the-share");
	(void)flush_share(f, 0);
	(void)flush_share(f, 1);
	let_hello_wait_pass(f, 10);
	say(c, "{\"subscribe\":{\"share\":\"b\",\"snapshot\":true}}\n");
	(void)snprintf(request, sizeof(request),
		       "{\"subscribe\":{\"share\":\"b\",\"epoch\":\"%016llx\",\"after\":1}}\n",
		       (unsigned long long)hw_share_epoch(f->shares[1]));
	say(resumes, request);
	expect_line(c, "hello");
	for (size_t i = 0; i < 2; i++)
		expect_line(c, snapshot[i]);
	expect_line(resumes, "hello");
	expect_line(resumes, "{\"seq\":2,");
	close_client(c);
	close_client(resumes);
}

/* The client has read hello, and nothing shows that it will send a request. */
static void a_request_after_hello_wait_is_refused_as_too_late(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 1, JSON, "hello_wait=10ms");
	c = connect_client(f);
	expect_line(c, "hello");
	touch(f, "a/told-to-all");
	expect_line(c, "told-to-all");
	expect_line(c, "close_write");
	say(c, "{\"subscribe\":{\"below\":\"b\"}}\n");
	expect_line(c, "{\"error\":\"the request came too late: events are already being sent\"}");
	expect_end(c);
	close_client(c);
}

static void shares_come_on_one_connection_or_alone(void **state)
{
	struct fixture *f = *state;
	struct client *all, *one;

	SINK(f, 2, JSON);
	all = connect_client(f);
	one = connect_client(f);
	expect_line(all, "hello");
	expect_line(one, "hello");
	say(all, "{\"subscribe\":{}}\n");
	say(one, "{\"subscribe\":{\"share\":\"b\"}}\n");
	touch(f, "a/1");
	expect_line(all, "\"share\":\"a\",\"event\":\"create\"");
	expect_line(all, "close_write");
	touch(f, "b/2");
	expect_line(all, "\"share\":\"b\",\"event\":\"create\"");
	expect_line(one, "\"share\":\"b\",\"event\":\"create\"");
	assert_int_equal(count_receivers(f), 3);
	close_client(all);
	close_client(one);
}

static void below_shows_one_directory(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 1, JSON);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/in"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/out"), 0700), 0);
	(void)flush_share(f, 0);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"subscribe\":{\"below\":\"in\"}}\n");
	hw_loop_turn(f->loop, 10);
	touch(f, "a/out/1");
	touch(f, "a/in/2");
	expect_line(c, "\"event\":\"create\",\"type\":\"file\",\"path\":\"in/2\"");
	expect_line(c, "close_write");
	{
		char from[512];

		snprintf(from, sizeof(from), "%s", tempdir_path(f->dir, "a/out"));
		assert_int_equal(rename(from, tempdir_path(f->dir, "a/in/out")), 0);
	}
	expect_line(c, "\"event\":\"move\",\"type\":\"dir\",\"to\":\"in/out\"");
	expect_line(c, "\"event\":\"rescan\",\"path\":\"in/out\"");
	close_client(c);
}

/* ---- snapshots and resume ---- */

static void a_snapshot_comes_first_and_changes_follow(void **state)
{
	struct fixture *f = *state;
	struct client *c;
	uint64_t seq;
	char part[64];

	SINK(f, 2, JSON);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d"), 0700), 0);
	touch(f, "a/d/x");
	seq = flush_share(f, 0);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"subscribe\":{\"share\":\"a\",\"snapshot\":true}}\n");
	expect_line(c, "\"event\":\"create\",\"type\":\"dir\",\"path\":\"d\"}");
	expect_line(c, "{\"seq\":0,");
	snprintf(part, sizeof(part), "{\"snapshot\":\"end\",\"seq\":%llu}",
		 (unsigned long long)seq);
	expect_line(c, part);
	assert_int_equal(unlink(tempdir_path(f->dir, "a/d/x")), 0);
	expect_line(c, "\"event\":\"delete\",\"type\":\"file\",\"path\":\"d/x\"");
	close_client(c);
}

static void snapshots_of_all_shares_name_the_share_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 2, JSON);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"subscribe\":{\"snapshot\":true}}\n");
	expect_line(c, "{\"snapshot\":\"end\",\"seq\":0,\"share\":\"a\"}");
	expect_line(c, "{\"snapshot\":\"end\",\"seq\":0,\"share\":\"b\"}");
	close_client(c);
}

static void more_snapshots_than_may_be_open_take_turns(void **state)
{
	struct fixture *f = *state;
	struct client *c[20];

	SINK(f, 1, JSON);
	touch(f, "a/x");
	(void)flush_share(f, 0);
	for (size_t i = 0; i < 20; i++) {
		c[i] = connect_client(f);
		say(c[i], "{\"subscribe\":{\"snapshot\":true}}\n");
	}
	for (size_t i = 20; i--;) {
		expect_line(c[i], "hello");
		expect_line(c[i], "\"path\":\"x\"");
		expect_line(c[i], "snapshot");
		close_client(c[i]);
	}
}

static struct client *resume(struct fixture *f, uint64_t epoch, uint64_t after, const char *more)
{
	struct client *c = connect_client(f);
	char line[128];

	expect_line(c, "hello");
	snprintf(line, sizeof(line),
		 "{\"subscribe\":{\"share\":\"a\",\"epoch\":\"%llx\",\"after\":%llu%s}}\n",
		 (unsigned long long)epoch, (unsigned long long)after, more);
	say(c, line);
	return c;
}

static void resume_goes_on_behind_the_last_event_seen(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch = hw_share_epoch(f->shares[0]);
	struct client *c;

	SINK(f, 2, JSON);
	touch(f, "a/1");
	touch(f, "a/2");
	assert_int_equal(flush_share(f, 0), 4);
	c = resume(f, epoch, 1, "");
	expect_line(c, "{\"seq\":2,");
	expect_line(c, "{\"seq\":3,");
	close_client(c);
	c = resume(f, epoch, 4, "");
	expect_line(c, "{\"resumed\":\"end\",\"seq\":4");
	touch(f, "a/3");
	expect_line(c, "{\"seq\":5,");
	close_client(c);
	c = resume(f, epoch, 2, ",\"below\":\"2\"");
	expect_line(c, "{\"seq\":3,");
	close_client(c);
}

static void resume_that_is_not_possible_is_one_rescan(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch = hw_share_epoch(f->shares[0]);
	struct client *c;

	SINK(f, 2, JSON);
	touch(f, "a/1");
	assert_int_equal(flush_share(f, 0), 2);
	c = resume(f, epoch ^ 1, 1, "");
	expect_line(c, "\"event\":\"rescan\",\"path\":\"\"}");
	close_client(c);
	c = resume(f, epoch, 99, "");
	assert_int_equal(json_number(expect_line(c, "rescan"), "\"seq\":"), 2);
	expect_line(c, "{\"resumed\":\"end\",\"seq\":2");
	touch(f, "a/2");
	expect_line(c, "{\"seq\":3,");
	close_client(c);
}

static void both_halves_of_an_entering_directory_survive_a_cut(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch = hw_share_epoch(f->shares[0]), seq;
	struct client *c;
	char from[512];

	SINK(f, 1, JSON);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/in"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/out"), 0700), 0);
	(void)flush_share(f, 0);
	snprintf(from, sizeof(from), "%s", tempdir_path(f->dir, "a/out"));
	assert_int_equal(rename(from, tempdir_path(f->dir, "a/in/out")), 0);
	seq = flush_share(f, 0);
	c = resume(f, epoch, seq, ",\"below\":\"in\"");
	assert_int_equal(json_number(expect_line(c, "rescan"), "\"seq\":"), seq);
	close_client(c);
}

/* ---- slow subscribers ---- */

static void one_that_does_not_read_falls_off_alone_and_is_told(void **state)
{
	struct fixture *f = *state;
	struct client *slow, *fast;
	uint64_t seq, last = 0, lost = 0;
	unsigned rescans = 0;
	char *line;

	SINK(f, 1, JSON, "send_buffer=4K", "hello_wait=5s");
	slow = connect_client(f);
	fast = connect_client(f);
	expect_line(slow, "hello");
	expect_line(fast, "hello");
	say(slow, "{\"subscribe\":{}}\n");
	say(fast, "{\"subscribe\":{}}\n");
	for (int i = 0; i < 20; i++) {
		churn(f, 500);
		for (seq = hw_share_seq(f->shares[0]); last < seq; last++) {
			line = expect_line(fast, "\"seq\":");
			assert_int_equal(json_number(line, "\"seq\":"), last + 1);
		}
	}
	assert_int_equal(count_receivers(f), 2);
	assert_true(f->lost > 0); /* known before the subscriber continues to read */
	for (last = 0; last < hw_share_seq(f->shares[0]); last = seq) {
		line = expect_line(slow, "\"seq\":");
		seq = json_number(line, "\"seq\":");
		if (strstr(line, "\"rescan\"")) {
			rescans++;
			lost += seq - last;
		} else {
			assert_int_equal(seq, last + 1);
		}
		assert_true(seq > last);
	}
	assert_true(rescans >= 1);
	touch(f, "a/again");
	expect_line(slow, "\"path\":\"again\"");
	assert_int_equal(count_receivers(f), 2);
	assert_int_equal(f->lost, lost);
	close_client(slow);
	close_client(fast);
}

static void drain_sends_what_can_be_sent(void **state)
{
	struct fixture *f = *state;
	struct hw_instance *instance;
	struct client *c;

	SINK(f, 1, JSON);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"subscribe\":{}}\n");
	UNTIL(f, count_receivers(f) == 1);
	touch(f, "a/x");
	(void)flush_share(f, 0);
	instance = hw_sink_instance(f->sink);
	assert_int_equal(instance->plugin->drain(instance->self), 0);
	expect_line(c, "create");
	close_client(c);
}

/* ---- netlink format only ---- */

static void a_ping_is_answered_at_any_time(void **state)
{
	struct fixture *f = *state;
	struct hw_buf buf = HW_BUF_GROWING(4096);
	struct hw_nl_writer *writer;
	struct client *c;

	assert_int_equal(hw_nl_writer_create(&writer), 0);
	SINK(f, 1, NETLINK);
	c = connect_client(f);
	assert_int_equal(hw_nl_put_ping(writer, &buf, HW_NL_PING, "hi"), 0);
	send_client(c, buf.data, buf.len);
	(void)expect_message(c, HW_NL_HELLO);
	assert_string_equal(expect_message(c, HW_NL_PONG).text, "hi");
	touch(f, "a/x");
	(void)expect_message(c, HW_NL_EVENT);
	(void)expect_message(c, HW_NL_EVENT);
	send_client(c, buf.data, buf.len);
	assert_string_equal(expect_message(c, HW_NL_PONG).text, "hi");
	close_client(c);
	hw_buf_free(&buf);
	hw_nl_writer_destroy(writer);
}

static void an_unknown_message_is_answered_with_an_error_and_the_rest_goes_on(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr unknown = { .nlmsg_len = sizeof(unknown), .nlmsg_type = 0x77 };
	struct client *c;

	SINK(f, 1, NETLINK);
	c = connect_client(f);
	(void)expect_message(c, HW_NL_HELLO);
	send_client(c, &unknown, sizeof(unknown));
	assert_int_equal(expect_message(c, HW_NL_ERROR).error, EOPNOTSUPP);
	touch(f, "a/x");
	(void)expect_message(c, HW_NL_EVENT);
	close_client(c);
}

static void a_group_gets_every_event(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1u << 20 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_USERSOCK);
	static uint32_t data[65536];
	struct hw_nl_message m;
	ssize_t n = -1;

	assert_true(fd >= 0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		print_message("skipped: cannot join a netlink group: %s\n", strerror(errno));
		(void)close(fd);
		skip();
	}
	SINK(f, 1, "format=netlink", "listen=netlink:21");
	assert_true(recv(fd, data, sizeof(data), 0) > 0);
	assert_int_equal(hw_nl_parse(data, data[0], &m), 0);
	assert_int_equal(m.type, HW_NL_HELLO);
	touch(f, "a/x");
	UNTIL(f, (n = recv(fd, data, sizeof(data), 0)) > 0);
	assert_int_equal(hw_nl_parse(data, data[0], &m), 0);
	assert_int_equal(m.type, HW_NL_EVENT);
	assert_int_equal(m.event.seq, 1);
	assert_int_equal(count_receivers(f), 1);
	assert_string_equal(f->row_name, "netlink:21");
	assert_string_equal(f->addresses, "listen netlink:21|\n");
	(void)close(fd);
}

/* ---- connections to receivers ---- */

static void a_receiver_is_connected_to_until_it_answers(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fd = -1;
	struct client *c;

	assert_true(listening >= 0);
	SINK(f, 1, "format=json", "connect=unix:%s/r");
	for (int i = 0; i < 5; i++)
		hw_loop_turn(f->loop, 20);
	assert_int_equal(count_receivers(f), 0);
	assert_memory_equal(f->addresses, "connect unix:/", 14);
	assert_non_null(strstr(f->addresses, "/r|No such file or directory\n"));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/r", f->dir);
	assert_int_equal(bind(listening, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listening, 5), 0);
	for (int i = 0; i < 2; i++) {
		UNTIL(f, (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0);
		c = wrap_client(f, fd);
		expect_line(c, "hello");
		say(c, "{\"subscribe\":{}}\n");
		touch(f, i ? "a/1" : "a/2");
		expect_line(c, "create");
		assert_int_equal(count_receivers(f), 1);
		assert_non_null(strstr(f->addresses, "/r|connected\n"));
		close_client(c); /* the sink connects again */
	}
	(void)close(listening);
}

static void tcp_works_on_loopback(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), probe;
	socklen_t len = sizeof(addr);
	char listen_on[64];
	struct client *c;

	probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* finds a free port */
	assert_int_equal(bind(probe, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(probe, (struct sockaddr *)&addr, &len), 0);
	(void)close(probe);
	snprintf(listen_on, sizeof(listen_on), "listen=tcp:127.0.0.1:%u", ntohs(addr.sin_port));
	SINK(f, 1, "format=json", listen_on);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	c = wrap_client(f, fd);
	expect_line(c, "hello");
	assert_int_equal(count_receivers(f), 1);
	assert_memory_equal(f->row_name, "tcp 127.0.0.1:", 14);
	touch(f, "a/x");
	expect_line(c, "create");
	close_client(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_json_subscriber_is_greeted_and_told_each_change),
		TEST(a_netlink_subscriber_is_told_the_same),
		TEST(a_silent_subscriber_misses_nothing_after_hello),
		TEST(whoever_has_not_read_hello_is_waited_for),
		TEST(a_request_after_hello_wait_is_refused_as_too_late),
		TEST(shares_come_on_one_connection_or_alone),
		TEST(below_shows_one_directory),
		TEST(a_snapshot_comes_first_and_changes_follow),
		TEST(snapshots_of_all_shares_name_the_share_at_the_end),
		TEST(more_snapshots_than_may_be_open_take_turns),
		TEST(resume_goes_on_behind_the_last_event_seen),
		TEST(resume_that_is_not_possible_is_one_rescan),
		TEST(both_halves_of_an_entering_directory_survive_a_cut),
		TEST(one_that_does_not_read_falls_off_alone_and_is_told),
		TEST(drain_sends_what_can_be_sent),
		TEST(a_ping_is_answered_at_any_time),
		TEST(an_unknown_message_is_answered_with_an_error_and_the_rest_goes_on),
		TEST(a_group_gets_every_event),
		TEST(a_receiver_is_connected_to_until_it_answers),
		TEST(tcp_works_on_loopback),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("sink_socket", tests, NULL, NULL);
}
