/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Malicious subscribers of the socket sink, and addresses that do not work. */
#include "host.h"
#include "socket_fixture.h"

#include <byteswap.h>
#include <hostwatch/auth.h>
#include <linux/netlink.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define JSON "format=json", "listen=unix:%s/s"
#define NETLINK "format=netlink", "listen=unix:%s/s"

/* Other subscribers must still receive events. */
static void expect_service(struct fixture *f, bool json)
{
	static unsigned number;
	struct client *c = connect_client(f);
	char path[32];

	if (json)
		expect_line(c, "hello");
	else
		(void)expect_message(c, HW_NL_HELLO);
	snprintf(path, sizeof(path), "a/service-%u", number++);
	touch(f, path);
	if (json)
		expect_line(c, path + 2);
	else
		(void)expect_message(c, HW_NL_EVENT);
	close_client(c);
}

/* ---- requests ---- */

static void a_bad_request_gets_the_reason_and_the_end(void **state)
{
	static const struct {
		const char *request, *error;
	} rows[] = {
		{ "hello\n", "one JSON object" },
		{ "{\"subscribe\":{\"share\":\"nope\"}}\n", "no such share" },
		{ "{\"subscribe\":{\"below\":\"../x\"}}\n", "relative path" },
		{ "{\"subscribe\":{\"epoch\":\"1\",\"after\":1}}\n", "require a share" },
		{ "{\"subscribe\":{\"x\":1}}\n", "unknown key" },
		{ "\n", "one JSON object" },
		{ "{\"subscribe\":{}}\n{\"subscribe\":{}}\n", "only one request is allowed" },
	};
	struct fixture *f = *state;

	SINK(f, 2, JSON);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c = connect_client(f);

		expect_line(c, "hello");
		say(c, rows[i].request);
		expect_line(c, "{\"error\":\"");
		if (!strstr(c->data, rows[i].error))
			fail_msg("%s: not %s: %s", rows[i].request, rows[i].error, c->data);
		expect_end(c);
		close_client(c);
	}
	expect_service(f, true);
}

static void half_a_request_is_not_waited_for_long(void **state)
{
	struct fixture *f = *state;
	struct client *c;

	SINK(f, 1, JSON, "hello_wait=10ms", "handshake_timeout=100ms");
	c = connect_client(f);
	say(c, "{\"subscribe\":");
	expect_line(c, "hello");
	expect_line(c, "not completed in time");
	expect_end(c);
	close_client(c);
}

static void a_line_without_end_is_refused_at_the_limit(void **state)
{
	struct fixture *f = *state;
	static char junk[HW_JSON_REQUEST_MAX];
	struct client *c;
	size_t sent = 0;

	SINK(f, 1, JSON);
	memset(junk, ' ', sizeof(junk));
	c = connect_client(f);
	while (sent < sizeof(junk)) {
		ssize_t n = send(c->fd, junk, sizeof(junk) - sent, MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		hw_loop_turn(f->loop, 1);
	}
	expect_line(c, "hello");
	expect_line(c, "too long");
	expect_end(c);
	close_client(c);
	expect_service(f, true);
}

static void unfinished_requests_of_all_together_are_limited(void **state)
{
	struct fixture *f = *state;
	static char junk[60000];
	struct client *c;
	int fds[200], refused = 0;

	SINK(f, 1, JSON, "hello_wait=5s");
	memset(junk, ' ', sizeof(junk));
	for (size_t i = 0; i < 200; i++) {
		fds[i] = connect_path(f, "s");
		assert_true(fds[i] >= 0);
		assert_int_equal(send(fds[i], junk, sizeof(junk), MSG_NOSIGNAL), sizeof(junk));
		for (int turn = 0; turn < 6; turn++)
			hw_loop_turn(f->loop, 0);
	}
	UNTIL(f, count_receivers(f) <= 140); /* 8 MiB are 139 requests of 60,000 bytes */
	for (size_t i = 0; i < 200; i++) {
		ssize_t n = recv(fds[i], junk, sizeof(junk), MSG_DONTWAIT);

		refused += n > 0 && memmem(junk, (size_t)n, "too many unfinished", 19);
		(void)close(fds[i]);
	}
	assert_true(refused >= 60);
	UNTIL(f, count_receivers(f) == 0);
	c = connect_client(f);
	say(c, "{\"subscribe\":{}}\n");
	expect_line(c, "hello");
	touch(f, "a/x");
	expect_line(c, "create");
	close_client(c);
}

static void random_bytes_are_survived_in_both_formats(void **state)
{
	struct fixture *f = *state;
	uint64_t random = 5;

	for (int json = 0; json < 2; json++) {
		SINK(f, 1, json ? "format=json" : "format=netlink", "listen=unix:%s/s",
		     "hello_wait=10ms");
		for (int i = 0; i < 300; i++) {
			int fd = connect_path(f, "s");
			char bytes[300];
			size_t len = 0;

			assert_true(fd >= 0);
			for (; len < sizeof(bytes); len++) {
				random = random * UINT64_C(6364136223846793005) + 1;
				bytes[len] = (char)(random >> 40);
			}
			(void)send(fd, bytes, 1 + (random >> 50) % len, MSG_NOSIGNAL);
			hw_loop_turn(f->loop, 0);
			if (i % 3)
				(void)shutdown(fd, i % 3 == 1 ? SHUT_WR : SHUT_RD);
			hw_loop_turn(f->loop, 0);
			(void)close(fd);
		}
		expect_service(f, json);
		UNTIL(f, count_receivers(f) == 0);
		stop_sink(f);
	}
}

static void frames_that_lie_are_refused_with_the_reason(void **state)
{
	struct fixture *f = *state;
	const struct {
		struct nlmsghdr header;
		const char *error;
	} rows[] = {
		{ { .nlmsg_len = 8, .nlmsg_type = HW_NL_PING }, "malformed" },
		{ { .nlmsg_len = 17, .nlmsg_type = HW_NL_PING }, "malformed" },
		{ { .nlmsg_len = 1 << 20, .nlmsg_type = HW_NL_PING }, "too long" },
		{ { .nlmsg_len = UINT32_MAX & ~3u, .nlmsg_type = HW_NL_PING }, "too long" },
		{ { .nlmsg_len = bswap_32(16), .nlmsg_type = bswap_16(HW_NL_SUBSCRIBE) },
		  "byte order" },
	};

	SINK(f, 1, NETLINK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c = connect_client(f);

		(void)expect_message(c, HW_NL_HELLO);
		send_client(c, &rows[i].header, sizeof(rows[i].header));
		assert_non_null(strstr(expect_message(c, HW_NL_ERROR).text, rows[i].error));
		close_client(c);
	}
	expect_service(f, false);
}

static void half_a_frame_byte_by_byte_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct nlmsghdr request = { .nlmsg_len = sizeof(request), .nlmsg_type = HW_NL_SUBSCRIBE };
	struct client *c;

	SINK(f, 1, NETLINK, "hello_wait=10ms");
	c = connect_client(f);
	for (size_t i = 0; i < sizeof(request); i++) {
		send_client(c, (char *)&request + i, 1);
		hw_loop_turn(f->loop, 0);
	}
	(void)expect_message(c, HW_NL_HELLO);
	touch(f, "a/x");
	(void)expect_message(c, HW_NL_EVENT);
	close_client(c);
}

static void pings_of_one_that_does_not_read_are_not_collected(void **state)
{
	struct fixture *f = *state;
	struct hw_buf buf = HW_BUF_GROWING(1 << 20);
	struct hw_nl_writer *writer;
	uint64_t end = now_ms() + 200;
	struct client *c;
	size_t sent = 0, stuck = 0;

	assert_int_equal(hw_nl_writer_create(&writer), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(hw_nl_put_ping(writer, &buf, HW_NL_PING, "flood"), 0);
	SINK(f, 1, NETLINK);
	c = connect_client(f);
	while (stuck < 100 && now_ms() < end + DEADLINE_MS) {
		ssize_t n = send(c->fd, buf.data, buf.len, MSG_NOSIGNAL);

		stuck = n < 0 ? stuck + 1 : 0;
		sent += n > 0 ? (size_t)n : 0;
		hw_loop_turn(f->loop, 1);
	}
	assert_true(stuck == 100); /* the server has stopped reading */
	assert_true(sent < 16u << 20);
	expect_service(f, false);
	close_client(c);
	hw_buf_free(&buf);
	hw_nl_writer_destroy(writer);
}

/* ---- the log ---- */

static unsigned log_lines;

static void count_log_line(const char *line)
{
	(void)line;
	log_lines++;
}

static void refusals_do_not_fill_the_log(void **state)
{
	struct fixture *f = *state;
	uint64_t start = now_ms();

	SINK(f, 1, JSON, "max_subscribers=1");
	log_lines = 0;
	hw_log_set_level(HW_LOG_INFO);
	hw_log_set_fn(count_log_line);
	for (unsigned i = 0; i < 2000; i++) {
		struct client *a = connect_client(f), *b = connect_client(f);

		expect_line(b, "too many subscribers");
		say(a, "nonsense\n");
		expect_line(a, "hello");
		expect_line(a, "error");
		close_client(a);
		close_client(b);
		UNTIL(f, count_receivers(f) == 0);
	}
	hw_log_set_fn(NULL);
	hw_log_set_level(HW_LOG_ERROR);
	assert_in_range(log_lines, 1,
			HW_LOG_BURST + HW_LOG_PER_SECOND * (now_ms() - start) / 1000 + 1);
}

/* ---- numbers ---- */

static void one_more_than_the_limit_is_refused_and_served_later(void **state)
{
	struct fixture *f = *state;
	struct client *a, *b, *c;

	SINK(f, 1, JSON, "max_subscribers=2");
	a = connect_client(f);
	b = connect_client(f);
	c = connect_client(f);
	expect_line(a, "hello");
	expect_line(b, "hello");
	expect_line(c, "{\"error\":\"too many subscribers (max_subscribers)\"}");
	expect_end(c);
	close_client(c);
	close_client(a);
	UNTIL(f, count_receivers(f) == 1);
	expect_service(f, true);
	close_client(b);
}

#define MANY 10000

/* Raises the limit so that one end of this many connections fits. */
static bool raise_limit(rlim_t need)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur >= need)
		return true;
	limit.rlim_cur = need;
	if (limit.rlim_max < need)
		limit.rlim_max = need;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* Runs in the other process: opens all connections, reports how many received hello, and keeps them
 * open until it may end. */
static void crowd(const struct sockaddr_un *addr, int report, int end)
{
	int *fds = calloc(MANY, sizeof(*fds));
	unsigned greeted = 0;
	char bytes[512];

	for (unsigned i = 0; fds && i < MANY; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 || connect(fds[i], (const struct sockaddr *)addr, sizeof(*addr)) < 0)
			_exit(1);
	}
	for (unsigned i = 0; fds && i < MANY; i++) {
		ssize_t n = recv(fds[i], bytes, sizeof(bytes), 0);

		greeted += n > 0 && memmem(bytes, (size_t)n, "{\"hello\"", 8);
	}
	if (write(report, &greeted, sizeof(greeted)) != sizeof(greeted) || read(end, bytes, 1) < 0)
		_exit(1);
	_exit(0);
}

static void many_connections(struct fixture *f, const char *limit, unsigned expected)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int report[2], end[2], status;
	unsigned greeted = 0;
	struct client *c;
	pid_t pid;

	if (!raise_limit(MANY + 200)) {
		print_message("skipped: RLIMIT_NOFILE cannot be raised for %d connections\n", MANY);
		skip();
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", f->dir);
	SINK(f, 1, JSON, limit, "hello_wait=10s", "handshake_timeout=20s");
	c = connect_client(f);
	say(c, "{\"subscribe\":{}}\n");
	expect_line(c, "hello");
	assert_int_equal(pipe2(report, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(end[1]); /* otherwise the parent's close() would not be seen */
		crowd(&addr, report[1], end[0]);
	}
	UNTIL(f, read(report[0], &greeted, sizeof(greeted)) == sizeof(greeted));
	assert_int_equal(greeted, expected);
	touch(f, "a/still-served");
	expect_line(c, "still-served");
	(void)close(end[0]);
	(void)close(end[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect_line(c, "close_write");
	UNTIL(f, count_receivers(f) == 1);
	(void)close(report[0]);
	(void)close(report[1]);
	close_client(c);
}

static void ten_thousand_connections_are_served_where_allowed(void **state)
{
	many_connections(*state, "max_subscribers=16384", MANY);
}

static void ten_thousand_connections_are_refused_beyond_the_limit(void **state)
{
	many_connections(*state, "max_subscribers=101", 100);
}

static void running_out_of_descriptors_neither_spins_nor_lasts(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, low;
	int fd, probe;
	struct client *c;
	unsigned turns = 0;
	uint64_t end;

	SINK(f, 1, JSON);
	fd = connect_path(f, "s");
	probe = dup(fd);
	assert_true(probe >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)probe + 1; /* the next descriptor exceeds the limit */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (end = now_ms() + 50; now_ms() < end; turns++)
		hw_loop_turn(f->loop, 1000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(turns < 30);
	c = wrap_client(f, fd);
	expect_line(c, "hello");
	close_client(c);
	(void)close(probe);
}

/* ---- permissions ---- */

static void another_user_is_refused(void **state)
{
	struct fixture *f = *state;
	struct client *c;
	char own[32];

	SINK(f, 1, JSON, "allow_uid=4294967294");
	c = connect_client(f);
	expect_line(c, "user not permitted");
	expect_end(c);
	close_client(c);
	stop_sink(f);
	snprintf(own, sizeof(own), "allow_uid=%u", getuid());
	SINK(f, 1, JSON, "allow_uid=4294967294", own);
	expect_service(f, true);
}

static void the_socket_file_has_the_mode_and_goes_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char group[32];

	/* Only root may choose a group that it is not a member of. */
	(void)snprintf(group, sizeof(group), "group=%u", geteuid() ? getegid() : 1);
	SINK(f, 1, JSON, "mode=0620", group);
	assert_int_equal(stat(tempdir_path(f->dir, "s"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0620);
	assert_int_equal(st.st_gid, geteuid() ? getegid() : 1);
	stop_sink(f);
	assert_int_equal(stat(tempdir_path(f->dir, "s"), &st), -1);
}

static void only_a_stale_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reason[512];
	const char *const settings[] = { "listen=unix:%s/s", NULL };

	tempdir_write(f->dir, "s", "precious", 8);
	assert_int_equal(start_sink(f, 1, reason, settings), -EEXIST);
	assert_non_null(strstr(reason, "not a socket"));
	stop_sink(f);
	assert_int_equal(access(tempdir_path(f->dir, "s"), F_OK), 0);
	assert_int_equal(unlink(tempdir_path(f->dir, "s")), 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", f->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(start_sink(f, 1, reason, settings), -EADDRINUSE);
	assert_non_null(strstr(reason, "another process is listening"));
	stop_sink(f);
	(void)close(fd);
	assert_int_equal(access(tempdir_path(f->dir, "s"), F_OK), 0);
	assert_int_equal(start_sink(f, 1, reason, settings), 0);
	expect_service(f, true);
}

static void what_cannot_work_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *settings[4];
		const char *reason;
	} rows[] = {
		{ { NULL }, "no address: set listen or connect" },
		{ { "listen=unix:" }, "absolute path" },
		{ { "listen=smtp:x" }, "must begin with" },
		{ { "listen=unix:/tmp/a\033[31m" }, "unprintable byte" },
		{ { "listen=tcp:0.0.0.0:7000" }, "allow_remote" },
		{ { "listen=tcp:[::]:7000" }, "allow_remote" },
		{ { "listen=vsock:any:7000" }, "allow_remote" },
		{ { "listen=vsock:2:7000" }, "allow_remote" },
		{ { "connect=tcp:192.0.2.1:7000" }, "allow_remote" },
		{ { "listen=tcp:0.0.0.0:7000", "allow_remote=yes" }, "needs secret" },
		{ { "listen=vsock:any:7000", "allow_remote=yes" }, "needs secret" },
		{ { "connect=tcp:192.0.2.1:7000", "allow_remote=yes" }, "needs secret" },
		{ { "listen=unix:%s/s", "secret=s" }, "absolute path" },
		{ { "listen=vsock:any:7000", "allow_cid=x" }, "not a CID" },
		{ { "listen=unix:%s/s", "secret=/no/such/file" }, "No such file" },
		{ { "listen=unix:%s/s", "secret=/" }, "not a regular file" },
		{ { "listen=netlink:1", "format=netlink", "secret=/" }, "cannot ask" },
		{ { "listen=tcp:127.0.0.1" }, "ADDR:PORT" },
		{ { "listen=tcp:127.0.0.1:70000" }, "port from 0 to 65535" },
		{ { "listen=tcp:example.org:1" }, "numeric address" },
		{ { "listen=vsock:1" }, "CID:PORT" },
		{ { "listen=netlink:33" }, "1 to 32" },
		{ { "listen=netlink:0" }, "1 to 32" },
		{ { "listen=netlink:1" }, "needs format = netlink" },
		{ { "connect=netlink:1" }, "in listen only" },
		{ { "connect=fd:x" }, "in listen only" },
		{ { "listen=fd:nosuch" }, "no descriptor with this name" },
		{ { "listen=tcp:127.0.0.1:0", "allow_uid=0" }, "unix sockets only" },
		{ { "listen=unix:%s/s", "mode=rw" }, "octal" },
		{ { "listen=unix:%s/s", "mode=01777" }, "octal" },
		{ { "listen=unix:%s/s", "group=no such group" }, "no such group" },
		{ { "listen=unix:%s/s", "allow_uid=root" }, "not a numeric user ID" },
		{ { "listen=unix:%s/s", "hello_wait=2s", "handshake_timeout=1s" }, "shorter" },
		{ { "listen=unix:%s/no/such/dir" }, "cannot listen" },
	};
	struct fixture *f = *state;
	char reason[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = start_sink(f, 1, reason, rows[i].settings);

		if (r >= 0 || !strstr(reason, rows[i].reason))
			fail_msg("%s: %d, not '%s': '%s'", rows[i].settings[0], r, rows[i].reason,
				 reason);
		stop_sink(f);
	}
}

static void make_secret(const struct fixture *f)
{
	static const char bytes[HW_SECRET_MIN] = "a secret";

	tempdir_write(f->dir, "secret", bytes, sizeof(bytes));
	assert_int_equal(chmod(tempdir_path(f->dir, "secret"), 0600), 0);
}

static void vsock_works_or_says_that_the_kernel_has_none(void **state)
{
	struct fixture *f = *state;
	const char *const settings[] = { "listen=vsock:any:61234", "allow_remote=yes",
					 "secret=%s/secret", NULL };
	char reason[512];
	int r;

	make_secret(f);
	r = start_sink(f, 1, reason, settings);

	if (r < 0) {
		assert_non_null(strstr(reason, "cannot listen on vsock:any:61234"));
		if (r == -EAFNOSUPPORT)
			assert_non_null(strstr(reason, "no vsock"));
		print_message("vsock: %s\n", reason);
	}
	stop_sink(f);
}

/* The host cannot bind to the CID of a guest, and CID 2 exists only if a module is loaded. */
static void vsock_address_that_is_not_there_is_refused_with_what_is_missing(void **state)
{
	struct fixture *f = *state;
	const char *const settings[] = { "listen=vsock:77:61234", "allow_remote=yes",
					 "secret=%s/secret", NULL };
	char reason[512];

	make_secret(f);
	assert_true(start_sink(f, 1, reason, settings) < 0);
	assert_non_null(strstr(reason, "cannot listen on vsock:77:61234: "));
	assert_true(strstr(reason, "no vsock)") || strstr(reason, "vhost_vsock"));
	stop_sink(f);
}

/* Simulates the service manager for the sink: descriptor numbers start at 3. */
static void pass_descriptor(int fd, const char *name)
{
	char text[512] = "", number[16];

	for (int i = 3; i < fd; i++)
		strcat(text, "x:");
	strcat(text, name);
	assert_int_equal(setenv("LISTEN_FDNAMES", text, 1), 0);
	snprintf(number, sizeof(number), "%d", fd - 2);
	assert_int_equal(setenv("LISTEN_FDS", number, 1), 0);
	snprintf(number, sizeof(number), "%d", getpid());
	assert_int_equal(setenv("LISTEN_PID", number, 1), 0);
}

static void a_passed_socket_is_listened_on_if_it_listens(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *const settings[] = { "listen=fd:events", NULL };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reason[512];

	assert_true(fd >= 3 && fd < 100);
	pass_descriptor(fd, "events");
	assert_int_equal(start_sink(f, 1, reason, settings), -EINVAL);
	assert_non_null(strstr(reason, "not a listening stream socket"));
	stop_sink(f);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", f->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(start_sink(f, 1, reason, settings), 0);
	expect_service(f, true);
	stop_sink(f);
	(void)close(fd);
	assert_int_equal(unsetenv("LISTEN_FDS"), 0);
	assert_int_equal(access(tempdir_path(f->dir, "s"), F_OK), 0); /* the sink must not remove
								       * the socket of another
								       * program */
}

/* ---- a host that fails ---- */

static unsigned calls_left; /* calls of the host until one fails */

static bool is_failing(void)
{
	return calls_left && --calls_left == 0;
}

static int failing_io_add(void *ctx, int fd, uint32_t events, hw_io_fn *fn, void *arg,
			  struct hw_io **ret)
{
	return is_failing() ? -ENOMEM : hw_host_services.io_add(ctx, fd, events, fn, arg, ret);
}

static int failing_timer_add(void *ctx, hw_timer_fn *fn, void *arg, struct hw_timer **ret)
{
	return is_failing() ? -ENOMEM : hw_host_services.timer_add(ctx, fn, arg, ret);
}

static int failing_cursor_open(void *ctx, uint32_t share, uint64_t epoch, uint64_t after,
			       struct hw_cursor **ret)
{
	return is_failing() ? -ENOMEM : hw_host_services.cursor_open(ctx, share, epoch, after, ret);
}

static int failing_snapshot_open(void *ctx, uint32_t share, struct hw_snapshot **ret, uint64_t *seq)
{
	return is_failing() ? -ENOMEM : hw_host_services.snapshot_open(ctx, share, ret, seq);
}

static void use_failing_host(struct fixture *f, unsigned failing_call)
{
	struct hw_host host = hw_host_services;
	char listen_on[512], connect_to[512];
	struct hw_setting settings[] = { { "format", "json" },
					 { "listen", listen_on },
					 { "connect", connect_to },
					 { "hello_wait", "10ms" } };
	struct hw_instance *instance = NULL;

	host.io_add = failing_io_add;
	host.timer_add = failing_timer_add;
	host.cursor_open = failing_cursor_open;
	host.snapshot_open = failing_snapshot_open;
	snprintf(listen_on, sizeof(listen_on), "unix:%s/s", f->dir);
	snprintf(connect_to, sizeof(connect_to), "unix:%s/s", f->dir);
	assert_int_equal(hw_instance_create(f->loop, &f->module->plugin, "socket", settings, 4,
					    NULL, &instance),
			 0);
	assert_int_equal(hw_sink_create(instance, f->shares, 2, &f->sink), 0);
	calls_left = failing_call;
	assert_int_equal(instance->plugin->open(instance->self, &host, instance), 0);
	instance->state = HW_INSTANCE_STARTED;
	if (instance->plugin->start(instance->self) == 0) {
		int fd = connect_path(f, "s");
		static const char request[] = "{\"subscribe\":{\"snapshot\":true}}\n";

		assert_true(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0);
		for (int i = 0; i < 20; i++)
			hw_loop_turn(f->loop, 2);
		(void)close(fd);
		hw_loop_turn(f->loop, 2);
	}
	stop_sink(f);
}

static void failure_of_any_call_of_the_host_is_survived(void **state)
{
	unsigned call = 1;

	do
		use_failing_host(*state, call++);
	while (!calls_left && call < 100); /* until no call failed */
	assert_true(call > 8);
	calls_left = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bad_request_gets_the_reason_and_the_end),
		TEST(half_a_request_is_not_waited_for_long),
		TEST(a_line_without_end_is_refused_at_the_limit),
		TEST(unfinished_requests_of_all_together_are_limited),
		TEST(random_bytes_are_survived_in_both_formats),
		TEST(frames_that_lie_are_refused_with_the_reason),
		TEST(half_a_frame_byte_by_byte_is_waited_for),
		TEST(pings_of_one_that_does_not_read_are_not_collected),
		TEST(refusals_do_not_fill_the_log),
		TEST(one_more_than_the_limit_is_refused_and_served_later),
		TEST(ten_thousand_connections_are_served_where_allowed),
		TEST(ten_thousand_connections_are_refused_beyond_the_limit),
		TEST(running_out_of_descriptors_neither_spins_nor_lasts),
		TEST(another_user_is_refused),
		TEST(the_socket_file_has_the_mode_and_goes_at_the_end),
		TEST(only_a_stale_socket_is_replaced),
		TEST(what_cannot_work_is_refused_with_a_reason),
		TEST(a_passed_socket_is_listened_on_if_it_listens),
		TEST(failure_of_any_call_of_the_host_is_survived),
		TEST(vsock_works_or_says_that_the_kernel_has_none),
		TEST(vsock_address_that_is_not_there_is_refused_with_what_is_missing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("sink_socket_hostile", tests, NULL, NULL);
}
