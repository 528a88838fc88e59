/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The netlink format: round trips, and frames with wrong lengths. */
#include <byteswap.h>
#include <errno.h>
#include <hostwatch/wire.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct hw_nl_writer *writer;
	struct hw_buf buf;
};

static int make_fixture(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || hw_nl_writer_create(&f->writer) < 0)
		return -1;
	f->buf.limit = HW_NL_MESSAGE_MAX;
	*state = f;
	return 0;
}

static int drop_fixture(void **state)
{
	struct fixture *f = *state;

	hw_nl_writer_destroy(f->writer);
	hw_buf_free(&f->buf);
	free(f);
	return 0;
}

static struct hw_event make_event(enum hw_kind kind, const char *path, const char *from)
{
	return (struct hw_event){
		.struct_size = sizeof(struct hw_event),
		.kind = (uint8_t)kind,
		.type = kind == HW_RESCAN ? HW_TYPE_NONE : HW_TYPE_DIR,
		.seq = 1ull << 40,
		.time_ns = 1795363200123456789,
		.path = path,
		.path_len = path ? (uint32_t)strlen(path) : 0,
		.from = from,
		.from_len = from ? (uint32_t)strlen(from) : 0,
	};
}

static void assert_round_trip(struct fixture *f, const struct hw_event *event)
{
	struct hw_nl_message m;

	f->buf.len = 0;
	assert_int_equal(hw_nl_put_event(f->writer, &f->buf, "share", 0xfeed, event), 0);
	assert_int_equal(hw_nl_frame(f->buf.data, f->buf.len, HW_NL_MESSAGE_MAX), f->buf.len);
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), 0);
	assert_int_equal(m.type, HW_NL_EVENT);
	assert_string_equal(m.share, "share");
	assert_true(m.epoch == 0xfeed && m.seq == event->seq);
	assert_int_equal(m.event.kind, event->kind);
	assert_int_equal(m.event.type, event->type);
	assert_int_equal(m.event.flags, event->flags);
	assert_true(m.event.time_ns == event->time_ns);
	assert_int_equal(!m.event.path, !event->path);
	assert_int_equal(!m.event.from, !event->from);
	assert_int_equal(m.event.path_len, event->path_len);
	assert_int_equal(m.event.from_len, event->from_len);
	if (event->path_len)
		assert_memory_equal(m.event.path, event->path, event->path_len);
	if (event->from_len)
		assert_memory_equal(m.event.from, event->from, event->from_len);
}

static void events_come_back_as_they_were(void **state)
{
	struct hw_event event;

	for (int kind = HW_CREATE; kind < HW_KIND_END; kind++) {
		event = make_event((enum hw_kind)kind, "a/\xff\n", kind == HW_MOVE ? "b" : NULL);
		assert_round_trip(*state, &event);
	}
	event = make_event(HW_MOVE, NULL, "left");
	assert_round_trip(*state, &event);
	event = make_event(HW_MOVE, "came", NULL);
	event.flags = HW_FLAG_REPLACED;
	assert_round_trip(*state, &event);
	event = make_event(HW_RESCAN, "", NULL);
	assert_round_trip(*state, &event);
}

static void the_longest_path_fits_and_one_more_byte_is_refused(void **state)
{
	struct fixture *f = *state;
	struct hw_event event = make_event(HW_MOVE, "", "");
	char *path = malloc(HW_PATH_MAX + 1);

	assert_non_null(path);
	memset(path, 'x', HW_PATH_MAX + 1);
	event.path = event.from = path;
	event.path_len = event.from_len = HW_PATH_MAX;
	assert_round_trip(f, &event);
	assert_true(f->buf.len <= HW_NL_EVENT_MAX);
	event.from_len = HW_PATH_MAX + 1;
	f->buf.len = 0;
	assert_int_equal(hw_nl_put_event(f->writer, &f->buf, "s", 1, &event), -EMSGSIZE);
	assert_int_equal(f->buf.len, 0);
	free(path);
}

static void hello_lists_its_shares(void **state)
{
	struct fixture *f = *state;
	struct hw_share_info in[] = {
		{ .name = "a", .epoch = 3, .seq = 4, .state = HW_SHARE_ONLINE },
		{ .name = "bb", .epoch = UINT64_MAX, .seq = 0, .state = HW_SHARE_OFFLINE },
	};
	struct hw_share_info out;
	struct hw_nl_message m;
	uint32_t pos = 0;

	assert_int_equal(hw_nl_put_hello(f->writer, &f->buf, "0.1", in, 2), 0);
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), 0);
	assert_int_equal(m.type, HW_NL_HELLO);
	assert_int_equal(m.protocol, HW_PROTOCOL_VERSION);
	assert_string_equal(m.version, "0.1");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hw_nl_next_share(&m, &pos, &out), 1);
		assert_string_equal(out.name, in[i].name);
		assert_true(out.epoch == in[i].epoch && out.seq == in[i].seq);
		assert_int_equal(out.state, in[i].state);
	}
	assert_int_equal(hw_nl_next_share(&m, &pos, &out), 0);
}

static void a_hello_of_too_many_shares_is_refused_whole(void **state)
{
	struct fixture *f = *state;
	struct hw_share_info *infos = calloc(40000, sizeof(*infos));

	assert_non_null(infos);
	for (int i = 0; i < 40000; i++)
		infos[i] = (struct hw_share_info){ .name = "share", .epoch = 1 };
	assert_int_equal(hw_nl_put_hello(f->writer, &f->buf, "0.1", infos, 40000), -EMSGSIZE);
	assert_int_equal(f->buf.len, 0);
	free(infos);
}

static void the_small_messages_come_back(void **state)
{
	struct fixture *f = *state;
	struct hw_subscribe s = { .share = "x", .below = "d", .below_len = 1, .snapshot = true };
	struct hw_nl_message m;
	char text[100];

	assert_int_equal(hw_nl_put_subscribe(f->writer, &f->buf, &s), 0);
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), 0);
	assert_string_equal(m.subscribe.share, "x");
	assert_true(m.subscribe.snapshot && !m.subscribe.resume && m.subscribe.below_len == 1);
	f->buf.len = 0;
	assert_int_equal(hw_nl_put_error(f->writer, &f->buf, -ENOENT, "no such share"), 0);
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), 0);
	assert_int_equal(m.error, ENOENT);
	assert_string_equal(m.text, "no such share");
	f->buf.len = 0;
	assert_int_equal(hw_nl_put_snapshot_end(f->writer, &f->buf, "x", 5, 6), 0);
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), 0);
	assert_true(m.type == HW_NL_SNAPSHOT_END && m.epoch == 5 && m.seq == 6);
	f->buf.len = 0;
	memset(text, 't', sizeof(text));
	text[99] = '\0';
	assert_int_equal(hw_nl_put_ping(f->writer, &f->buf, HW_NL_PING, text), 0);
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), 0);
	assert_int_equal(strlen(m.text), HW_NL_PING_MAX);
}

static void a_stream_is_cut_into_frames(void **state)
{
	struct fixture *f = *state;
	size_t first;

	assert_int_equal(hw_nl_put_ping(f->writer, &f->buf, HW_NL_PING, "a"), 0);
	first = f->buf.len;
	assert_int_equal(hw_nl_put_ping(f->writer, &f->buf, HW_NL_PONG, "bcdef"), 0);
	for (size_t len = 0; len < first; len++)
		assert_int_equal(hw_nl_frame(f->buf.data, len, HW_NL_MESSAGE_MAX), 0);
	for (size_t len = first; len <= f->buf.len; len++)
		assert_int_equal(hw_nl_frame(f->buf.data, len, HW_NL_MESSAGE_MAX), first);
}

static void lengths_of_frames_are_checked_before_any_byte_is_awaited(void **state)
{
	struct nlmsghdr h = { .nlmsg_type = HW_NL_PING };

	(void)state;
	h.nlmsg_len = 15;
	assert_int_equal(hw_nl_frame(&h, sizeof(h), HW_NL_MESSAGE_MAX), -EBADMSG);
	h.nlmsg_len = 18;
	assert_int_equal(hw_nl_frame(&h, sizeof(h), HW_NL_MESSAGE_MAX), -EBADMSG);
	h.nlmsg_len = HW_NL_MESSAGE_MAX;
	assert_int_equal(hw_nl_frame(&h, sizeof(h), HW_NL_MESSAGE_MAX), 0);
	h.nlmsg_len = HW_NL_MESSAGE_MAX + 4;
	assert_int_equal(hw_nl_frame(&h, sizeof(h), HW_NL_MESSAGE_MAX), -EMSGSIZE);
	h.nlmsg_len = 1004;
	assert_int_equal(hw_nl_frame(&h, sizeof(h), 1000), -EMSGSIZE);
	assert_int_equal(hw_nl_frame("SSH-2.", 6, HW_NL_MESSAGE_MAX), -EBADMSG);
	h.nlmsg_len = UINT32_MAX - 3;
	assert_int_equal(hw_nl_frame(&h, sizeof(h), SIZE_MAX), -EMSGSIZE);
}

static void a_peer_of_the_other_byte_order_is_recognised(void **state)
{
	struct nlmsghdr h = { .nlmsg_len = bswap_32(64), .nlmsg_type = bswap_16(HW_NL_HELLO) };

	(void)state;
	assert_int_equal(hw_nl_frame(&h, sizeof(h), HW_NL_MESSAGE_MAX), -EPROTO);
}

static struct nlattr *attr_at(char *frame, unsigned index)
{
	char *at = frame + NLMSG_HDRLEN;

	while (index--)
		at += NLA_ALIGN(((struct nlattr *)(void *)at)->nla_len);
	return (struct nlattr *)(void *)at;
}

static void attributes_that_lie_about_their_length_are_refused(void **state)
{
	static const uint16_t lengths[] = { 0, 1, 3, 4, 5, 8, 11, 13, 200, 65535 };
	struct fixture *f = *state;
	struct hw_event event = make_event(HW_CREATE, "path", NULL);
	struct hw_nl_message m;

	for (unsigned index = 0; index < 5; index++)
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			f->buf.len = 0;
			assert_int_equal(hw_nl_put_event(f->writer, &f->buf, "share", 1, &event),
					 0);
			if (lengths[i] == attr_at(f->buf.data, index)->nla_len)
				continue;
			attr_at(f->buf.data, index)->nla_len = lengths[i];
			assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), -EBADMSG);
		}
}

static void unknown_attributes_are_skipped_and_repeated_ones_refused(void **state)
{
	struct fixture *f = *state;
	struct nlattr *extra;
	struct nlmsghdr *h;
	struct hw_nl_message m;

	assert_int_equal(hw_nl_put_ping(f->writer, &f->buf, HW_NL_PING, "abc"), 0);
	assert_int_equal(hw_buf_reserve(&f->buf, 16), 0);
	extra = (struct nlattr *)(void *)(f->buf.data + f->buf.len);
	memcpy(extra, attr_at(f->buf.data, 0), 8);
	f->buf.len += 8;
	h = (struct nlmsghdr *)(void *)f->buf.data;
	h->nlmsg_len = (uint32_t)f->buf.len;
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), -EBADMSG);
	extra->nla_type = 999;
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), 0);
	assert_string_equal(m.text, "abc");
	h->nlmsg_type = 0x50;
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), -EOPNOTSUPP);
}

static void a_string_with_a_nul_inside_is_refused(void **state)
{
	struct fixture *f = *state;
	struct hw_nl_message m;

	assert_int_equal(hw_nl_put_ping(f->writer, &f->buf, HW_NL_PING, "abc"), 0);
	((char *)attr_at(f->buf.data, 0))[5] = '\0';
	assert_int_equal(hw_nl_parse(f->buf.data, f->buf.len, &m), -EBADMSG);
}

static void damaged_frames_are_survived(void **state)
{
	struct fixture *f = *state;
	struct hw_event event = make_event(HW_MOVE, "path/to", "path/from");
	uint64_t random = 3;
	size_t len;
	uint32_t frame[64];

	assert_int_equal(hw_nl_put_event(f->writer, &f->buf, "share", 1, &event), 0);
	len = f->buf.len;
	for (int i = 0; i < 100000; i++) {
		struct hw_nl_message m;

		memcpy(frame, f->buf.data, len);
		for (int n = 0; n < 3; n++) {
			random = random * UINT64_C(6364136223846793005) + 1;
			((char *)frame)[(random >> 40) % len] = (char)(random >> 33);
		}
		if (hw_nl_frame(frame, len, HW_NL_MESSAGE_MAX) == (int)len)
			(void)hw_nl_parse(frame, len, &m); /* must not crash; the result does not
							    * matter */
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_come_back_as_they_were),
		TEST(the_longest_path_fits_and_one_more_byte_is_refused),
		TEST(hello_lists_its_shares),
		TEST(a_hello_of_too_many_shares_is_refused_whole),
		TEST(the_small_messages_come_back),
		TEST(a_stream_is_cut_into_frames),
		TEST(lengths_of_frames_are_checked_before_any_byte_is_awaited),
		TEST(a_peer_of_the_other_byte_order_is_recognised),
		TEST(attributes_that_lie_about_their_length_are_refused),
		TEST(unknown_attributes_are_skipped_and_repeated_ones_refused),
		TEST(a_string_with_a_nul_inside_is_refused),
		TEST(damaged_frames_are_survived),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
