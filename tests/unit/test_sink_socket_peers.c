/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket sink and several users: one of them cannot keep the others from being served. */
#include "socket_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>

#define JSON "format=json", "listen=unix:%s/s"
#define NOBODY 65534
#define DRAINERS 8u
#define FILES 4000u /* their snapshot does not fit into the buffers of a connection */
#define SNAPSHOT_REQUEST "{\"subscribe\":{\"share\":\"a\",\"snapshot\":true}}\n"

static void make_files(struct fixture *f)
{
	for (unsigned i = 0; i < FILES; i++) {
		char name[200];

		(void)snprintf(name, sizeof(name), "a/%0120u", i);
		touch(f, name);
	}
	(void)flush_share(f, 0);
}

/* ---- another user ---- */

struct other {
	pid_t pid;
	int ready; /* readable once the other user has done his part */
};

/* Runs in the other process. Sends `text` on each connection, reports when it has seen hello
 * everywhere, and then reads one byte at a time. */
static void keep_connections(const struct sockaddr_un *addr, unsigned count, const char *text,
			     int report)
{
	int *fds = calloc(count, sizeof(*fds));
	char byte;

	if (!fds || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test does not end it */
	for (unsigned i = 0; i < count; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fds[i], (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
		    send(fds[i], text, strlen(text), MSG_NOSIGNAL) < 0)
			_exit(2);
	}
	for (unsigned i = 0; i < count; i++)
		if (recv(fds[i], &byte, 1, 0) < 0)
			_exit(3);
	if (write(report, "x", 1) != 1)
		_exit(4);
	for (;;) {
		(void)poll(NULL, 0, 20); /* the pace of a slow reader */
		for (unsigned i = 0; i < count; i++)
			(void)recv(fds[i], &byte, 1, MSG_DONTWAIT);
	}
}

static struct other start_other(struct fixture *f, unsigned count, const char *text)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct other other;
	int fds[2];

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", f->dir);
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	other.pid = fork();
	assert_true(other.pid >= 0);
	if (other.pid == 0)
		keep_connections(&addr, count, text, fds[1]);
	(void)close(fds[1]);
	other.ready = fds[0];
	return other;
}

static void await_other(struct fixture *f, struct other *other)
{
	char byte;
	ssize_t n = -1;

	UNTIL(f, (n = read(other->ready, &byte, 1)) >= 0);
	if (n == 0)
		fail_msg("the other user could not connect");
	(void)flush_share(f, 0);
}

static void end_other(struct other *other)
{
	int status;

	assert_int_equal(kill(other->pid, SIGKILL), 0);
	assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
	(void)close(other->ready);
}

static void require_two_users(void)
{
	if (geteuid() == 0)
		return;
	print_message("skipped: only root can act for two users\n");
	skip();
}

/* ---- snapshots ---- */

static void slow_readers_of_another_user_delay_no_snapshot(void **state)
{
	struct fixture *f = *state;
	struct other other;
	struct client *c;

	require_two_users();
	SINK(f, 1, JSON, "mode=0666");
	make_files(f);
	other = start_other(f, DRAINERS, SNAPSHOT_REQUEST);
	await_other(f, &other);
	c = connect_client(f);
	say(c, SNAPSHOT_REQUEST);
	expect_line(c, "hello");
	for (unsigned i = 0; i < FILES; i++)
		expect_line(c, "{\"seq\":0,");
	expect_line(c, "{\"snapshot\":\"end\"");
	touch(f, "a/live");
	expect_line(c, "\"path\":\"live\"");
	assert_int_equal(count_receivers(f), DRAINERS + 1);
	close_client(c);
	end_other(&other);
}

static void slow_readers_delay_no_event_and_lose_their_snapshots(void **state)
{
	struct fixture *f = *state;
	int drainers[DRAINERS];
	struct client *c;
	char byte;

	SINK(f, 1, JSON);
	make_files(f);
	for (unsigned i = 0; i < DRAINERS; i++) {
		drainers[i] = connect_path(f, "s");
		assert_true(send(drainers[i], SNAPSHOT_REQUEST, strlen(SNAPSHOT_REQUEST),
				 MSG_NOSIGNAL) > 0);
	}
	UNTIL(f, count_receivers(f) == DRAINERS);
	(void)flush_share(f, 0);
	c = connect_client(f);
	say(c, SNAPSHOT_REQUEST);
	expect_line(c, "hello");
	(void)flush_share(f, 0);
	touch(f, "a/live");
	expect_line(c, "\"event\":\"create\",\"type\":\"file\",\"path\":\"live\"");
	expect_line(c, "close_write");
	assert_int_equal(count_receivers(f), DRAINERS + 1);
	UNTIL(f, ({
		      for (unsigned i = 0; i < DRAINERS; i++)
			      (void)recv(drainers[i], &byte, 1, MSG_DONTWAIT);
		      count_receivers(f) == 1;
	      }));
	for (unsigned i = 0; i < FILES; i++)
		expect_line(c, "{\"seq\":0,");
	close_client(c);
	for (unsigned i = 0; i < DRAINERS; i++)
		(void)close(drainers[i]);
}

/* ---- connections and bytes ---- */

static void a_user_with_fewer_connections_gets_a_place(void **state)
{
	struct fixture *f = *state;
	struct client *c[3];
	struct other other;

	require_two_users();
	SINK(f, 1, JSON, "mode=0666", "max_subscribers=4");
	other = start_other(f, 4, "");
	await_other(f, &other);
	for (unsigned i = 0; i < 3; i++)
		c[i] = connect_client(f);
	expect_line(c[0], "hello");
	expect_line(c[1], "hello");
	expect_line(c[2], "too many subscribers");
	assert_int_equal(count_receivers(f), 4);
	for (unsigned i = 0; i < 3; i++)
		close_client(c[i]);
	end_other(&other);
}

static void unfinished_requests_of_another_user_cost_no_request(void **state)
{
	static char junk[60000];
	struct fixture *f = *state;
	struct other other;
	struct client *c;

	require_two_users();
	SINK(f, 1, JSON, "mode=0666", "hello_wait=10s", "handshake_timeout=60s");
	memset(junk, ' ', sizeof(junk) - 1);
	other = start_other(f, 139, junk); /* almost 8 MiB */
	await_other(f, &other);
	c = connect_client(f);
	send_client(c, junk, sizeof(junk) - 1);
	expect_line(c, "hello");
	(void)flush_share(f, 0);
	say(c, "{\"subscribe\":{}}\n");
	(void)flush_share(f, 0);
	touch(f, "a/x");
	expect_line(c, "\"path\":\"x\"");
	close_client(c);
	end_other(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slow_readers_of_another_user_delay_no_snapshot),
		TEST(slow_readers_delay_no_event_and_lose_their_snapshots),
		TEST(a_user_with_fewer_connections_gets_a_place),
		TEST(unfinished_requests_of_another_user_cost_no_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
