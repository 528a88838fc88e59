/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests of subscribers other than the choice of a share: sync, where, filters, and the end of a
 * resume. */
#include "socket_fixture.h"

#include <grp.h>

#define JSON "format=json", "listen=unix:%s/s"
#define NETLINK "format=netlink", "listen=unix:%s/s"
#define NOBODY 65534

/* ---- sync ---- */

static void sync_is_answered_after_every_earlier_change(void **state)
{
	struct fixture *f = *state;
	struct client *c;
	char answer[160];

	SINK(f, 1, JSON);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"subscribe\":{\"share\":\"a\"}}\n");
	for (unsigned i = 1; i <= 3; i++) {
		snprintf(answer, sizeof(answer), "a/%u", i);
		assert_int_equal(mkdir(tempdir_path(f->dir, answer), 0700), 0);
		snprintf(answer, sizeof(answer), "{\"sync\":\"n%u\"}\n", i);
		say(c, answer);
		snprintf(answer, sizeof(answer),
			 "{\"synced\":\"n%u\",\"share\":\"a\",\"epoch\":\"%016llx\",\"seq\":%u}", i,
			 (unsigned long long)hw_share_epoch(f->shares[0]), i);
		expect_line(c, "\"create\"");
		assert_string_equal(next_line(c), answer);
	}
	close_client(c);
}

/* A barrier ends long before everything that it covers has been sent. */
static void sync_is_answered_after_the_events_that_wait(void **state)
{
	struct fixture *f = *state;
	struct client *c;
	char name[32], *line;
	unsigned created = 0;

	SINK(f, 1, JSON);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"subscribe\":{\"share\":\"a\"}}\n{\"sync\":\"first\"}\n");
	expect_line(c, "{\"synced\":\"first\"");
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "a/%u", i);
		assert_int_equal(mkdir(tempdir_path(f->dir, name), 0700), 0);
	}
	say(c, "{\"sync\":\"x\"}\n");
	for (line = next_line(c); line && strstr(line, "\"create\""); line = next_line(c))
		created++;
	assert_non_null(line);
	assert_non_null(strstr(line, "{\"synced\":\"x\""));
	assert_int_equal(created, 500);
	close_client(c);
}

static void sync_without_subscribe_is_answered_for_each_share(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 2, JSON);
	c = connect_client(f);
	expect_line(c, "hello");
	assert_int_equal(mkdir(tempdir_path(f->dir, "b/d"), 0700), 0);
	say(c, "{\"sync\":\"\\u0001\\\"\"}\n");
	for (unsigned left = 7; left;) {
		char *line = next_line(c);

		assert_non_null(line);
		if (strstr(line, "\"path\":\"d\""))
			left &= ~1u;
		else if (strstr(line, "{\"synced\":\"\\u0001\\\"\",\"share\":\"a\""))
			left &= ~2u;
		else if (strstr(line, "\"share\":\"b\"") && !(left & 1))
			left &= ~4u;
		else
			fail_msg("%s", line);
	}
	close_client(c);
}

/* Requests that arrive while a barrier runs wait for the next one: many do not cost more. */
static void any_number_of_syncs_is_answered_in_order(void **state)
{
	struct fixture *f = *state;
	struct client *c[20];
	char line[64];

	SINK(f, 1, JSON);
	for (size_t i = 0; i < 20; i++) {
		c[i] = connect_client(f);
		expect_line(c[i], "hello");
		say(c[i], "{\"subscribe\":{}}\n");
		for (unsigned n = 0; n < 100; n++) {
			snprintf(line, sizeof(line), "{\"sync\":\"%u\"}\n", n);
			say(c[i], line);
		}
	}
	for (unsigned n = 0; n < 100; n++) {
		snprintf(line, sizeof(line), "{\"synced\":\"%u\",\"share\":\"a\"", n);
		for (size_t i = 0; i < 20; i++)
			expect_line(c[i], line);
	}
	for (size_t i = 0; i < 20; i++)
		close_client(c[i]);
}

static void a_sink_may_end_while_a_sync_runs(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 2, JSON);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"sync\":\"x\"}\n");
	hw_loop_turn(f->loop, 5);
	stop_sink(f);
	(void)flush_share(f, 0);
	close_client(c);
}

static void netlink_has_the_same_requests(void **state)
{
	struct fixture *f = *state;
	struct hw_buf buf = HW_BUF_GROWING(65536);
	struct hw_nl_writer *writer;
	struct hw_nl_message m;
	struct client *c;
	const char *path = tempdir_path(f->dir, "a/d");
	struct hw_subscribe s = { .resume = true,
				  .epoch = hw_share_epoch(f->shares[0]),
				  .events = 1u << HW_DELETE,
				  .exclude_count = 2,
				  .exclude = { "*.o", "/no/" } };

	SINK(f, 1, NETLINK);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/no"), 0700), 0);
	assert_int_equal(rmdir(tempdir_path(f->dir, "a/no")), 0);
	path = tempdir_path(f->dir, "a/d");
	(void)flush_share(f, 0);
	c = connect_client(f);
	(void)expect_message(c, HW_NL_HELLO);
	assert_int_equal(hw_nl_writer_create(&writer), 0);
	assert_int_equal(hw_nl_put_where(writer, &buf, path, (uint32_t)strlen(path)), 0);
	assert_int_equal(hw_nl_put_subscribe(writer, &buf, &s), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(hw_nl_put_sync(writer, &buf, "mark"), 0);
	send_client(c, buf.data, buf.len);
	m = expect_message(c, HW_NL_PLACE);
	assert_string_equal(m.share, "a");
	assert_int_equal(m.path_len, 1);
	assert_memory_equal(m.path, "d", 1);
	m = expect_message(c, HW_NL_RESUMED_END);
	assert_int_equal(m.seq, 3);
	assert_true(m.epoch == s.epoch);
	m = expect_message(c, HW_NL_EVENT);
	assert_int_equal(m.event.kind, HW_DELETE);
	m = expect_message(c, HW_NL_SYNCED);
	assert_string_equal(m.text, "mark");
	assert_string_equal(m.share, "a");
	assert_int_equal(m.seq, 4);
	hw_nl_writer_destroy(writer);
	hw_buf_free(&buf);
	close_client(c);
}

/* ---- the end of a resume ---- */

static struct client *resume(struct fixture *f, uint64_t epoch, uint64_t after, const char *more)
{
	struct client *c = connect_client(f);
	char request[256];

	expect_line(c, "hello");
	snprintf(request, sizeof(request),
		 "{\"subscribe\":{\"share\":\"a\",\"epoch\":\"%016llx\",\"after\":%llu%s}}\n",
		 (unsigned long long)epoch, (unsigned long long)after, more);
	say(c, request);
	return c;
}

static void the_end_of_a_resume_is_marked(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch = hw_share_epoch(f->shares[0]);
	struct client *c;

	SINK(f, 1, JSON);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(mkdir(tempdir_path(f->dir, i == 0   ? "a/1"
							    : i == 1 ? "a/2"
								     : "a/3"),
				       0700),
				 0);
	(void)flush_share(f, 0);
	c = resume(f, epoch, 1, "");
	expect_line(c, "{\"seq\":2,");
	expect_line(c, "{\"seq\":3,");
	assert_string_equal(next_line(c), "{\"resumed\":\"end\",\"seq\":3}");
	assert_int_equal(rmdir(tempdir_path(f->dir, "a/1")), 0);
	expect_line(c, "{\"seq\":4,");
	close_client(c);
	/* nothing was missed; everything was filtered; not possible */
	c = resume(f, epoch, 4, "");
	assert_string_equal(next_line(c), "{\"resumed\":\"end\",\"seq\":4}");
	close_client(c);
	c = resume(f, epoch, 0, ",\"exclude\":[\"/*\"]");
	assert_string_equal(next_line(c), "{\"resumed\":\"end\",\"seq\":4}");
	close_client(c);
	c = resume(f, epoch + 1, 2, "");
	expect_line(c, "{\"seq\":4,");
	assert_string_equal(next_line(c), "{\"resumed\":\"end\",\"seq\":4}");
	close_client(c);
}

/* ---- filters ---- */

static void move(struct fixture *f, const char *from, const char *to)
{
	char source[512];

	snprintf(source, sizeof(source), "%s", tempdir_path(f->dir, from));
	assert_int_equal(rename(source, tempdir_path(f->dir, to)), 0);
}

static void excluded_names_are_left_out_for_one_subscriber(void **state)
{
	struct fixture *f = *state;
	struct client *some, *all;
	uint64_t epoch = hw_share_epoch(f->shares[0]);

	SINK(f, 1, JSON);
	some = connect_client(f);
	all = connect_client(f);
	expect_line(some, "hello");
	expect_line(all, "hello");
	say(some, "{\"subscribe\":{\"share\":\"a\",\"exclude\":[\"*.o\",\"/out/\",\"!k.o\"]}}\n");
	say(all, "{\"subscribe\":{}}\n");
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/out"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/out/d"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/x.o"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/k.o"), 0700), 0);
	expect_line(some, "{\"seq\":4,");
	for (unsigned i = 0; i < 4; i++)
		expect_line(all, "\"create\"");
	move(f, "a/out/d", "a/d");
	expect_line(some, "\"event\":\"move\",\"type\":\"dir\",\"to\":\"d\"}");
	expect_line(some, "{\"seq\":5,");
	expect_line(all, "\"from\":\"out/d\",\"to\":\"d\"}");
	move(f, "a/d", "a/d.o");
	expect_line(some, "\"event\":\"move\",\"type\":\"dir\",\"from\":\"d\"}");
	close_client(some);
	/* The second of two events is sent again. */
	some = resume(f, epoch, 5, ",\"exclude\":[\"*.o\",\"/out/\"]");
	expect_line(some, "\"event\":\"rescan\",\"path\":\"d\"}");
	expect_line(some, "{\"seq\":6,");
	close_client(some);
	close_client(all);
}

static void events_are_chosen_by_name(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 1, JSON);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"subscribe\":{\"events\":[\"delete\",\"move\"]}}\n");
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d"), 0700), 0);
	move(f, "a/d", "a/e");
	assert_int_equal(rmdir(tempdir_path(f->dir, "a/e")), 0);
	expect_line(c, "\"seq\":2,");
	expect_line(c, "\"delete\"");
	close_client(c);
}

static void a_snapshot_is_filtered_by_name_and_not_by_event(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 1, JSON);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d/no"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d/yes"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/no"), 0700), 0);
	(void)flush_share(f, 0);
	c = connect_client(f);
	expect_line(c, "hello");
	say(c, "{\"subscribe\":{\"share\":\"a\",\"snapshot\":true,\"events\":[\"modify\"],"
	       "\"exclude\":[\"no\"]}}\n{\"sync\":\"s\"}\n");
	expect_line(c, "\"path\":\"d\"}");
	expect_line(c, "\"path\":\"d/yes\"}");
	expect_line(c, "{\"snapshot\":\"end\",\"seq\":4}");
	expect_line(c, "{\"synced\":\"s\",");
	close_client(c);
}

/* ---- where ---- */

static char *ask_where(struct client *c, const char *path)
{
	char line[600];

	snprintf(line, sizeof(line), "{\"where\":\"%s\"}\n", path);
	say(c, line);
	return next_line(c);
}

static void where_finds_the_share_and_the_path(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 2, JSON);
	assert_int_equal(mkdir(tempdir_path(f->dir, "b/d"), 0700), 0);
	c = connect_client(f);
	expect_line(c, "hello");
	assert_string_equal(ask_where(c, tempdir_path(f->dir, "b/d")),
			    "{\"share\":\"b\",\"path\":\"d\"}");
	assert_string_equal(ask_where(c, tempdir_path(f->dir, "a")),
			    "{\"share\":\"a\",\"path\":\"\"}");
	say(c, "{\"subscribe\":{\"share\":\"b\"}}\n");
	assert_int_equal(rmdir(tempdir_path(f->dir, "b/d")), 0);
	expect_line(c, "\"path\":\"d\"}");
	assert_string_equal(ask_where(c, tempdir_path(f->dir, "b")),
			    "{\"share\":\"b\",\"path\":\"\"}");
	close_client(c);
}

static struct client *connect_as_nobody(struct fixture *f)
{
	struct client *c;

	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setegid(NOBODY), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	c = connect_client(f);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	expect_line(c, "hello");
	return c;
}

/* The same answer for each path: it does not show which of them exist. */
static void where_reveals_only_what_the_peer_may_read(void **state)
{
	static const char *const hidden[] = { "a", "a/d", "a/none", "b/secret", "b/secret/x", "c" };
	static const char refusal[] = "{\"error\":\"no share contains this path, or this user may "
				      "not read it\"}";
	struct fixture *f = *state;
	struct client *c;

	if (geteuid() != 0) {
		print_message("skipped: needs root to connect as another user\n");
		skip();
	}
	SINK(f, 2, JSON, "mode=0666");
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d"), 0777), 0);
	assert_int_equal(chmod(tempdir_path(f->dir, "b"), 0755), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "b/secret"), 0700), 0);
	assert_int_equal(mkdir(tempdir_path(f->dir, "b/open"), 0755), 0);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		c = connect_as_nobody(f);
		assert_string_equal(ask_where(c, tempdir_path(f->dir, hidden[i])), refusal);
		expect_end(c);
		close_client(c);
	}
	c = connect_as_nobody(f);
	assert_string_equal(ask_where(c, tempdir_path(f->dir, "b/open")),
			    "{\"share\":\"b\",\"path\":\"open\"}");
	close_client(c);
	assert_int_equal(chown(tempdir_path(f->dir, "a"), 0, NOBODY), 0);
	assert_int_equal(chmod(tempdir_path(f->dir, "a"), 0750), 0);
	c = connect_as_nobody(f);
	assert_string_equal(ask_where(c, tempdir_path(f->dir, "a")),
			    "{\"share\":\"a\",\"path\":\"\"}");
	close_client(c);
}

/* ---- hostile requests ---- */

static void invalid_requests_are_refused(void **state)
{
	static const struct {
		const char *request, *error;
	} cases[] = {
		{ "{\"sync\":7}", "expected a string" },
		{ "{\"sync\":\"x\",\"sync\":\"y\"}", "expected the end of the request" },
		{ "{\"where\":\"relative\"}", "where must be an absolute path" },
		{ "{\"where\":\"/a/../b\"}", "where must be an absolute path" },
		{ "{\"where\":\"//a\"}", "where must be an absolute path" },
		{ "{\"where\":\"\"}", "where must be an absolute path" },
		{ "{\"subscribe\":{\"events\":[]}}", "events must not be empty" },
		{ "{\"subscribe\":{\"events\":[\"creat\"]}}", "no event has such a name" },
		{ "{\"subscribe\":{\"events\":[\"create\",]}}", "expected a string" },
		{ "{\"subscribe\":{\"exclude\":\"*.o\"}}", "expected an array of strings" },
		{ "{\"subscribe\":{\"exclude\":[\"[\"]}}", "without" },
		{ "{\"subscribe\":{\"exclude\":[\"\"]}}", "the pattern is empty" },
		{ "{\"subscribe\":{\"exclude\":[\"a\"",
		  "expected a comma or the end of the array" },
		{ "{\"remove\":\"/\"}", "the requests are subscribe, sync and where" },
	};
	struct fixture *f = *state;
	char line[1024];
	struct client *c;

	SINK(f, 1, JSON);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = connect_client(f);
		expect_line(c, "hello");
		snprintf(line, sizeof(line), "%s\n", cases[i].request);
		say(c, line);
		expect_line(c, "{\"error\":");
		if (!strstr(c->data, cases[i].error))
			fail_msg("%s: %s", cases[i].request, c->data);
		expect_end(c);
		close_client(c);
	}
}

/* Sends a request with this beginning and end, and `count` copies of a part between them. */
static const char *answer_to(struct fixture *f, const char *begin, const char *part, size_t count,
			     const char *end)
{
	static char answer[512], request[8192];
	struct client *c = connect_client(f);
	size_t len = 0;
	char *line;

	len += (size_t)snprintf(request, sizeof(request), "%s", begin);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(request + len, sizeof(request) - len, "%s", part);
	snprintf(request + len, sizeof(request) - len, "%s", end);
	expect_line(c, "hello");
	say(c, request);
	line = next_line(c);
	snprintf(answer, sizeof(answer), "%s", line ? line : "");
	close_client(c);
	return answer;
}

static void requests_have_limits(void **state)
{
	struct fixture *f = *state;
	const char *const after = "\"]}}\n{\"sync\":\"s\"}\n";

	SINK(f, 1, JSON);
	assert_non_null(strstr(answer_to(f, "{\"sync\":\"", "x", HW_SYNC_MAX, "\"}\n"), "synced"));
	assert_non_null(
		strstr(answer_to(f, "{\"sync\":\"", "x", HW_SYNC_MAX + 1, "\"}\n"), "too long"));
	assert_non_null(strstr(answer_to(f, "{\"where\":\"/", "x", HW_WHERE_MAX - 1, "\"}\n"),
			       "no share contains"));
	assert_non_null(
		strstr(answer_to(f, "{\"where\":\"/", "x", HW_WHERE_MAX, "\"}\n"), "too long"));
	assert_non_null(strstr(answer_to(f, "{\"subscribe\":{\"exclude\":[\"", "x",
					 HW_SUBSCRIBE_EXCLUDE_BYTES, after),
			       "synced"));
	assert_non_null(strstr(answer_to(f, "{\"subscribe\":{\"exclude\":[\"", "x",
					 HW_SUBSCRIBE_EXCLUDE_BYTES + 1, after),
			       "too long"));
	assert_non_null(strstr(answer_to(f, "{\"subscribe\":{\"exclude\":[\"", "x\",\"",
					 HW_SUBSCRIBE_EXCLUDES - 1, "x\"]}}\n{\"sync\":\"s\"}\n"),
			       "synced"));
	assert_non_null(strstr(answer_to(f, "{\"subscribe\":{\"exclude\":[\"", "x\",\"",
					 HW_SUBSCRIBE_EXCLUDES, "x\"]}}\n"),
			       "too many strings"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sync_is_answered_after_every_earlier_change),
		TEST(sync_is_answered_after_the_events_that_wait),
		TEST(sync_without_subscribe_is_answered_for_each_share),
		TEST(any_number_of_syncs_is_answered_in_order),
		TEST(a_sink_may_end_while_a_sync_runs),
		TEST(netlink_has_the_same_requests),
		TEST(the_end_of_a_resume_is_marked),
		TEST(excluded_names_are_left_out_for_one_subscriber),
		TEST(events_are_chosen_by_name),
		TEST(a_snapshot_is_filtered_by_name_and_not_by_event),
		TEST(where_finds_the_share_and_the_path),
		TEST(where_reveals_only_what_the_peer_may_read),
		TEST(invalid_requests_are_refused),
		TEST(requests_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
