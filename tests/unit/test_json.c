/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON lines: independent parsers accept our output and return it unchanged; our parser accepts
 * exactly the format. */
#include <errno.h>
#include <hostwatch/wire.h>
#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct hw_event make_event(enum hw_kind kind, enum hw_type type, const char *path)
{
	return (struct hw_event){
		.struct_size = sizeof(struct hw_event),
		.kind = (uint8_t)kind,
		.type = (uint8_t)type,
		.seq = 7,
		.time_ns = 1795363200123456789,
		.path = path,
		.path_len = path ? (uint32_t)strlen(path) : 0,
	};
}

static void set_from(struct hw_event *event, const char *from)
{
	event->from = from;
	event->from_len = (uint32_t)strlen(from);
}

static void assert_line(const struct hw_event *event, const char *expected)
{
	struct hw_buf buf = HW_BUF_GROWING(1 << 20);

	assert_int_equal(hw_json_put_event(&buf, "projects", event), 0);
	assert_int_equal(hw_buf_append(&buf, "", 1), 0);
	assert_string_equal(buf.data, expected);
	hw_buf_free(&buf);
}

static void keys_stand_in_the_documented_order(void **state)
{
	struct hw_event event = make_event(HW_CREATE, HW_TYPE_FILE, "src/a.c");

	(void)state;
	assert_line(&event, "{\"seq\":7,\"time\":1795363200123456789,\"share\":\"projects\","
			    "\"event\":\"create\",\"type\":\"file\",\"path\":\"src/a.c\"}\n");
	event = make_event(HW_RESCAN, HW_TYPE_NONE, "");
	assert_line(&event, "{\"seq\":7,\"time\":1795363200123456789,\"share\":\"projects\","
			    "\"event\":\"rescan\",\"path\":\"\"}\n");
}

/* The encoder takes eight digits at a time: tests each length, and both sides of its limits. */
static void numbers_have_all_their_digits(void **state)
{
	struct hw_event event = make_event(HW_RESCAN, HW_TYPE_NONE, "");
	char line[200];

	(void)state;
	for (uint64_t power = 1, last = 0; power > last; last = power, power *= 10) {
		for (uint64_t seq = power - 1; seq <= power + 1; seq++) {
			event.seq = seq;
			event.time_ns = seq > INT64_MAX ? INT64_MIN : -(int64_t)seq;
			(void)snprintf(
				line, sizeof(line),
				"{\"seq\":%" PRIu64 ",\"time\":%" PRId64
				",\"share\":\"projects\",\"event\":\"rescan\",\"path\":\"\"}\n",
				event.seq, event.time_ns);
			assert_line(&event, line);
		}
	}
	event.seq = UINT64_MAX;
	event.time_ns = INT64_MAX;
	assert_line(&event, "{\"seq\":18446744073709551615,\"time\":9223372036854775807,"
			    "\"share\":\"projects\",\"event\":\"rescan\",\"path\":\"\"}\n");
}

/* Text is examined eight bytes at a time. */
static void each_byte_of_a_path_is_examined(void **state)
{
	struct hw_event event = make_event(HW_RESCAN, HW_TYPE_NONE, NULL);
	char path[40], expected[64], line[200];

	(void)state;
	event.path = path;
	for (size_t len = 1; len < sizeof(path); len++) {
		for (size_t at = 0; at < len; at++) {
			memset(path, 'x', len);
			path[at] = '"';
			event.path_len = (uint32_t)len;
			memset(expected, 'x', len + 1);
			memcpy(expected + at, "\\\"", 2);
			(void)snprintf(line, sizeof(line),
				       "{\"seq\":7,\"time\":1795363200123456789,"
				       "\"share\":\"projects\",\"event\":\"rescan\","
				       "\"path\":\"%.*s\"}\n",
				       (int)len + 1, expected);
			assert_line(&event, line);
		}
	}
}

static void a_move_tells_the_sides_it_has(void **state)
{
	struct hw_event event = make_event(HW_MOVE, HW_TYPE_DIR, "new");
	const char *head = "{\"seq\":7,\"time\":1795363200123456789,\"share\":\"projects\","
			   "\"event\":\"move\",\"type\":\"dir\",";
	char line[256];

	(void)state;
	set_from(&event, "old");
	event.flags = HW_FLAG_REPLACED;
	snprintf(line, sizeof(line), "%s%s", head,
		 "\"from\":\"old\",\"to\":\"new\",\"replaced\":true}\n");
	assert_line(&event, line);
	event.flags = HW_FLAG_EXCHANGE;
	snprintf(line, sizeof(line), "%s%s", head,
		 "\"from\":\"old\",\"to\":\"new\",\"exchange\":true}\n");
	assert_line(&event, line);
	event = make_event(HW_MOVE, HW_TYPE_DIR, NULL);
	set_from(&event, "old");
	snprintf(line, sizeof(line), "%s%s", head, "\"from\":\"old\"}\n");
	assert_line(&event, line);
}

static void bytes_that_are_not_utf8_come_with_base64(void **state)
{
	struct hw_event event = make_event(HW_DELETE, HW_TYPE_FILE, "a\xff\xc3(\xed\xa0\x80z");

	(void)state;
	assert_line(&event, "{\"seq\":7,\"time\":1795363200123456789,\"share\":\"projects\","
			    "\"event\":\"delete\",\"type\":\"file\",\"path\":\"a\xef\xbf\xbd"
			    "\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\","
			    "\"path_b64\":\"Yf/DKO2ggHo=\"}\n");
}

static void control_characters_never_reach_a_terminal(void **state)
{
	struct hw_event event = make_event(HW_MODIFY, HW_TYPE_FILE,
					   "\x1b[31m\n\t\"\\\x7f\xc2\x9b"
					   "1\xc3\xa9");

	(void)state;
	assert_line(&event, "{\"seq\":7,\"time\":1795363200123456789,\"share\":\"projects\","
			    "\"event\":\"modify\",\"type\":\"file\",\"path\":\"\\u001b[31m\\n\\t"
			    "\\\"\\\\\\u007f\\u009b1\xc3\xa9\"}\n");
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* Makes bytes of which half are printable, and the others anything except NUL. */
static uint32_t make_bytes(uint64_t *random, char *out, uint32_t max)
{
	uint32_t len = (uint32_t)(next_random(random) % max);

	for (uint32_t i = 0; i < len; i++) {
		uint64_t r = next_random(random);

		out[i] = (char)(r & 1 ? 'a' + r % 26 : 1 + r % 255);
	}
	return len;
}

static void assert_same_event(const struct hw_event *a, const struct hw_event *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->time_ns, b->time_ns);
	assert_int_equal(!a->path, !b->path);
	assert_int_equal(!a->from, !b->from);
	assert_int_equal(a->path_len, b->path_len);
	assert_int_equal(a->from_len, b->from_len);
	if (a->path_len)
		assert_memory_equal(a->path, b->path, a->path_len);
	if (a->from_len)
		assert_memory_equal(a->from, b->from, a->from_len);
}

static void random_bytes_parse_elsewhere_and_come_back_exactly(void **state)
{
	struct hw_buf buf = HW_BUF_GROWING(1 << 20);
	uint64_t random = 42;
	char path[300], from[300];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct hw_event event = make_event(HW_MOVE, HW_TYPE_FILE, "");
		struct hw_json_message message;
		json_t *json;

		event.path = path;
		event.path_len = make_bytes(&random, path, sizeof(path));
		event.from = from;
		event.from_len = make_bytes(&random, from, sizeof(from));
		buf.len = 0;
		assert_int_equal(hw_json_put_event(&buf, "s", &event), 0);
		assert_null(memchr(buf.data, '\n', buf.len - 1));
		json = json_loadb(buf.data, buf.len, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(json);
		json_decref(json);
		assert_int_equal(hw_json_parse_line(buf.data, buf.len - 1, &message), 0);
		assert_int_equal(message.what, HW_JSON_EVENT);
		assert_string_equal(message.share, "s");
		assert_same_event(&event, &message.event);
	}
	hw_buf_free(&buf);
}

/* Whatever the event before was, the line is that of the event. */
static void the_line_of_an_event_does_not_depend_on_the_one_before(void **state)
{
	static const char *const shares[] = {
		"",
		"s",
		"t",
		"projects",
		"a\nb\"c",
		"35 bytes, which is as long as it be",
		"36 bytes, which is longer than kept.",
		"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n",
		"a share name longer than any that a configuration may have, or a head",
	};
	static const int64_t times[] = { 0, 7, 1795363200123456789, INT64_MAX, INT64_MIN };
	struct hw_buf one = HW_BUF_GROWING(4096), next = HW_BUF_GROWING(4096);
	struct hw_json_head head = { .len = 0 };
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct hw_event event = make_event(HW_CREATE, HW_TYPE_FILE, "a");
		const char *share;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		share = shares[(random >> 33) % (sizeof(shares) / sizeof(shares[0]))];
		event.time_ns = times[(random >> 45) % 5];
		event.seq = random >> (random >> 58);
		one.len = next.len = 0;
		for (int twice = 0; twice < 2; twice++) {
			assert_int_equal(hw_json_put_event(&one, share, &event), 0);
			assert_int_equal(hw_json_put_next_event(&head, &next, share, &event), 0);
		}
		assert_int_equal(one.len, next.len);
		assert_memory_equal(one.data, next.data, one.len);
	}
	hw_buf_free(&one);
	hw_buf_free(&next);
}

static void the_longest_paths_fit_the_stated_size(void **state)
{
	struct hw_buf buf = HW_BUF_GROWING(HW_JSON_EVENT_MAX);
	char *path = malloc(HW_PATH_MAX);
	struct hw_event event = make_event(HW_MOVE, HW_TYPE_FILE, NULL);

	(void)state;
	assert_non_null(path);
	memset(path, 1, HW_PATH_MAX);
	event.path = event.from = path;
	event.path_len = event.from_len = HW_PATH_MAX;
	assert_int_equal(hw_json_put_event(&buf, "s", &event), 0);
	event.path_len++;
	assert_int_equal(hw_json_put_event(&buf, "s", &event), -EINVAL);
	hw_buf_free(&buf);
	free(path);
}

static void a_full_buffer_keeps_what_it_had(void **state)
{
	char memory[256];
	struct hw_event event = make_event(HW_CREATE, HW_TYPE_FILE, "0123456789012345678901234567");
	struct hw_share_info info = { .name = "s", .epoch = 1, .state = HW_SHARE_ONLINE };
	struct hw_json_head head = { .len = 0 };

	(void)state;
	for (size_t size = 0; size < sizeof(memory); size++) {
		struct hw_buf buf = HW_BUF_FIXED(memory, size);
		int r = hw_buf_append(&buf, "x", size ? 1 : 0);
		size_t before = buf.len;

		assert_int_equal(r, 0);
		r = hw_json_put_event(&buf, "s", &event);
		assert_true(r == 0 || (r == -ENOBUFS && buf.len == before));
		buf.len = before;
		for (int twice = 0; twice < 2; twice++) {
			r = hw_json_put_next_event(&head, &buf, "s", &event);
			assert_true(r == 0 || (r == -ENOBUFS && buf.len == before));
			buf.len = before;
		}
		r = hw_json_put_hello(&buf, "1", &info, 1);
		assert_true(r == 0 || (r == -ENOBUFS && buf.len == before));
		assert_ptr_equal(buf.data, memory);
	}
}

static void hello_snapshot_end_and_error_have_their_form(void **state)
{
	struct hw_buf buf = HW_BUF_GROWING(4096);
	struct hw_share_info infos[] = {
		{ .name = "a", .epoch = 0xabc, .seq = 5, .state = HW_SHARE_ONLINE },
		{ .name = "b", .epoch = UINT64_MAX, .state = HW_SHARE_OFFLINE },
	};

	(void)state;
	assert_int_equal(hw_json_put_hello(&buf, "0.1", infos, 2), 0);
	assert_int_equal(hw_json_put_snapshot_end(&buf, NULL, 9), 0);
	assert_int_equal(hw_json_put_snapshot_end(&buf, "a", 9), 0);
	assert_int_equal(hw_json_put_error(&buf, "no \"x\""), 0);
	assert_int_equal(hw_buf_append(&buf, "", 1), 0);
	assert_string_equal(buf.data, "{\"hello\":{\"protocol\":1,\"version\":\"0.1\",\"shares\":["
				      "{\"name\":\"a\",\"epoch\":\"0000000000000abc\",\"seq\":5,"
				      "\"state\":\"online\"},"
				      "{\"name\":\"b\",\"epoch\":\"ffffffffffffffff\",\"seq\":0,"
				      "\"state\":\"offline\"}]}}\n"
				      "{\"snapshot\":\"end\",\"seq\":9}\n"
				      "{\"snapshot\":\"end\",\"seq\":9,\"share\":\"a\"}\n"
				      "{\"error\":\"no \\\"x\\\"\"}\n");
	hw_buf_free(&buf);
}

/* ---- requests ---- */

static int parse(const char *text, struct hw_subscribe *ret)
{
	static char line[HW_JSON_REQUEST_MAX];
	const char *error = NULL;
	int r;

	snprintf(line, sizeof(line), "%s", text);
	r = hw_json_parse_subscribe(line, strlen(line), ret, &error);
	if (r < 0)
		assert_non_null(error);
	return r;
}

static void a_request_is_read_in_any_key_order(void **state)
{
	struct hw_subscribe s;

	(void)state;
	assert_int_equal(parse("{\"subscribe\":{}}", &s), 0);
	assert_null(s.share);
	assert_false(s.resume || s.snapshot || s.below);
	assert_int_equal(parse(" { \"subscribe\" : { \"after\":18446744073709551615, "
			       "\"below\":\"a\\/\\u00e9\\ud83d\\ude00\",\"epoch\":\"Ff\","
			       "\"share\":\"s\\u0041\",\"snapshot\":false } } \r",
			       &s),
			 0);
	assert_string_equal(s.share, "sA");
	assert_string_equal(s.below, "a/\xc3\xa9\xf0\x9f\x98\x80");
	assert_int_equal(s.below_len, 8);
	assert_true(s.resume);
	assert_int_equal(s.epoch, 0xff);
	assert_true(s.after == UINT64_MAX);
}

static void what_is_not_exactly_a_request_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"{}",
		"[]",
		"null",
		"{\"subscribe\"}",
		"{\"subscribe\":1}",
		"{\"subscribe\":{}",
		"{\"subscribe\":{}}x",
		"{\"subscribe\":{}}{}",
		"{\"subscribe\":{},\"subscribe\":{}}",
		"{\"Subscribe\":{}}",
		"{\"subscribe\":{,}}",
		"{\"subscribe\":{\"share\":\"a\",}}",
		"{\"subscribe\":{\"x\":1}}",
		"{\"subscribe\":{\"share\":\"a\",\"share\":\"b\"}}",
		"{\"subscribe\":{\"share\":null}}",
		"{\"subscribe\":{\"share\":1}}",
		"{\"subscribe\":{\"snapshot\":1}}",
		"{\"subscribe\":{\"snapshot\":TRUE}}",
		"{\"subscribe\":{\"epoch\":\"1\"}}",
		"{\"subscribe\":{\"after\":1}}",
		"{\"subscribe\":{\"epoch\":\"0\",\"after\":1}}",
		"{\"subscribe\":{\"epoch\":\"\",\"after\":1}}",
		"{\"subscribe\":{\"epoch\":\"g\",\"after\":1}}",
		"{\"subscribe\":{\"epoch\":\"11111111111111111\",\"after\":1}}",
		"{\"subscribe\":{\"epoch\":\"1\",\"after\":-1}}",
		"{\"subscribe\":{\"epoch\":\"1\",\"after\":01}}",
		"{\"subscribe\":{\"epoch\":\"1\",\"after\":1.5}}",
		"{\"subscribe\":{\"epoch\":\"1\",\"after\":18446744073709551616}}",
		"{\"subscribe\":{\"epoch\":\"1\",\"after\":1,\"snapshot\":true}}",
		"{\"subscribe\":{\"share\":\"\\u0000\"}}",
		"{\"subscribe\":{\"share\":\"\\ud800\"}}",
		"{\"subscribe\":{\"share\":\"\\ud800\\u0041\"}}",
		"{\"subscribe\":{\"share\":\"\\udc00\"}}",
		"{\"subscribe\":{\"share\":\"\\x\"}}",
		"{\"subscribe\":{\"share\":\"\\u12\"}}",
		"{\"subscribe\":{\"share\":\"\\",
		"{\"subscribe\":{\"share\":\"\xff\"}}",
		"{\"subscribe\":{\"share\":\"\xc0\xaf\"}}",
		"{\"subscribe\":{\"share\":\"\t\"}}",
		"{\"subscribe\":{\"below\":\"/a\"}}",
		"{\"subscribe\":{\"below\":\"a/\"}}",
		"{\"subscribe\":{\"below\":\"a//b\"}}",
		"{\"subscribe\":{\"below\":\"..\"}}",
		"{\"subscribe\":{\"below\":\"a/./b\"}}",
		"{\"subscribe\":{\"below\":\"a/..\"}}",
	};
	struct hw_subscribe s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &s) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
}

static void a_request_at_the_limit_is_read_and_one_past_it_refused(void **state)
{
	char *line = malloc(HW_JSON_REQUEST_MAX + 1);
	struct hw_subscribe s;
	const char *error = NULL;

	(void)state;
	assert_non_null(line);
	memset(line, ' ', HW_JSON_REQUEST_MAX);
	memcpy(line, "{\"subscribe\":{}}", 16);
	assert_int_equal(hw_json_parse_subscribe(line, HW_JSON_REQUEST_MAX - 1, &s, &error), 0);
	assert_int_equal(hw_json_parse_subscribe(line, HW_JSON_REQUEST_MAX, &s, &error), -EMSGSIZE);
	assert_non_null(error);
	free(line);
}

static void a_written_request_is_read_back(void **state)
{
	struct hw_buf buf = HW_BUF_GROWING(4096);
	struct hw_subscribe in = { .share = "s",
				   .below = "d\"x",
				   .below_len = 3,
				   .resume = true,
				   .epoch = 0x1234,
				   .after = 99 };
	struct hw_subscribe out;
	const char *error = NULL;

	(void)state;
	assert_int_equal(hw_json_put_subscribe(&buf, &in), 0);
	assert_int_equal(hw_json_parse_subscribe(buf.data, buf.len, &out, &error), 0);
	assert_string_equal(out.share, "s");
	assert_string_equal(out.below, "d\"x");
	assert_true(out.resume && out.epoch == 0x1234 && out.after == 99 && !out.snapshot);
	hw_buf_free(&buf);
}

static void damaged_requests_and_lines_are_survived(void **state)
{
	static const char base[] = "{\"subscribe\":{\"share\":\"s\",\"below\":\"a\\u00e9/b\","
				   "\"epoch\":\"12\",\"after\":3}}";
	uint64_t random = 7;
	char line[sizeof(base)];

	(void)state;
	for (int i = 0; i < 50000; i++) {
		struct hw_json_message message;
		struct hw_subscribe s;
		const char *error = NULL;
		size_t len = next_random(&random) % sizeof(base);

		memcpy(line, base, sizeof(base));
		for (uint64_t n = next_random(&random) % 4; n; n--)
			line[next_random(&random) % sizeof(base)] = (char)next_random(&random);
		if (hw_json_parse_subscribe(line, len, &s, &error) < 0)
			assert_non_null(error);
		(void)hw_json_parse_line(line, len, &message); /* must not crash; the result does
								* not matter */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_stand_in_the_documented_order),
		cmocka_unit_test(numbers_have_all_their_digits),
		cmocka_unit_test(each_byte_of_a_path_is_examined),
		cmocka_unit_test(a_move_tells_the_sides_it_has),
		cmocka_unit_test(bytes_that_are_not_utf8_come_with_base64),
		cmocka_unit_test(control_characters_never_reach_a_terminal),
		cmocka_unit_test(random_bytes_parse_elsewhere_and_come_back_exactly),
		cmocka_unit_test(the_longest_paths_fit_the_stated_size),
		cmocka_unit_test(a_full_buffer_keeps_what_it_had),
		cmocka_unit_test(hello_snapshot_end_and_error_have_their_form),
		cmocka_unit_test(the_line_of_an_event_does_not_depend_on_the_one_before),
		cmocka_unit_test(a_request_is_read_in_any_key_order),
		cmocka_unit_test(what_is_not_exactly_a_request_is_refused),
		cmocka_unit_test(a_request_at_the_limit_is_read_and_one_past_it_refused),
		cmocka_unit_test(a_written_request_is_read_back),
		cmocka_unit_test(damaged_requests_and_lines_are_survived),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
