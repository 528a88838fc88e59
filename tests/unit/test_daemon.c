/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The programs as seen by a service manager and a user: arguments, signals, exit statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tempdir.h"
#include "tests/common/needs.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define DAEMON HW_BUILD_DIR "/hostwatchd"
#define TOOL HW_BUILD_DIR "/hostwatch"
#define PLUGINS HW_BUILD_DIR "/tests/plugins"
#define DEADLINE_MS 60000

struct fixture {
	char *dir;
	char file[256], ctl[256];
	int notify;
	char output[8192]; /* of the last program that ended */
};

static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->dir = tempdir_create();
	(void)snprintf(fixture->file, sizeof(fixture->file), "%s/conf", fixture->dir);
	(void)snprintf(fixture->ctl, sizeof(fixture->ctl), "%s/ctl", fixture->dir);
	assert_int_equal(mkdir(tempdir_path(fixture->dir, "share"), 0755), 0);
	fixture->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", fixture->dir);
	assert_int_equal(bind(fixture->notify, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
	assert_int_equal(setenv("HOSTWATCH_PLUGIN_PATH", PLUGINS, 1), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	(void)close(fixture->notify);
	tempdir_remove(fixture->dir);
	free(fixture);
	return 0;
}

static void configure(struct fixture *fixture, const char *more)
{
	char text[1024];
	int len = snprintf(
		text, sizeof(text),
		"[hostwatch]\ncontrol = %s\n[share one]\npath = %s/share\nwatcher = null\n%s",
		fixture->ctl, fixture->dir, more);

	tempdir_write(fixture->dir, "conf", text, (size_t)len);
}

/* Starts a program; *ret_output reads both of its outputs. */
static pid_t start(const char *const *argv, int *ret_output)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)dup2(fds[1], STDERR_FILENO);
		(void)execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	(void)close(fds[1]);
	*ret_output = fds[0];
	return pid;
}

/* Waits until the program has closed its outputs, that is, has ended. Returns its exit status. */
static int finish(struct fixture *fixture, pid_t pid, int output)
{
	struct pollfd pollfd = { .fd = output, .events = POLLIN };
	size_t used = 0;
	ssize_t n = 1;
	int status;

	while (n > 0 && used + 1 < sizeof(fixture->output)) {
		if (poll(&pollfd, 1, DEADLINE_MS) != 1) {
			(void)kill(pid, SIGKILL);
			fail_msg("it does not end");
		}
		n = read(output, fixture->output + used, sizeof(fixture->output) - used - 1);
		used += n > 0 ? (size_t)n : 0;
	}
	fixture->output[used] = '\0';
	(void)close(output);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("killed by signal %d: %s", WTERMSIG(status), fixture->output);
	return WEXITSTATUS(status);
}

#define RUN(fixture, ...) run(fixture, (const char *const[]){ __VA_ARGS__, NULL })

static int run(struct fixture *fixture, const char *const *argv)
{
	int output;
	pid_t pid = start(argv, &output);

	return finish(fixture, pid, output);
}

/* Waits until the service manager receives this. */
static void wait_told(struct fixture *fixture, const char *what)
{
	struct pollfd pollfd = { .fd = fixture->notify, .events = POLLIN };
	char message[512] = "";

	while (!strstr(message, what)) {
		ssize_t n;

		if (poll(&pollfd, 1, DEADLINE_MS) != 1)
			fail_msg("never told %s", what);
		n = recv(fixture->notify, message, sizeof(message) - 1, 0);
		message[n > 0 ? n : 0] = '\0';
	}
}

static pid_t start_daemon(struct fixture *fixture, int *ret_output)
{
	const char *const argv[] = { DAEMON, "-c", fixture->file, NULL };
	pid_t pid = start(argv, ret_output);

	wait_told(fixture, "READY=1");
	return pid;
}

static void help_and_version_are_printed(void **state)
{
	static const char *const programs[] = { DAEMON, TOOL };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(RUN(fixture, programs[i], "--help"), 0);
		assert_non_null(strstr(fixture->output, "usage: hostwatch"));
		assert_int_equal(RUN(fixture, programs[i], "--version"), 0);
		assert_non_null(strstr(fixture->output, HW_VERSION "\n"));
		assert_int_not_equal(RUN(fixture, programs[i], "--nonesuch"), 0);
	}
	assert_int_equal(RUN(fixture, TOOL, "stauts"), 2);
	assert_string_equal(fixture->output,
			    "hostwatch: \"stauts\": no such command, did you mean status?\n"
			    "Try 'hostwatch --help'.\n");
}

static void every_command_has_help(void **state)
{
	static const char *const tools[] = { "check",  "explain", "guest-sim", "plugins", "status",
					     "switch", "sync",    "tail",      "watch" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		char usage[64];

		(void)snprintf(usage, sizeof(usage), "usage: hostwatch %s", tools[i]);
		assert_int_equal(RUN(fixture, TOOL, tools[i], "--help"), 0);
		assert_non_null(strstr(fixture->output, usage));
		assert_int_not_equal(RUN(fixture, TOOL, tools[i], "--nonesuch"), 0);
	}
}

static void mistakes_end_in_78(void **state)
{
	struct fixture *fixture = *state;
	char expected[512];

	configure(fixture, "intervall = 1s\n");
	(void)snprintf(expected, sizeof(expected),
		       "%s:6: [share one] unknown key \"intervall\", did you mean \"interval\"?\n",
		       fixture->file);
	assert_int_equal(RUN(fixture, TOOL, "check", fixture->file), 78);
	assert_string_equal(fixture->output, expected);
	assert_int_equal(RUN(fixture, DAEMON, "-c", fixture->file, "--check"), 78);
	assert_string_equal(fixture->output, expected);
	assert_int_equal(RUN(fixture, DAEMON, "-c", fixture->file), 78);
	assert_non_null(strstr(fixture->output, expected));
	assert_int_equal(RUN(fixture, DAEMON, "-c", "/nonexistent"), 78);
}

static void a_sound_file_passes_in_silence(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "");
	assert_int_equal(RUN(fixture, TOOL, "check", fixture->file), 0);
	assert_string_equal(fixture->output, "");
	assert_int_equal(RUN(fixture, DAEMON, "-c", fixture->file, "--check"), 0);
	assert_string_equal(fixture->output, "");
}

static void signals_stop_it_with_success(void **state)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	struct fixture *fixture = *state;

	configure(fixture, "");
	for (size_t i = 0; i < 2; i++) {
		int output;
		pid_t pid = start_daemon(fixture, &output);

		assert_int_equal(kill(pid, numbers[i]), 0);
		wait_told(fixture, "STOPPING=1");
		assert_int_equal(finish(fixture, pid, output), 0);
		assert_int_equal(access(fixture->ctl, F_OK), -1);
	}
}

static void hangup_reads_the_file_again(void **state)
{
	struct fixture *fixture = *state;
	char more[512];
	int output;
	pid_t pid;

	configure(fixture, "");
	pid = start_daemon(fixture, &output);
	assert_int_equal(mkdir(tempdir_path(fixture->dir, "other"), 0755), 0);
	(void)snprintf(more, sizeof(more),
		       "settle = 10ms\n[share two]\npath = %s/other\nwatcher = null\n",
		       fixture->dir);
	configure(fixture, more);
	assert_int_equal(kill(pid, SIGHUP), 0);
	wait_told(fixture, "RELOADING=1\nMONOTONIC_USEC=");
	wait_told(fixture, "READY=1");
	assert_int_equal(RUN(fixture, TOOL, "status", "--socket", fixture->ctl), 0);
	assert_non_null(strstr(fixture->output, "\ntwo "));
	configure(fixture, "settle = soon\n");
	assert_int_equal(kill(pid, SIGHUP), 0);
	wait_told(fixture, "READY=1");
	assert_int_equal(RUN(fixture, TOOL, "status", "--socket", fixture->ctl), 0);
	assert_non_null(strstr(fixture->output, "\ntwo "));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(finish(fixture, pid, output), 0);
	assert_non_null(strstr(fixture->output, "\"soon\" is not a duration"));
}

/* Uses a parser that accepts nothing but JSON. */
static void status_is_one_json_object(void **state)
{
	struct fixture *fixture = *state;
	const char *name = NULL, *watcher = NULL;
	int output, entries = -1;
	json_t *json;
	pid_t pid;

	configure(fixture, "");
	pid = start_daemon(fixture, &output);
	assert_int_equal(RUN(fixture, TOOL, "status", "--json", "-s", fixture->ctl), 0);
	json = json_loads(fixture->output, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(json_unpack(json, "{s:[{s:s,s:i,s:[{s:s}]}]}", "shares", "name", &name,
				     "entries", &entries, "watchers", "name", &watcher),
			 0);
	assert_string_equal(name, "one");
	assert_int_equal(entries, 1);
	assert_string_equal(watcher, "null");
	json_decref(json);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(finish(fixture, pid, output), 0);
}

static void commands_reach_the_daemon(void **state)
{
	struct fixture *fixture = *state;
	int output;
	pid_t pid;

	configure(fixture, "[watcher other]\nplugin = null\n");
	pid = start_daemon(fixture, &output);
	assert_int_equal(RUN(fixture, TOOL, "sync", "-s", fixture->ctl, "one"), 0);
	assert_int_equal(strncmp(fixture->output, "0 ", 2), 0);
	assert_int_equal(RUN(fixture, TOOL, "switch", "-s", fixture->ctl, "one", "other"), 0);
	assert_int_equal(RUN(fixture, TOOL, "switch", "-s", fixture->ctl, "one", "othr"), 1);
	assert_non_null(strstr(fixture->output, "no watcher named \"othr\""));
	assert_int_equal(RUN(fixture, TOOL, "sync", "-s", fixture->ctl, "nonesuch"), 1);
	assert_int_equal(RUN(fixture, TOOL, "status", "-s", fixture->ctl), 0);
	assert_non_null(strstr(fixture->output, " other\n"));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(finish(fixture, pid, output), 0);
	assert_int_equal(RUN(fixture, TOOL, "status", "-s", fixture->ctl), 1);
	assert_non_null(strstr(fixture->output, "is hostwatchd running?"));
}

/* Returns the effective capabilities from /proc. */
static uint64_t effective_capabilities(pid_t pid)
{
	char path[64], line[256];
	unsigned long long mask = ~0ull;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "CapEff: %llx", &mask);
	(void)fclose(file);
	return mask;
}

static void rights_that_no_plugin_needs_are_given_up(void **state)
{
	const uint64_t most = UINT64_C(1) << 2 | UINT64_C(1) << 28; /* CAP_DAC_READ_SEARCH,
								     * CAP_LEASE */
	struct fixture *fixture = *state;
	int output;
	pid_t pid;

	HW_NEED(geteuid() ? "only root has rights to give up" : NULL);
	configure(fixture, "");
	pid = start_daemon(fixture, &output);
	assert_true((effective_capabilities(pid) & ~most) == 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(finish(fixture, pid, output), 0);
}

static void plugins_are_listed_with_their_options(void **state)
{
	struct fixture *fixture = *state;

	(void)RUN(fixture, TOOL, "plugins"); /* the broken plugins in that directory are also
					      * reported */
	assert_non_null(strstr(fixture->output, "null       watcher "));
	assert_non_null(strstr(fixture->output, "nowhere    sink "));
	assert_int_equal(RUN(fixture, TOOL, "plugins", "nowhere"), 0);
	assert_non_null(strstr(fixture->output, "  fail = never\n      Which callback fails\n"));
	assert_non_null(strstr(fixture->output, "  address (required)\n"));
	assert_int_equal(RUN(fixture, TOOL, "plugins", "nowere"), 1);
	assert_non_null(strstr(fixture->output, "did you mean \"nowhere\"?"));
}

static void explain_names_every_filesystem_below(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(RUN(fixture, TOOL, "explain", "/proc/self/exe"), 1);
	assert_non_null(strstr(fixture->output, "a symbolic link to a file"));
	assert_int_equal(RUN(fixture, TOOL, "explain", fixture->dir), 0);
	assert_int_equal(strncmp(fixture->output, fixture->dir, strlen(fixture->dir)), 0);
	assert_int_equal(RUN(fixture, TOOL, "explain", "--no-count", "/"), 0);
	assert_non_null(strstr(fixture->output, "\n/proc (proc): "));
}

#define DAEMON_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		DAEMON_TEST(help_and_version_are_printed),
		DAEMON_TEST(every_command_has_help),
		DAEMON_TEST(mistakes_end_in_78),
		DAEMON_TEST(a_sound_file_passes_in_silence),
		DAEMON_TEST(signals_stop_it_with_success),
		DAEMON_TEST(hangup_reads_the_file_again),
		DAEMON_TEST(status_is_one_json_object),
		DAEMON_TEST(commands_reach_the_daemon),
		DAEMON_TEST(rights_that_no_plugin_needs_are_given_up),
		DAEMON_TEST(plugins_are_listed_with_their_options),
		DAEMON_TEST(explain_names_every_filesystem_below),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
