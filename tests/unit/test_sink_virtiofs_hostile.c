/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The virtiofs sink with guests that are silent, stalled or hostile. */
#include "virtiofs_guest.h"

/* The guest connects, so that it controls the time; test_sink_virtiofs_channel.c tests the other
 * roles. */
static void start_listening(struct rig *rig)
{
	if (RIG_START(rig, "channel=unix-listen:%s/s") < 0)
		fail_msg("%s%s", rig->reason, rig->log);
}

static struct guest *connect_live(struct rig *rig, uint64_t epoch, uint64_t seq)
{
	struct guest *guest = guest_connect(rig, "s");

	guest_expect_hello(rig, guest, rig->epoch, rig->seq);
	guest_say_hello(guest, epoch, seq);
	return guest;
}

static void hello_in_two_halves_at_every_byte(void **state)
{
	struct rig *rig = *state;
	unsigned char hello[HW_FRAME_HELLO_MAX];
	size_t len = guest_hello_bytes(hello, EPOCH_A, 1);

	rig->seq = 2;
	start_listening(rig);
	for (size_t cut = 1; cut < len; cut++) {
		struct guest *guest = guest_connect(rig, "s");

		guest_expect_hello(rig, guest, EPOCH_A, 2);
		guest_send(guest, hello, cut);
		rig_turn(rig);
		rig_turn(rig);
		guest_send(guest, hello + cut, len - cut);
		guest_expect_events(rig, guest, 2, 2);
		guest_close(guest);
	}
}

static void guest_that_dies_inside_its_hello_leaves_nothing_behind(void **state)
{
	struct rig *rig = *state;
	unsigned char hello[HW_FRAME_HELLO_MAX];
	size_t len = guest_hello_bytes(hello, EPOCH_A, 1);

	rig->seq = 2;
	start_listening(rig);
	for (size_t cut = 0; cut < len; cut++) {
		struct guest *guest = guest_connect(rig, "s");

		guest_expect_hello(rig, guest, EPOCH_A, 2);
		guest_send(guest, hello, cut);
		guest_close(guest);
		guest = connect_live(rig, EPOCH_A, 1);
		guest_expect_events(rig, guest, 2, 2);
		guest_close(guest);
	}
}

static void many_hellos_at_once_end_with_the_last(void **state)
{
	struct rig *rig = *state;
	unsigned char hellos[20 * HW_FRAME_HELLO_MAX];
	struct guest *guest;
	size_t len = 0;

	rig->seq = 30;
	start_listening(rig);
	guest = guest_connect(rig, "s");
	guest_expect_hello(rig, guest, EPOCH_A, 30);
	for (uint64_t i = 0; i < 20; i++)
		len += guest_hello_bytes(hellos + len, EPOCH_A, i);
	guest_send(guest, hellos, len);
	for (;;) {
		struct hw_frame frame = guest_frame(rig, guest);

		/* whatever the guest received before, the position in the last hello counts */
		if (frame.what == HW_FRAME_EVENT && frame.event.seq == 30)
			break;
	}
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 31, 31);
	guest_close(guest);
}

static void expect_refusal(struct rig *rig, const void *bytes, size_t len, const char *why)
{
	struct guest *guest = NULL;
	struct hw_frame frame;

	rig->log[0] = '\0';
	start_listening(rig);
	guest = guest_connect(rig, "s");
	guest_expect_hello(rig, guest, EPOCH_A, 0);
	guest_send(guest, bytes, len);
	guest_expect_close(rig, guest);
	assert_false(guest_try_frame(guest, &frame));
	if (!strstr(rig->log, why))
		fail_msg("expected \"%s\" in the log:\n%s", why, rig->log);
	guest_close(guest);
	rig_stop(rig);
}

static void bad_frames_end_the_connection_with_the_reason(void **state)
{
	struct rig *rig = *state;
	unsigned char buf[HW_FRAME_HELLO_MAX + 100];
	struct hw_event event = {
		.kind = HW_CREATE, .type = HW_TYPE_FILE, .seq = 1, .path = "a", .path_len = 1
	};
	struct hw_frame_hello host = { .role = HW_FUSE_HOST, .epoch = 1 };
	struct hw_frame_hello other = { .role = HW_FUSE_GUEST, .share = "other", .share_len = 5 };
	size_t len;

	expect_refusal(rig, "GET / HTTP/1.1\r\n", 16,
		       "bad frame from the guest: length out of range");
	expect_refusal(rig, "\x48\0\0\0\x01\0\0\0", 8, "bad frame from the guest: unknown code");
	len = guest_hello_bytes(buf, 0, 0);
	buf[16] = 2;
	expect_refusal(rig, buf, len, "bad frame from the guest: unknown version");
	len = (size_t)hw_frame_encode_event(buf, sizeof(buf), CODE, &event);
	expect_refusal(rig, buf, len, "an event frame, which only a host may send");
	len = (size_t)hw_frame_encode_hello(buf, sizeof(buf), CODE, &host);
	expect_refusal(rig, buf, len, "two hosts use this channel");
	len = (size_t)hw_frame_encode_hello(buf, sizeof(buf), CODE, &other);
	expect_refusal(rig, buf, len, "asks for another share");
}

static void start_of_an_endless_event_is_refused(void **state)
{
	struct rig *rig = *state;
	struct hw_event event = { .kind = HW_CREATE, .type = HW_TYPE_FILE, .seq = 1 };
	static char path[2000];
	static unsigned char buf[3000];
	int len;

	memset(path, 'p', sizeof(path));
	for (size_t i = 200; i < sizeof(path); i += 200)
		path[i] = '/';
	event.path = path;
	event.path_len = sizeof(path);
	len = hw_frame_encode_event(buf, sizeof(buf), CODE, &event);
	assert_true(len > 2000);
	expect_refusal(rig, buf, 400, "an event frame, which only a host may send");
}

static void guest_that_asks_for_the_share_by_name_is_served(void **state)
{
	struct rig *rig = *state;
	struct hw_frame_hello hello = { .role = HW_FUSE_GUEST,
					.share = "projects",
					.share_len = 8 };
	unsigned char buf[HW_FRAME_HELLO_MAX];
	struct guest *guest;

	start_listening(rig);
	guest = guest_connect(rig, "s");
	guest_send(guest, buf, (size_t)hw_frame_encode_hello(buf, sizeof(buf), CODE, &hello));
	guest_expect_hello(rig, guest, EPOCH_A, 0);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 1, 1);
	guest_close(guest);
}

static void garbage_after_events_ends_the_connection_and_the_next_resumes(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	start_listening(rig);
	guest = connect_live(rig, 0, 0);
	rig_append(rig, 3);
	guest_expect_events(rig, guest, 1, 3);
	guest_send(guest, "\xff\xff\xff\xff", 4);
	guest_expect_close(rig, guest);
	guest_close(guest);
	rig_append(rig, 3);
	guest = connect_live(rig, EPOCH_A, 3);
	guest_expect_events(rig, guest, 4, 6);
	guest_close(guest);
}

static void same_complaint_is_logged_loudly_once(void **state)
{
	struct rig *rig = *state;

	start_listening(rig);
	for (int i = 0; i < 3; i++) {
		struct guest *guest = guest_connect(rig, "s");

		guest_send(guest, "\xff\xff\xff\xff", 4);
		guest_expect_close(rig, guest);
		guest_close(guest);
	}
	/* the rig logs all levels, each message prefixed with its letter */
	assert_non_null(strstr(rig->log, "W unix"));
	assert_null(strstr(strstr(rig->log, "W unix") + 1, "W unix"));
}

static void guest_without_hello_is_dropped_at_the_deadline(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s", "hello_timeout=50ms"), 0);
	guest = guest_connect(rig, "s");
	guest_expect_hello(rig, guest, EPOCH_A, 0);
	guest_expect_close(rig, guest);
	assert_non_null(strstr(rig->log, "no hello from the guest"));
	guest_close(guest);
}

static void guest_with_hello_outlives_the_deadline(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;
	uint64_t until;

	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s", "hello_timeout=50ms"), 0);
	guest = connect_live(rig, 0, 0);
	for (until = rig_ms() + 120; rig_ms() < until;)
		rig_turn(rig);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 1, 1);
	guest_close(guest);
}

static void other_notify_code_is_used(void **state)
{
	struct rig *rig = *state;
	struct hw_frame_hello hello = { .role = HW_FUSE_GUEST };
	unsigned char buf[HW_FRAME_HELLO_MAX];
	struct guest *guest;
	struct hw_frame frame;

	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s", "notify_code=10"), 0);
	guest = guest_connect(rig, "s");
	guest_send(guest, buf, (size_t)hw_frame_encode_hello(buf, sizeof(buf), 10, &hello));
	RIG_UNTIL(rig, (guest_receive(guest), guest->len >= HW_FRAME_HELLO_BYTES + 8));
	assert_int_equal(hw_frame_decode(guest->bytes, guest->len, 10, &frame, NULL),
			 HW_FRAME_HELLO_BYTES + 8);
	guest_close(guest);
}

/* One call of a service of the host fails: either the start fails with a reason, or the guest is
 * served. */
static void failure_of_any_service_is_survived(void **state)
{
	struct rig *rig = *state;
	unsigned starts_failed = 0;

	for (unsigned n = 1; n <= 12; n++) {
		uint64_t until = rig_ms() + DEADLINE_MS;
		bool served = false;

		rig->calls = 0;
		rig->fail_at = n;
		rig->seq = 0;
		rig->drawn = true;
		rig->reason[0] = '\0';
		if (RIG_START(rig, "channel=unix-listen:%s/s") < 0) {
			assert_string_not_equal(rig->reason, "");
			starts_failed++;
			continue;
		}
		while (!served) {
			struct guest *guest = guest_connect(rig, "s");
			struct hw_frame frame;

			guest_say_hello(guest, 0, 0);
			while (!guest->closed && !served && rig_ms() < until) {
				rig_turn(rig);
				if (!guest_try_frame(guest, &frame))
					continue;
				served = frame.what == HW_FRAME_EVENT;
				if (frame.what == HW_FRAME_HELLO)
					rig_append(rig, 1);
			}
			guest_close(guest);
			assert_true(rig_ms() < until);
		}
		rig_stop(rig);
	}
	assert_in_range(starts_failed, 2, 5);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hello_in_two_halves_at_every_byte, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(
			guest_that_dies_inside_its_hello_leaves_nothing_behind, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(many_hellos_at_once_end_with_the_last, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(bad_frames_end_the_connection_with_the_reason,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(start_of_an_endless_event_is_refused, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_that_asks_for_the_share_by_name_is_served,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			garbage_after_events_ends_the_connection_and_the_next_resumes, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(same_complaint_is_logged_loudly_once, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_without_hello_is_dropped_at_the_deadline,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(guest_with_hello_outlives_the_deadline, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(other_notify_code_is_used, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(failure_of_any_service_is_survived, rig_setup,
						rig_teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
