/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon with a share that changes fast, malicious peers on every socket, and one honest
 * subscriber that must still receive all events. */
#include "support/fixture.h"

#include "tests/common/flood.h"
#include "tests/common/scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DIRS 60u
#define FILES 60u
#define CONNECTIONS 2000u
#define IDLERS 100u
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MAX_KB (700u * 1024) /* it keeps 256 MB that were freed */
#else
#define MEMORY_MAX_KB (400u * 1024)
#endif

/* ---- malicious peers, each a process that runs until it is killed ---- */

typedef void peer_fn(const char *path);

static int reach(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	while (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		(void)poll(NULL, 0, 1); /* the backlog of the socket is full */
	return fd;
}

static void say_random_bytes(const char *path)
{
	unsigned seed = (unsigned)getpid();
	char bytes[4096];

	for (;;) {
		int fd = reach(path);

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)rand_r(&seed);
		for (unsigned i = 0; i < 16; i++)
			if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0)
				break;
		(void)close(fd);
	}
}

/* Sends incomplete requests and then nothing more. */
static void say_half(const char *path)
{
	static const char *const halves[] = { "{\"subscribe\":{\"share\":\"on",
					      "\x30\x00\x00\x00\x11",
					      "status",
					      "sync ",
					      "{",
					      "\n\n\n\n",
					      "" };

	for (unsigned i = 0;; i++) {
		int fd = reach(path);
		const char *half = halves[i % (sizeof(halves) / sizeof(halves[0]))];
		struct pollfd gone = { .fd = fd, .events = 0 };

		(void)send(fd, half, strlen(half), MSG_NOSIGNAL);
		(void)poll(&gone, 1, 20);
		(void)close(fd);
	}
}

static void subscribe_and_never_read(const char *path)
{
	static const char request[] = "{\"subscribe\":{\"snapshot\":true}}\n";

	for (unsigned i = 0; i < IDLERS; i++)
		(void)send(reach(path), request, sizeof(request) - 1, MSG_NOSIGNAL);
	(void)pause();
}

/* Sends requests and never reads the answers. */
static void ask_and_never_read(const char *path)
{
	static const char request[] = "status\nstatus\nstatus\nsync one\nstatus\n";

	for (;;) {
		int fd = reach(path);

		while (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			;
		(void)poll(NULL, 0, 50);
		(void)close(fd);
	}
}

static void come_and_go(const char *path)
{
	for (unsigned i = 0; i < CONNECTIONS; i++)
		(void)close(reach(path));
	(void)pause();
}

static pid_t begin(peer_fn *peer, const char *path)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		peer(path);
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* ---- the honest subscriber ---- */

static void start_flood(struct fixture *f, pid_t *ret)
{
	*ret = fork();
	assert_true(*ret >= 0);
	if (*ret == 0)
		_exit(hw_flood_wide(f->root, DIRS, FILES) ? 1 : 0);
}

static void expect_status(struct fixture *f)
{
	struct program p;

	PROGRAM_START(&p, NULL, NULL, HOSTWATCH, "status", "--socket", world_path(f->dir, "ctl"));
	int status = program_end(&p, 0);

	if (status != 0 || !strstr(p.out.bytes, "one"))
		fail_msg("status: %d: %s%s", status, p.out.bytes, p.err.bytes);
	program_free(&p);
}

static void one_among_many_is_told_everything(struct fixture *f, const char *format)
{
	static const struct {
		peer_fn *peer;
		const char *socket;
	} evil[] = {
		{ say_random_bytes, "json" },
		{ say_random_bytes, "netlink" },
		{ say_random_bytes, "ctl" },
		{ say_half, "json" },
		{ say_half, "netlink" },
		{ say_half, "ctl" },
		{ subscribe_and_never_read, "json" },
		{ ask_and_never_read, "ctl" },
		{ come_and_go, "json" },
		{ come_and_go, "netlink" },
	};
	enum { EVIL = sizeof(evil) / sizeof(evil[0]) };
	pid_t pids[EVIL], flood;
	struct program tail;
	char address[256];
	int status;

	assert_int_equal(hw_flood_prepare(f->root, DIRS), 0);
	replay_begin(&f->replay, f->root);
	fixture_daemon(f,
		       "[share one]\npath = %s/share\n"
		       "[sink j]\nplugin = socket\nlisten = unix:%s/json\n"
		       "[sink n]\nplugin = socket\nformat = netlink\nlisten = unix:%s/netlink\n",
		       NULL);
	(void)snprintf(address, sizeof(address), "unix:%s/%s", f->dir, format);
	PROGRAM_START(&tail, NULL, NULL, HOSTWATCH, "tail", "--json", address);
	program_await(&tail, &tail.out, "\"hello\"");
	/* The server sends events only after it has read the request that follows hello. */
	for (unsigned i = 0; i < 200 && !strstr(tail.out.bytes, "probe"); i++) {
		world_write(world_path(f->root, "probe"), "x");
		(void)program_pump(&tail, 20);
	}
	for (unsigned i = 0; i < EVIL; i++)
		pids[i] = begin(evil[i].peer, world_path(f->dir, "%s", evil[i].socket));
	start_flood(f, &flood);
	assert_int_equal(waitpid(flood, &status, 0), flood);
	assert_int_equal(status, 0);
	replay_until_equal(&f->replay, &tail);
	assert_int_equal(hw_model_rescans(f->replay.told), 0);
	for (unsigned i = 0; i < EVIL; i++)
		end(pids[i]);
	expect_status(f);
	assert_true(program_memory_kb(&f->program) < MEMORY_MAX_KB);
	assert_int_equal(program_end(&tail, SIGTERM), 0);
	program_free(&tail);
	assert_int_equal(fixture_end(f), 0);
}

static void hostile_peers_do_not_hurt_a_subscriber_of_json(void **state)
{
	one_among_many_is_told_everything(*state, "json");
}

static void hostile_peers_do_not_hurt_a_subscriber_of_netlink(void **state)
{
	one_among_many_is_told_everything(*state, "netlink");
}

/* A subscriber that does not read must not delay others, and receives a rescan when it reads
 * again. */
/* Its events fill the journal several times. */
static void a_subscriber_that_stops_is_told_rescan(void **state)
{
	static const char long_name[] =
		"a name that takes 64 bytes of the journal in each of its events.";
	struct fixture *f = *state;
	struct program tail;
	char address[256];

	fixture_daemon(f,
		       "[share one]\npath = %s/share\njournal = 1M\n"
		       "[sink j]\nplugin = socket\nsend_buffer = 4K\nlisten = "
		       "unix:%s/json\n",
		       NULL);
	(void)snprintf(address, sizeof(address), "unix:%s/json", f->dir);
	PROGRAM_START(&tail, NULL, NULL, HOSTWATCH, "tail", "--json", address);
	program_await(&tail, &tail.out, "\"hello\"");
	for (unsigned i = 0; i < 200 && !strstr(tail.out.bytes, "probe"); i++) {
		world_write(world_path(f->root, "probe"), "x");
		(void)program_pump(&tail, 20);
	}
	assert_int_equal(kill(tail.pid, SIGSTOP), 0);
	for (unsigned i = 0; i < 15000; i++) {
		world_write(world_path(f->root, long_name), "x");
		assert_int_equal(unlink(world_path(f->root, long_name)), 0);
	}
	assert_int_equal(kill(tail.pid, SIGCONT), 0);
	program_await(&tail, &tail.out, "\"rescan\"");
	world_write(world_path(f->root, "last"), "x");
	program_await(&tail, &tail.out, "\"close_write\",\"type\":\"file\",\"path\":\"last\"");
	assert_int_equal(program_count(&tail.out, "\"rescan\""), 1);
	assert_int_equal(program_end(&tail, SIGINT), 0);
	program_free(&tail);
	assert_int_equal(fixture_end(f), 0);
}

static void print_to_full_device(void *arg)
{
	int fd = open("/dev/full", O_WRONLY);

	(void)arg;
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(125);
}

static void tail_tells_that_its_output_is_full(void **state)
{
	static const char *const options[] = { "--json", "--snapshot" };
	struct fixture *f = *state;
	struct program tail;
	char address[256];

	world_write(world_path(f->root, "file"), "x");
	fixture_daemon(f,
		       "[share one]\npath = %s/share\n"
		       "[sink n]\nplugin = socket\nformat = netlink\nlisten = unix:%s/netlink\n",
		       NULL);
	(void)snprintf(address, sizeof(address), "unix:%s/netlink", f->dir);
	for (unsigned i = 0; i < 2; i++) {
		PROGRAM_START(&tail, print_to_full_device, NULL, HOSTWATCH, "tail", options[i],
			      address);
		int status = program_end(&tail, 0);

		if (status != 1 || program_count(&tail.err, "No space left on device") != 1)
			fail_msg("tail %s: status %d: %s", options[i], status, tail.err.bytes);
		program_free(&tail);
	}
	assert_int_equal(fixture_end(f), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST(hostile_peers_do_not_hurt_a_subscriber_of_json),
		HOSTILE_TEST(hostile_peers_do_not_hurt_a_subscriber_of_netlink),
		HOSTILE_TEST(a_subscriber_that_stops_is_told_rescan),
		HOSTILE_TEST(tail_tells_that_its_output_is_full),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("subscribers", tests, NULL, NULL);
}
