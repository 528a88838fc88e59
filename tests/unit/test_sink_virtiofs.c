/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frames that the virtiofs sink sends to a guest: hello, resume, rescan, events, and its
 * reaction to a guest that misbehaves. */
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

/* ---- hello and resume ---- */

static void host_says_hello_first_and_nothing_else(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 7;
	start_listening(rig);
	guest = guest_connect(rig, "s");
	guest_expect_hello(rig, guest, EPOCH_A, 7);
	rig_append(rig, 3);
	guest_expect_silence(rig, guest);
	guest_close(guest);
}

static void nothing_is_lost_between_the_two_hellos(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 7;
	start_listening(rig);
	guest = guest_connect(rig, "s");
	guest_expect_hello(rig, guest, EPOCH_A, 7);
	rig_append(rig, 3);
	guest_say_hello(guest, 0, 0);
	guest_expect_events(rig, guest, 8, 10);
	rig_append(rig, 2);
	guest_expect_events(rig, guest, 11, 12);
	guest_close(guest);
}

static void guest_may_speak_first(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 2;
	start_listening(rig);
	guest = guest_connect(rig, "s");
	guest_say_hello(guest, EPOCH_A, 1);
	guest_expect_hello(rig, guest, EPOCH_A, 2);
	guest_expect_events(rig, guest, 2, 2);
	guest_close(guest);
}

static void known_guest_resumes_where_it_stopped(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 100;
	start_listening(rig);
	guest = connect_live(rig, EPOCH_A, 40);
	guest_expect_events(rig, guest, 41, 100);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 101, 101);
	guest_close(guest);
}

static void cut_at_any_event_loses_nothing(void **state)
{
	struct rig *rig = *state;
	uint64_t seen = 0;

	start_listening(rig);
	for (int i = 0; i < 50; i++) {
		struct guest *guest = connect_live(rig, seen ? EPOCH_A : 0, seen);

		rig_append(rig, 5);
		/* two of five events are read; the others were in transit when the connection
		 * broke */
		guest_expect_events(rig, guest, seen + 1, seen + 2);
		seen += 2;
		guest_close(guest);
	}
	assert_int_equal(rig->seq, 250);
	{
		struct guest *guest = connect_live(rig, EPOCH_A, seen);

		guest_expect_events(rig, guest, seen + 1, 250);
		guest_close(guest);
	}
}

static void guest_of_another_history_gets_one_rescan(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 20;
	start_listening(rig);
	guest = connect_live(rig, EPOCH_B, 20);
	guest_expect_rescan(rig, guest, 20);
	guest_expect_silence(rig, guest);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 21, 21);
	guest_close(guest);
}

static void guest_from_the_future_gets_one_rescan(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 20;
	start_listening(rig);
	guest = connect_live(rig, EPOCH_A, 21);
	guest_expect_rescan(rig, guest, 20);
	guest_close(guest);
}

static void guest_beyond_the_journal_gets_one_rescan(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 1000;
	rig->first = 500;
	start_listening(rig);
	guest = connect_live(rig, EPOCH_A, 498);
	guest_expect_rescan(rig, guest, 1000);
	rig_append(rig, 2);
	guest_expect_events(rig, guest, 1001, 1002);
	guest_close(guest);
	guest = connect_live(rig, EPOCH_A, 499);
	guest_expect_events(rig, guest, 500, 1002);
	guest_close(guest);
}

static void journal_that_moved_on_before_the_guests_hello_is_a_rescan(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 5;
	start_listening(rig);
	guest = guest_connect(rig, "s");
	guest_expect_hello(rig, guest, EPOCH_A, 5);
	rig_append(rig, 100);
	rig->first = 50;
	guest_say_hello(guest, 0, 0);
	guest_expect_rescan(rig, guest, 105);
	guest_close(guest);
}

/* A virtio-serial port remains connected while the agent that uses it is restarted. */
static void second_hello_is_answered_and_resumes(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	start_listening(rig);
	guest = connect_live(rig, 0, 0);
	rig_append(rig, 10);
	guest_expect_events(rig, guest, 1, 10);
	guest_say_hello(guest, EPOCH_A, 4);
	guest_expect_hello(rig, guest, EPOCH_A, 10);
	guest_expect_events(rig, guest, 5, 10);
	guest_say_hello(guest, 0, 0);
	guest_expect_hello(rig, guest, EPOCH_A, 10);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 11, 11);
	guest_close(guest);
}

static void new_agent_finds_its_hello_behind_the_old_ones_bytes(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;
	size_t skip;

	start_listening(rig);
	guest = connect_live(rig, 0, 0);
	rig_append(rig, 10);
	/* the old agent read three and a half events */
	guest_expect_events(rig, guest, 1, 3);
	RIG_UNTIL(rig, (guest_receive(guest), guest->len > 120));
	guest->at += 50;
	guest_say_hello(guest, EPOCH_A, 3);
	RIG_UNTIL(rig,
		  (guest_receive(guest), skip = hw_frame_find_hello(guest->bytes, guest->len, CODE),
		   guest->len - skip >= HW_FRAME_HELLO_BYTES));
	guest->at = skip;
	guest_expect_hello(rig, guest, EPOCH_A, 10);
	guest_expect_events(rig, guest, 4, 10);
	guest_close(guest);
}

static void new_epoch_is_a_new_hello_and_a_rescan(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 30;
	start_listening(rig);
	guest = connect_live(rig, 0, 0);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 31, 31);
	rig->epoch = EPOCH_B;
	rig->seq = 2;
	rig_append(rig, 1);
	guest_expect_hello(rig, guest, EPOCH_B, 3);
	guest_expect_rescan(rig, guest, 3);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 4, 4);
	guest_close(guest);
}

static void new_epoch_before_the_guests_hello_is_a_rescan(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->seq = 30;
	start_listening(rig);
	guest = guest_connect(rig, "s");
	guest_expect_hello(rig, guest, EPOCH_A, 30);
	rig->epoch = EPOCH_B;
	rig->seq = 0;
	guest_say_hello(guest, 0, 0);
	guest_expect_hello(rig, guest, EPOCH_B, 0);
	guest_expect_rescan(rig, guest, 0);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 1, 1);
	guest_close(guest);
}

/* ---- slow guests ---- */

static void slow_guest_holds_its_cursor_not_the_host(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->padding = 200;
	start_listening(rig);
	guest = connect_live(rig, 0, 0);
	rig_append(rig, 50000);
	for (int i = 0; i < 20; i++)
		rig_turn(rig);
	/* as much as socket and buffer hold, at 288 bytes per event, and no more */
	assert_in_range(rig->max_read, 100, 10000);
	assert_int_equal(rig->plugin->drain(rig->self), 1);
	guest_expect_events(rig, guest, 1, 50000);
	RIG_UNTIL(rig, rig->done == 50000);
	assert_int_equal(rig->plugin->drain(rig->self), 0);
	guest_close(guest);
}

static void guest_that_falls_off_the_journal_gets_one_rescan(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;
	struct hw_frame frame;
	uint64_t last = 0;

	rig->padding = 200;
	start_listening(rig);
	guest = connect_live(rig, 0, 0);
	rig_append(rig, 50000);
	for (int i = 0; i < 20; i++)
		rig_turn(rig);
	rig->first = 40000;
	rig->seq = 60000;
	while ((frame = guest_frame(rig, guest)).event.kind == HW_CREATE)
		assert_int_equal(frame.event.seq, ++last);
	assert_int_equal(frame.event.kind, HW_RESCAN);
	assert_int_equal(frame.event.seq, 60000);
	assert_true(last < 40000);
	guest_expect_silence(rig, guest);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 60001, 60001);
	rig->plugin->status(rig->self);
	assert_int_equal(rig->receiver_dropped, 1);
	assert_int_equal(rig->receiver_lost, 60000 - last);
	guest_close(guest);
}

static void event_that_no_frame_can_carry_is_a_rescan(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	start_listening(rig);
	guest = connect_live(rig, 0, 0);
	rig->padding = 256; /* a name of 256 bytes */
	rig_append(rig, 1);
	guest_expect_rescan(rig, guest, 1);
	rig->padding = 255;
	rig_append(rig, 1);
	guest_expect_events(rig, guest, 2, 2);
	assert_non_null(strstr(rig->log, "cannot encode event 1;"));
	guest_close(guest);
}

/* ---- status ---- */

static void status_is_one_row_that_says_who_and_where(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	start_listening(rig);
	rig->plugin->status(rig->self);
	assert_int_equal(rig->receivers, 1);
	assert_non_null(strstr(rig->receiver, "projects unix-listen:"));
	assert_non_null(strstr(rig->receiver, "(no guest)"));
	assert_memory_equal(rig->address, "channel unix-listen:", 20);
	assert_non_null(strstr(rig->address, "|no guest"));
	guest = connect_live(rig, 0, 0);
	rig_append(rig, 4);
	guest_expect_events(rig, guest, 1, 4);
	rig->plugin->status(rig->self);
	assert_int_equal(rig->receivers, 2);
	assert_null(strstr(rig->receiver, "(no guest)"));
	assert_non_null(strstr(rig->address, "|guest connected"));
	assert_int_equal(rig->receiver_seq, 4);
	assert_int_equal(rig->done, 4);
	guest_close(guest);
}

static void drain_without_a_guest_is_done(void **state)
{
	struct rig *rig = *state;

	start_listening(rig);
	rig_append(rig, 4);
	assert_int_equal(rig->plugin->drain(rig->self), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(host_says_hello_first_and_nothing_else, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(nothing_is_lost_between_the_two_hellos, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_may_speak_first, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(known_guest_resumes_where_it_stopped, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(cut_at_any_event_loses_nothing, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_of_another_history_gets_one_rescan, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_from_the_future_gets_one_rescan, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_beyond_the_journal_gets_one_rescan, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(
			journal_that_moved_on_before_the_guests_hello_is_a_rescan, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(second_hello_is_answered_and_resumes, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(new_agent_finds_its_hello_behind_the_old_ones_bytes,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(new_epoch_is_a_new_hello_and_a_rescan, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(new_epoch_before_the_guests_hello_is_a_rescan,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(slow_guest_holds_its_cursor_not_the_host, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_that_falls_off_the_journal_gets_one_rescan,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(event_that_no_frame_can_carry_is_a_rescan,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(status_is_one_row_that_says_who_and_where,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(drain_without_a_guest_is_done, rig_setup,
						rig_teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
