/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `hostwatch tail` as run by a user, with the real sink. */
#include "socket_fixture.h"
#include "tools/tail.h"

#include <jansson.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* The program and its output on stdout and stderr together. */
struct run {
	struct client *out;
	pid_t pid;
};

static struct run start_tail(struct fixture *f, const char *const *args)
{
	char address[512], program[] = HW_BUILD_DIR "/hostwatch";
	char *argv[16] = { program, (char[]){ "tail" } };
	int pair[2], argc = 2;
	struct run run;

	snprintf(address, sizeof(address), "unix:%s/s", f->dir);
	for (; *args; args++)
		argv[argc++] = strcmp(*args, "ADDRESS") == 0 ? address : (char *)*args;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	run.pid = fork();
	assert_true(run.pid >= 0);
	if (run.pid == 0) {
		(void)setenv("TZ", "UTC", 1);
		if (dup2(pair[1], 1) < 0 || dup2(pair[1], 2) < 0)
			_exit(126);
		execv(program, argv);
		_exit(127);
	}
	(void)close(pair[1]);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	run.out = wrap_client(f, pair[0]);
	return run;
}
#define TAIL(f, ...) start_tail(f, (const char *const[]){ __VA_ARGS__, NULL })

/* Returns the exit status, after the end of the output. */
static int finish(struct run *run)
{
	int status;

	while (next_line(run->out))
		;
	assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
	close_client(run->out);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int interrupt(struct run *run)
{
	assert_int_equal(kill(run->pid, SIGINT), 0);
	return finish(run);
}

static void await_receivers(struct fixture *f, unsigned count)
{
	UNTIL(f, count_receivers(f) == count);
}

static void people_read_columns(void **state)
{
	struct fixture *f = *state;
	struct run run;
	char from[512];

	start_sink(f, 1, NULL, (const char *const[]){ "listen=unix:%s/s", NULL });
	run = TAIL(f, "ADDRESS");
	await_receivers(f, 1);
	touch(f, "a/plain");
	assert_string_equal(expect_line(run.out, "create") + 12, "  create       file     plain");
	expect_line(run.out, "  close_write  file     plain");
	touch(f, "a/\x1b[31m\n");
	expect_line(run.out, "  create       file     \"\\x1b[31m\\n\"");
	expect_line(run.out, "close_write");
	snprintf(from, sizeof(from), "%s", tempdir_path(f->dir, "a/plain"));
	assert_int_equal(rename(from, tempdir_path(f->dir, "a/other")), 0);
	expect_line(run.out, "  move         file     plain -> other");
	assert_int_equal(interrupt(&run), 0);
}

static void expect_json(struct run *run, const char *part)
{
	json_t *json = json_loads(expect_line(run->out, part), JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(json);
	json_decref(json);
}

static void check_json(struct fixture *f, const char *format)
{
	struct run run;

	start_sink(f, 2, NULL, (const char *const[]){ "listen=unix:%s/s", format, NULL });
	touch(f, "a/1");
	(void)flush_share(f, 0);
	run = TAIL(f, "--json", "--share", "a", "--snapshot", "ADDRESS");
	expect_json(&run, "{\"hello\":{\"protocol\":1,");
	expect_json(&run, "\"event\":\"create\",\"type\":\"file\",\"path\":\"1\"}");
	expect_json(&run, "{\"snapshot\":\"end\",\"seq\":2}");
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d\xff"), 0700), 0);
	expect_json(&run, "\"path\":\"d\xef\xbf\xbd\",\"path_b64\":\"ZP8=\"}");
	assert_int_equal(interrupt(&run), 0);
}

static void json_comes_from_a_netlink_server(void **state)
{
	check_json(*state, "format=netlink");
}

static void json_comes_from_a_json_server(void **state)
{
	check_json(*state, "format=json");
}

static void resume_and_below_are_asked_for(void **state)
{
	struct fixture *f = *state;
	struct run run;
	char epoch[32];

	start_sink(f, 2, NULL, (const char *const[]){ "listen=unix:%s/s", NULL });
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d"), 0700), 0);
	(void)flush_share(f, 0);
	touch(f, "a/d/1");
	touch(f, "a/2");
	touch(f, "a/d/3");
	(void)flush_share(f, 0);
	snprintf(epoch, sizeof(epoch), "%llx", (unsigned long long)hw_share_epoch(f->shares[0]));
	run = TAIL(f, "--share", "a", "--after", "3", "--epoch", epoch, "--below", "d/", "ADDRESS");
	expect_line(run.out, "create       file     d/3");
	assert_int_equal(interrupt(&run), 0);
}

static void a_server_that_ends_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct run run;

	start_sink(f, 1, NULL, (const char *const[]){ "listen=unix:%s/s", NULL });
	run = TAIL(f, "ADDRESS");
	await_receivers(f, 1);
	stop_sink(f);
	expect_line(run.out, "the server closed the connection");
	assert_int_equal(finish(&run), 1);
}

static void what_the_server_refuses_is_shown(void **state)
{
	struct fixture *f = *state;
	struct run run;

	for (int json = 0; json < 2; json++) {
		start_sink(f, 1, NULL,
			   (const char *const[]){ "listen=unix:%s/s",
						  json ? "format=json" : "format=netlink", NULL });
		run = TAIL(f, "--share", "nope", "ADDRESS");
		expect_line(run.out, "error from the server: \"no such share; this sink sends a\"");
		assert_int_equal(finish(&run), 1);
		stop_sink(f);
	}
}

/* Listens at ADDRESS without being a sink. */
static int listen_there(struct fixture *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", f->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void strangers_are_not_believed(void **state)
{
	static const char *const junk[] = { "SSH-2.0-x\r\n", "{\"seq\":\n", "{\x1b[31m}\n",
					    "{\"hello\":\x1b[31m}\n" };
	struct fixture *f = *state;
	int listening = listen_there(f), fd;

	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		struct run run = TAIL(f, "--json", "ADDRESS");

		UNTIL(f, (fd = accept(listening, NULL, NULL)) >= 0);
		assert_int_equal(send(fd, junk[i], strlen(junk[i]), 0), strlen(junk[i]));
		expect_line(run.out, "this is not a hostwatch server");
		assert_int_equal(finish(&run), 1);
		(void)close(fd);
	}
	(void)close(listening);
}

static void a_peer_without_hello_is_given_up(void **state)
{
	struct fixture *f = *state;
	int listening = listen_there(f), fd;
	struct run run = TAIL(f, "--timeout", "50ms", "ADDRESS");

	UNTIL(f, (fd = accept(listening, NULL, NULL)) >= 0);
	expect_line(run.out, "no hello within 0.05s; is this a hostwatch socket sink?");
	assert_int_equal(finish(&run), 1);
	(void)close(fd);
	(void)close(listening);
}

/* Servers that wait for a request before they send anything. */
static void a_silent_peer_is_recognized(void **state)
{
	static const char *const rows[][2] = {
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", "the peer sent an HTTP answer" },
		{ "error\ttext=no such command\n", "this is the control socket of hostwatchd" },
		{ "+OK\r\n", "it sent \"+OK\\r\" instead of hello" },
	};
	struct fixture *f = *state;
	int listening = listen_there(f), fd;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run run = TAIL(f, "--timeout", "50ms", "ADDRESS");
		char asked[64];

		UNTIL(f, (fd = accept(listening, NULL, NULL)) >= 0);
		UNTIL(f, recv(fd, asked, sizeof(asked), MSG_DONTWAIT) > 0);
		assert_int_equal(send(fd, rows[i][0], strlen(rows[i][0]), 0), strlen(rows[i][0]));
		expect_line(run.out, rows[i][1]);
		assert_int_equal(finish(&run), 1);
		(void)close(fd);
	}
	(void)close(listening);
}

static void a_group_is_joined(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1u << 18 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
	int r = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	struct run run;

	(void)close(fd);
	if (r < 0) {
		print_message("skipped: cannot join a netlink group: %s\n", strerror(EPERM));
		skip();
	}
	run = TAIL(f, "--json", "--below", "d", "netlink:19");
	start_sink(f, 1, NULL,
		   (const char *const[]){ "format=netlink", "listen=netlink:19", NULL });
	assert_int_equal(mkdir(tempdir_path(f->dir, "a/d"), 0700), 0);
	for (unsigned i = 0; i < 200 && !run.out->len; i++) {
		/* the time of joining the group is unknown: make changes until one is reported */
		assert_int_equal(chmod(tempdir_path(f->dir, "a/d"), i % 2 ? 0700 : 0750), 0);
		touch(f, "a/not-told");
		(void)flush_share(f, 0);
		hw_loop_turn(f->loop, 20);
		receive(run.out);
	}
	for (char *line = expect_line(run.out, "{"); strstr(line, "hello");)
		line = expect_line(run.out, "{");
	assert_null(memmem(run.out->data, run.out->len, "not-told", 8));
	assert_int_equal(interrupt(&run), 0);
}

/* Repeats a forged hello and event of a group until it is killed. */
static void forge(void)
{
	static char bytes[65536];
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1u << 19 };
	struct hw_event event = { .struct_size = sizeof(event),
				  .kind = HW_CREATE,
				  .type = HW_TYPE_FILE,
				  .seq = 1,
				  .path = "forged",
				  .path_len = 6 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
	struct hw_buf buf = HW_BUF_FIXED(bytes, sizeof(bytes));
	struct hw_nl_writer *writer;

	if (fd < 0 || hw_nl_writer_create(&writer) < 0 ||
	    hw_nl_put_event(writer, &buf, "a", 1, &event) < 0 || setgid(65534) < 0 ||
	    setuid(65534) < 0)
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test does not end it */
	for (;;) {
		(void)sendto(fd, buf.data, buf.len, 0, (struct sockaddr *)&to, sizeof(to));
		(void)poll(NULL, 0, 1);
	}
}

static void messages_of_other_users_are_ignored(void **state)
{
	struct fixture *f = *state;
	struct run run;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: only root can act for two users\n");
		skip();
	}
	run = TAIL(f, "--json", "netlink:20");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		forge();
	start_sink(f, 1, NULL,
		   (const char *const[]){ "format=netlink", "listen=netlink:20", NULL });
	for (unsigned i = 0; i < 200 && !memmem(run.out->data, run.out->len, "true", 4); i++) {
		touch(f, i % 2 ? "a/true1" : "a/true2");
		(void)flush_share(f, 0);
		hw_loop_turn(f->loop, 20);
		receive(run.out);
		(void)unlink(tempdir_path(f->dir, i % 2 ? "a/true1" : "a/true2"));
	}
	assert_non_null(memmem(run.out->data, run.out->len, "true", 4));
	assert_null(memmem(run.out->data, run.out->len, "forged", 6));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(interrupt(&run), 0);
}

/* A server that has just begun may not know its shares yet. */
static void the_place_of_a_state_is_kept_until_a_share_is_seen(void **state)
{
	const struct hw_share_info share = { .name = "www", .epoch = 7, .seq = 9 };
	struct tail t = { .subscribe = { .resume = true, .epoch = 7, .after = 5 } };
	struct hw_subscribe request;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(hw_tail_begin(&t, &share, i > 1, &request), 0);
		assert_true(request.resume);
		assert_int_equal(request.epoch, 7);
		assert_int_equal(request.after, 5);
	}
	free(t.shares);
}

static void mistakes_on_the_command_line_are_told(void **state)
{
	static const char *const rows[][5] = {
		{ NULL },
		{ "ADDRESS", "ADDRESS" },
		{ "smtp:x" },
		{ "fd:x" },
		{ "--nope", "ADDRESS" },
		{ "--after", "1", "ADDRESS" },
		{ "--epoch", "1", "ADDRESS" },
		{ "--after", "x", "--epoch", "1" },
		{ "--below", "../x", "ADDRESS" },
		{ "--timeout", "soon", "ADDRESS" },
		{ "--snapshot", "netlink:1" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run run = start_tail(f, rows[i]);

		assert_int_equal(finish(&run), 2);
	}
	{
		struct run run = TAIL(f, "ADDRESS");

		expect_line(run.out, "No such file");
		assert_int_equal(finish(&run), 1);
		run = TAIL(f, "--help");
		expect_line(run.out, "usage: hostwatch tail");
		assert_int_equal(finish(&run), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(people_read_columns),
		TEST(json_comes_from_a_netlink_server),
		TEST(json_comes_from_a_json_server),
		TEST(resume_and_below_are_asked_for),
		TEST(a_server_that_ends_is_an_error),
		TEST(what_the_server_refuses_is_shown),
		TEST(strangers_are_not_believed),
		TEST(a_peer_without_hello_is_given_up),
		TEST(a_silent_peer_is_recognized),
		TEST(a_group_is_joined),
		TEST(messages_of_other_users_are_ignored),
		cmocka_unit_test(the_place_of_a_state_is_kept_until_a_share_is_seen),
		TEST(mistakes_on_the_command_line_are_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("tail", tests, NULL, NULL);
}
