/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of the virtiofs sink: valid addresses, existing shares, and a consistent table. */
#include "virtiofs_rig.h"

/* ---- addresses ---- */

struct refusal {
	const char *channel, *listen, *why;
};

static const struct refusal refusals[] = {
	{ "channel=/tmp/s", "listen=no", "expected unix:PATH" },
	{ "channel=unix:", "listen=no", "1 to 107 bytes" },
	{ "channel=vsock:3", "listen=no", "expected vsock:CID:PORT" },
	{ "channel=vsock:x:1", "listen=no", "the CID must be a number" },
	{ "channel=vsock:-1:1", "listen=no", "the CID must be a number" },
	{ "channel=vsock:any:1", "listen=no", "needs listen = yes" },
	{ "channel=vsock:any:1", "listen=yes", "set the CID of the guest, or allow_remote = yes" },
	{ "channel=unix:/tmp/s", "secret=s", "must be an absolute path" },
	{ "channel=unix:/tmp/s", "secret=/no/such/file", "No such file" },
	{ "channel=vsock:3:", "listen=no", "the port must be a number" },
	{ "channel=vsock:3:4294967295", "listen=no", "the port must be a number" },
	{ "channel=vsock:3:99999999999999999999", "listen=no", "the port must be a number" },
	{ "channel=hybrid-vsock:/tmp/v", "listen=no", "expected hybrid-vsock:PATH:PORT" },
	{ "channel=hybrid-vsock::1", "listen=no", "1 to 107 bytes" },
	{ "channel=hybrid-vsock::1", "listen=yes", "1 to 107 bytes" },
	{ "channel=fd:", "listen=no", "1 to 107 bytes" },
	{ "channel=fuse:server", "listen=no", "node IDs, which only the FUSE server knows" },
	{ "channel=unix:\x1b[2J\xff", "mode=8", "mode: not an octal number" },
	{ "channel=unix:/tmp/s", "mode=1777", "mode: not an octal number" },
	{ "channel=\x1b[2J", "listen=no", "expected unix:PATH" },
};

static void addresses_that_mean_nothing_are_refused(void **state)
{
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		rig->reason[0] = '\0';
		assert_true(RIG_START(rig, refusals[i].channel, refusals[i].listen) < 0);
		if (!strstr(rig->reason, refusals[i].why))
			fail_msg("%s: %s", refusals[i].channel, rig->reason);
	}
}

static void socket_path_has_at_most_107_bytes(void **state)
{
	struct rig *rig = *state;
	char text[200] = "channel=unix:/";

	memset(text + 14, 'x', 107);
	assert_true(RIG_START(rig, text) < 0);
	assert_non_null(strstr(rig->reason, "1 to 107 bytes"));
	text[13 + 107] = '\0';
	assert_int_equal(RIG_START(rig, text), 0);
	rig_stop(rig);
	/* with "_1" appended, the path is too long */
	memcpy(text, "channel=hybrid-vsock:/", 22);
	memset(text + 22, 'x', 105);
	strcpy(text + 21 + 106, ":1");
	assert_true(RIG_START(rig, text, "listen=yes") < 0);
	assert_non_null(strstr(rig->reason, "with _PORT appended"));
	assert_int_equal(RIG_START(rig, text), 0);
}

/* ---- selection of the share ---- */

static void share_is_found_by_name_or_when_it_is_the_only_one(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(RIG_START(rig, "channel=unix:%s/s", "share=projects"), 0);
	rig_stop(rig);
	assert_int_equal(RIG_START(rig, "channel=unix:%s/s", "share=other"), -ENOENT);
	rig->share_count = 2;
	assert_int_equal(RIG_START(rig, "channel=unix:%s/s", "share=other"), 0);
	rig_stop(rig);
	assert_int_equal(RIG_START(rig, "channel=unix:%s/s"), -EINVAL);
	assert_non_null(strstr(rig->reason, "serves 2 shares"));
	rig->share_count = 0;
	assert_int_equal(RIG_START(rig, "channel=unix:%s/s"), -EINVAL);
}

/* ---- the table ---- */

static void option_table_is_sound(void **state)
{
	struct rig *rig = *state;
	const struct hw_option_table table = { rig->plugin->options, rig->plugin->option_count };
	char why[HW_OPTION_TEXT_MAX] = "";

	if (hw_option_check_table(&table, rig->plugin->instance_size, why) < 0)
		fail_msg("%s", why);
	assert_int_equal(rig->plugin->magic, HW_PLUGIN_MAGIC);
	assert_int_equal(rig->plugin->kind, HW_PLUGIN_SINK);
}

static void option_values_out_of_range_are_refused(void **state)
{
	static const char *const bad[] = { "notify_code=9",    "notify_code=65535",
					   "send_buffer=100K", "send_buffer=65M",
					   "hello_timeout=2h", "listen=perhaps" };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(RIG_START(rig, "channel=unix:%s/s", bad[i]), -EINVAL);
	assert_int_equal(RIG_START(rig, "share=projects"), -EINVAL);
}

static void rounds_of_start_and_stop_leave_nothing(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 200; i++) {
		assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s"), 0);
		if (i % 2)
			rig_turn(rig);
		rig_stop(rig);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(addresses_that_mean_nothing_are_refused, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(socket_path_has_at_most_107_bytes, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(share_is_found_by_name_or_when_it_is_the_only_one,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(option_table_is_sound, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(option_values_out_of_range_are_refused, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(rounds_of_start_and_stop_leave_nothing, rig_setup,
						rig_teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
