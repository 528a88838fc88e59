/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many subscribers, a tenth of which never read: the others receive every change, and the memory
 * of the daemon stays in its bound. CROWD_SUBSCRIBERS, CROWD_CHANGES and CROWD_SECONDS (the
 * deadline) set the size.
 */
#include "support/fixture.h"

#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SUBSCRIBERS 100u
#define CHANGES 20000u
#define SECONDS 120u
#define BUFFER_BYTES (128u << 10)
/* The bound of docs/reliability.md: send_buffer and the rest of a batch for each subscriber that
 * does not read, and the state of each. */
#define STUCK_KB 96u
#define EACH_KB 24u
#define JOURNAL_KB (64u << 10) /* as configured below */
#define ENTRY_BYTES 200u /* of the tree, for each change */
#define REST_KB (32u << 10) /* what malloc(3) and sanitizers keep */

struct reader {
	int fd; /* owned */
	uint64_t seq; /* of the last event; 0: none yet */
	bool greeted;
	size_t len; /* bytes of an incomplete line */
	char line[512];
};

static unsigned setting(const char *name, unsigned value)
{
	const char *text = getenv(name);

	return text && *text ? (unsigned)strtoul(text, NULL, 10) : value;
}

static int reach(const char *path, const char *request)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

/* ---- subscribers that read ---- */

static void take_line(struct reader *r, const char *line, size_t len)
{
	static const char seq[] = "{\"seq\":";
	uint64_t number = 0;

	if (!r->greeted) {
		assert_memory_equal(line, "{\"hello\"", 8);
		r->greeted = true;
		return;
	}
	if (len < sizeof(seq) || memcmp(line, seq, sizeof(seq) - 1) != 0)
		fail_msg("%.*s", (int)len, line);
	for (line += sizeof(seq) - 1; *line >= '0' && *line <= '9'; line++)
		number = 10 * number + (unsigned)(*line - '0');
	if (number != r->seq + 1)
		fail_msg("event %" PRIu64 " after %" PRIu64, number, r->seq);
	r->seq = number;
}

static void take_bytes(struct reader *r, const char *bytes, size_t len)
{
	const char *end = bytes + len, *newline;

	for (; (newline = memchr(bytes, '\n', (size_t)(end - bytes))); bytes = newline + 1) {
		if (!r->len) {
			take_line(r, bytes, (size_t)(newline - bytes));
			continue;
		}
		assert_true(r->len + (size_t)(newline - bytes) < sizeof(r->line));
		memcpy(r->line + r->len, bytes, (size_t)(newline - bytes) + 1);
		take_line(r, r->line, r->len + (size_t)(newline - bytes));
		r->len = 0;
	}
	assert_true(r->len + (size_t)(end - bytes) < sizeof(r->line));
	memcpy(r->line + r->len, bytes, (size_t)(end - bytes));
	r->len += (size_t)(end - bytes);
}

/* Reads from those that have data. */
static void read_some(int epoll)
{
	static char buffer[BUFFER_BYTES];
	struct epoll_event events[64];
	int count = epoll_wait(epoll, events, 64, 20);

	for (int i = 0; i < count; i++) {
		struct reader *r = events[i].data.ptr;
		ssize_t n = recv(r->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			fail_msg("disconnected after event %" PRIu64, r->seq);
		if (n > 0)
			take_bytes(r, buffer, (size_t)n);
	}
}

static bool all_have(const struct reader *readers, unsigned count, uint64_t seq)
{
	for (unsigned i = 0; i < count; i++)
		if (!readers[i].greeted || readers[i].seq < seq)
			return false;
	return true;
}

/* ---- the test ---- */

/* Each change is one event: the daemon examines a FIFO once. */
static pid_t start_changes(const struct fixture *f, unsigned changes)
{
	pid_t pid = fork();
	int dir;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	dir = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < changes; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%u", i); /* fits */
		if (mkfifoat(dir, name, 0600) < 0)
			_exit(1);
	}
	_exit(0);
}

/* Waits for a barrier. Returns the number of the last event. */
static uint64_t sync_share(struct fixture *f)
{
	struct program p;
	uint64_t seq;

	PROGRAM_START(&p, NULL, NULL, HOSTWATCH, "sync", "--socket", world_path(f->dir, "ctl"),
		      "one");
	assert_int_equal(program_end(&p, 0), 0);
	seq = strtoull(p.out.bytes, NULL, 10);
	program_free(&p);
	return seq;
}

static void raise_limit(unsigned descriptors)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < 2 * descriptors + 200) {
		print_message("skipped: the hard limit of descriptors is %u\n",
			      (unsigned)limit.rlim_max);
		skip();
	}
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void those_that_read_get_every_change_beside_those_that_do_not(void **state)
{
	static const char request[] = "{\"subscribe\":{}}\n";
	unsigned count = setting("CROWD_SUBSCRIBERS", SUBSCRIBERS), stuck = count / 10;
	unsigned changes = setting("CROWD_CHANGES", CHANGES), before, after, bound;
	int64_t begin = hw_clock_monotonic_ns(),
		end = begin + INT64_C(1000000000) * setting("CROWD_SECONDS", SECONDS);
	struct fixture *f = *state;
	struct reader *readers = calloc(count, sizeof(*readers));
	int epoll = epoll_create1(EPOLL_CLOEXEC), status = 0;
	uint64_t last = UINT64_MAX;
	pid_t writer;

	assert_non_null(readers);
	raise_limit(count);
	fixture_daemon(
		f,
		"[share one]\npath = %s/share\njournal = 64M\n"
		"[sink j]\nplugin = socket\nlisten = unix:%s/json\nmax_subscribers = 16384\n",
		NULL);
	before = program_memory_kb(&f->program);
	for (unsigned i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &readers[i] };

		readers[i].fd = reach(world_path(f->dir, "json"), request);
		if (i >= stuck)
			assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, readers[i].fd, &event), 0);
	}
	while (!all_have(readers + stuck, count - stuck, 0)) {
		assert_true(hw_clock_monotonic_ns() < end);
		read_some(epoll);
	}
	writer = start_changes(f, changes);
	while (!all_have(readers + stuck, count - stuck, last)) {
		if (hw_clock_monotonic_ns() > end)
			fail_msg("not within the deadline");
		read_some(epoll);
		if (last == UINT64_MAX && waitpid(writer, &status, WNOHANG) == writer) {
			assert_int_equal(status, 0);
			last = sync_share(f);
		}
	}
	after = program_memory_kb(&f->program);
	assert_int_equal(last, changes);
	bound = stuck * STUCK_KB + count * EACH_KB + JOURNAL_KB + REST_KB +
		changes * ENTRY_BYTES / 1024;
	print_message("%u subscribers, %u of them stuck, %u changes: "
		      "memory %u KB before, %u KB at most (bound: %u KB more), %.1f s\n",
		      count, stuck, changes, before, after, bound,
		      (double)(hw_clock_monotonic_ns() - begin) / 1e9);
	assert_true(after < before + bound);
	for (unsigned i = 0; i < count; i++)
		(void)close(readers[i].fd); /* nothing more is expected */
	(void)close(epoll); /* as above */
	free(readers);
	assert_int_equal(fixture_end(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST(those_that_read_get_every_change_beside_those_that_do_not),
	};

	return cmocka_run_group_tests_name("crowd", tests, NULL, NULL);
}
