/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch guest-sim as the receiver of the sink: its output, and that it resumes by itself. */
#include "virtiofs_guest.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define PROGRAM HW_BUILD_DIR "/hostwatch"

struct sim {
	pid_t pid;
	int out; /* its stdout and stderr */
	size_t len;
	char text[8192];
};

static void sim_start(struct rig *rig, struct sim *sim, const char *const *options)
{
	const char *argv[12] = { PROGRAM, "guest-sim" };
	char channel[128];
	int pipe_fds[2];
	size_t n = 2;

	for (; *options; options++) {
		if (strstr(*options, "%s")) {
			(void)snprintf(channel, sizeof(channel), "%.*s%s%s",
				       (int)(strstr(*options, "%s") - *options), *options, rig->dir,
				       strstr(*options, "%s") + 2);
			argv[n++] = channel;
		} else {
			argv[n++] = *options;
		}
	}
	memset(sim, 0, sizeof(*sim));
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	sim->out = pipe_fds[0];
	assert_int_equal(fcntl(sim->out, F_SETFL, O_NONBLOCK), 0);
	sim->pid = fork();
	assert_true(sim->pid >= 0);
	if (sim->pid == 0) {
		(void)dup2(pipe_fds[1], 1);
		(void)dup2(pipe_fds[1], 2);
		(void)execv(PROGRAM, (char *const *)argv);
		_exit(127);
	}
	(void)close(pipe_fds[1]);
}
#define SIM_START(rig, sim, ...) sim_start(rig, sim, (const char *const[]){ __VA_ARGS__, NULL })

static bool sim_printed(struct sim *sim, const char *what)
{
	ssize_t n = read(sim->out, sim->text + sim->len, sizeof(sim->text) - 1 - sim->len);

	if (n > 0)
		sim->len += (size_t)n;
	return strstr(sim->text, what) != NULL;
}

static void sim_expect(struct rig *rig, struct sim *sim, const char *what)
{
	uint64_t until = rig_ms() + DEADLINE_MS;

	while (!sim_printed(sim, what)) {
		if (rig_ms() > until)
			fail_msg("never printed \"%s\" but:\n%s\nlog:\n%s", what, sim->text,
				 rig->log);
		rig_turn(rig);
	}
}

static int sim_status(struct rig *rig, struct sim *sim)
{
	int status = 0;

	RIG_UNTIL(rig, waitpid(sim->pid, &status, WNOHANG) == sim->pid);
	(void)sim_printed(sim, "");
	(void)close(sim->out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void sim_end(struct rig *rig, struct sim *sim)
{
	(void)kill(sim->pid, SIGTERM);
	assert_int_equal(sim_status(rig, sim), 0);
}

static void require_program(void)
{
	if (access(PROGRAM, X_OK) == 0)
		return;
	print_message("skipped: %s is not built\n", PROGRAM);
	skip();
}

static void guest_prints_hello_and_events(void **state)
{
	struct rig *rig = *state;
	struct sim sim;

	require_program();
	rig->seq = 5;
	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s"), 0);
	SIM_START(rig, &sim, "--exit-after", "2", "unix:%s/s");
	sim_expect(rig, &sim, "hello share \"projects\" epoch a1a2a3a4a5a6a7a8 seq 5\n");
	rig_append(rig, 2);
	assert_int_equal(sim_status(rig, &sim), 0);
	assert_non_null(strstr(sim.text, "\n6 create file \"f/6\"\n7 create file \"f/7\"\n"));
}

static void guest_prints_json(void **state)
{
	struct rig *rig = *state;
	struct sim sim;

	require_program();
	rig->seq = 1;
	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s"), 0);
	SIM_START(rig, &sim, "--json", "--exit-after", "1", "--epoch", "a1a2a3a4a5a6a7a8", "--seq",
		  "0", "unix:%s/s");
	assert_int_equal(sim_status(rig, &sim), 0);
	assert_non_null(strstr(sim.text, "{\"hello\":{"));
	assert_non_null(strstr(sim.text,
			       "\"share\":\"projects\",\"event\":\"create\",\"type\":\"file\","
			       "\"path\":\"f/1\"}\n"));
}

static void guest_resumes_after_the_host_went_and_came(void **state)
{
	struct rig *rig = *state;
	struct sim sim;

	require_program();
	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s"), 0);
	SIM_START(rig, &sim, "--exit-after", "6", "unix:%s/s");
	sim_expect(rig, &sim, "seq 0\n");
	rig_append(rig, 3);
	sim_expect(rig, &sim, "3 create");
	rig_stop(rig);
	rig->seq += 3;
	rig->drawn = true;
	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s"), 0);
	assert_int_equal(sim_status(rig, &sim), 0);
	assert_non_null(strstr(sim.text, "6 create"));
	assert_null(strstr(strstr(sim.text, "1 create") + 1, "1 create"));
}

static void guest_listens_for_the_host(void **state)
{
	struct rig *rig = *state;
	struct sim sim;

	require_program();
	SIM_START(rig, &sim, "--listen", "--exit-after", "1", "unix:%s/s");
	assert_int_equal(RIG_START(rig, "channel=unix:%s/s"), 0);
	sim_expect(rig, &sim, "hello");
	RIG_UNTIL(rig, strstr(rig->log, "guest connected"));
	rig_append(rig, 1);
	assert_int_equal(sim_status(rig, &sim), 0);
}

static void guest_plays_the_vmm_of_a_hybrid_channel(void **state)
{
	struct rig *rig = *state;
	struct sim sim;

	require_program();
	SIM_START(rig, &sim, "--listen", "--exit-after", "1", "hybrid-vsock:%s/v:77");
	assert_int_equal(RIG_START(rig, "channel=hybrid-vsock:%s/v:77"), 0);
	RIG_UNTIL(rig, strstr(rig->log, "guest connected"));
	rig_append(rig, 1);
	assert_int_equal(sim_status(rig, &sim), 0);
	assert_non_null(strstr(sim.text, "1 create file"));
}

static void guest_connects_through_a_hybrid_channel(void **state)
{
	struct rig *rig = *state;
	struct sim sim;

	require_program();
	assert_int_equal(RIG_START(rig, "channel=hybrid-vsock:%s/v:77", "listen=yes"), 0);
	SIM_START(rig, &sim, "hybrid-vsock:%s/v:77");
	RIG_UNTIL(rig, strstr(rig->log, "guest connected"));
	rig_append(rig, 1);
	sim_expect(rig, &sim, "1 create file");
	sim_end(rig, &sim);
}

static void wrong_command_lines_are_refused(void **state)
{
	static const struct {
		const char *options[4];
		const char *why;
	} bad[] = {
		{ { "tcp:1", NULL }, "\"tcp:1\"" },
		{ { "--seq", "1", "unix:/x", NULL }, "--seq needs --epoch" },
		{ { "--code=9", "unix:/x", NULL }, "--code: \"9\" is out of range" },
		{ { "--epoch=-1", "unix:/x", NULL },
		  "--epoch: \"-1\" is not a hexadecimal number" },
		{ { "hybrid-vsock:/x", NULL }, "\"hybrid-vsock:/x\"" },
		{ { "unix:", NULL }, "\"unix:\"" },
		{ { "--listen", NULL }, "CHANNEL is missing" },
		{ { "unix:/x", "unix:/y", NULL }, "\"unix:/y\": unexpected argument" },
	};
	struct rig *rig = *state;

	require_program();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sim sim;

		sim_start(rig, &sim, bad[i].options);
		assert_int_equal(sim_status(rig, &sim), 2);
		if (!strstr(sim.text, bad[i].why))
			fail_msg("not '%s': %s", bad[i].why, sim.text);
	}
}

static void a_host_that_is_not_there_is_told(void **state)
{
	struct rig *rig = *state;
	struct sim sim;

	require_program();
	SIM_START(rig, &sim, "unix:%s/nobody");
	sim_expect(rig, &sim, "cannot connect: No such file or directory; trying again");
	sim_end(rig, &sim);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(guest_prints_hello_and_events, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_prints_json, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(guest_resumes_after_the_host_went_and_came,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(guest_listens_for_the_host, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_plays_the_vmm_of_a_hybrid_channel, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_connects_through_a_hybrid_channel, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(wrong_command_lines_are_refused, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_host_that_is_not_there_is_told, rig_setup,
						rig_teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
