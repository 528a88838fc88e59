/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the daemon: start, reload by difference, the control socket, the service manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "activation.h"
#include "contend.h"
#include "control.h"
#include "core.h"
#include "instance.h"
#include "log.h"
#include "notify.h"
#include "tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PLUGINS HW_BUILD_DIR "/tests/plugins:" HW_BUILD_DIR "/plugins:" HW_BUILD_DIR "/sinks"
#define DEADLINE_NS (60 * HW_SEC)

struct fixture {
	struct hw_loop *loop;
	struct hw_core *core;
	struct hw_control *control; /* NULL: no control socket */
	struct hw_errors errors;
	char *dir;
	char file[256];
	const char *watcher; /* static; that of the shares */
	int notify; /* socket of the service manager */
	char notified[1024];
};

static int listen_for_notify(struct fixture *fixture)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", fixture->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
	return fd;
}

/* *state: the watcher; NULL: one without hints. */
static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->watcher = *state ? *state : "null";
	fixture->dir = tempdir_create();
	(void)snprintf(fixture->file, sizeof(fixture->file), "%s/conf", fixture->dir);
	assert_int_equal(mkdir(tempdir_path(fixture->dir, "a"), 0755), 0);
	assert_int_equal(mkdir(tempdir_path(fixture->dir, "b"), 0755), 0);
	fixture->notify = listen_for_notify(fixture);
	assert_int_equal(setenv(HW_PLUGIN_PATH_ENV, PLUGINS, 1), 0);
	hw_log_set_level(HW_LOG_ERROR);
	assert_int_equal(hw_loop_create(&fixture->loop), 0);
	assert_int_equal(hw_core_create(fixture->loop, fixture->file, &fixture->core), 0);
	*state = fixture;
	return 0;
}

static void stop(struct fixture *fixture)
{
	hw_core_destroy(fixture->core);
	hw_control_destroy(fixture->control);
	fixture->core = NULL;
	fixture->control = NULL;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	stop(fixture);
	hw_loop_destroy(fixture->loop);
	hw_errors_free(&fixture->errors);
	(void)close(fixture->notify);
	(void)unsetenv("NOTIFY_SOCKET");
	tempdir_remove(fixture->dir);
	free(fixture);
	return 0;
}

/* Writes the configuration; every @ becomes the temporary directory, every % the watcher. */
static void configure(struct fixture *fixture, const char *text)
{
	char out[4096];
	size_t used = 0;

	used = (size_t)snprintf(out, sizeof(out),
				"[hostwatch]\nlog_level = error\ncontrol = %s/ctl\n", fixture->dir);
	for (; *text; text++) {
		if (*text == '@' || *text == '%')
			used += (size_t)snprintf(out + used, sizeof(out) - used, "%s",
						 *text == '@' ? fixture->dir : fixture->watcher);
		else
			out[used++] = *text;
		assert_true(used < sizeof(out) - 1);
	}
	tempdir_write(fixture->dir, "conf", out, used);
}

/* Starts the core like the daemon does. */
static int launch(struct fixture *fixture, struct hw_core *core, struct hw_control **control)
{
	struct hw_errors *errors = &fixture->errors;
	int r = hw_core_load(core, errors);

	if (r == 0)
		r = hw_control_create(fixture->loop, core, hw_core_config(core)->control, errors,
				      control);
	return r < 0 ? r : hw_core_start(core, errors);
}

static void start(struct fixture *fixture, const char *text)
{
	configure(fixture, text);
	if (launch(fixture, fixture->core, &fixture->control) < 0)
		fail_msg("%s", fixture->errors.count ? fixture->errors.lines[0] : "not started");
}

/* The same. Skips the test if its watcher needs rights that are missing. */
static void start_watching(struct fixture *fixture, const char *text)
{
	configure(fixture, text);
	int r = launch(fixture, fixture->core, &fixture->control);

	if (r < 0 && strcmp(fixture->watcher, "null") != 0) {
		print_message("%s: %s\n", fixture->watcher, fixture->errors.lines[0]);
		skip();
	}
	assert_int_equal(r, 0);
}

static struct hw_share *share(struct fixture *fixture, const char *name)
{
	return hw_core_find_share(fixture->core, name);
}

static uint64_t deadline(const struct fixture *fixture)
{
	return hw_loop_now_ns(fixture->loop) + DEADLINE_NS;
}

static void turn(struct fixture *fixture, uint64_t until_ns)
{
	assert_true(hw_loop_now_ns(fixture->loop) < until_ns);
	hw_loop_turn(fixture->loop, 20);
}

static void wait_online(struct fixture *fixture)
{
	uint64_t until_ns = deadline(fixture);
	struct hw_share *each;

	for (size_t i = 0; (each = hw_core_share(fixture->core, i)); i++) {
		while (hw_share_state(each) != HW_SHARE_ONLINE)
			turn(fixture, until_ns);
	}
}

/* Returns the messages that the service manager has received since the last call, one per line. */
static const char *notified(struct fixture *fixture)
{
	size_t used = 0;
	ssize_t n;

	while ((n = recv(fixture->notify, fixture->notified + used,
			 sizeof(fixture->notified) - used - 2, 0)) > 0) {
		used += (size_t)n;
		fixture->notified[used++] = '\n';
	}
	fixture->notified[used] = '\0';
	return fixture->notified;
}

static const char two_shares[] = "[share a]\npath = @/a\nwatcher = null\n"
				 "[share b]\npath = @/b\nwatcher = null\n"
				 "[sink s]\nplugin = nowhere\naddress = x\nshares = a\n";

static void ready_is_told_when_all_shares_are_online(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, two_shares);
	assert_null(strstr(notified(fixture), "READY"));
	wait_online(fixture);
	assert_string_equal(notified(fixture), "STATUS=2 of 2 shares online, 1 sink\nREADY=1\n");
}

static void a_reload_without_changes_restarts_nothing(void **state)
{
	struct fixture *fixture = *state;
	uint64_t epoch;
	struct hw_sink *sink;

	start(fixture, two_shares);
	wait_online(fixture);
	(void)notified(fixture);
	epoch = hw_share_epoch(share(fixture, "a"));
	sink = hw_core_sink(fixture->core, 0);
	configure(fixture, two_shares);
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), 0);
	assert_true(hw_share_epoch(share(fixture, "a")) == epoch);
	assert_ptr_equal(hw_core_sink(fixture->core, 0), sink);
	assert_int_equal(strncmp(notified(fixture), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	assert_non_null(strstr(fixture->notified, "READY=1\n"));
}

static void a_reload_changes_what_differs(void **state)
{
	struct fixture *fixture = *state;
	uint64_t epoch_a, epoch_b;

	start(fixture, two_shares);
	wait_online(fixture);
	epoch_a = hw_share_epoch(share(fixture, "a"));
	epoch_b = hw_share_epoch(share(fixture, "b"));
	configure(fixture, "[share a]\npath = @/a\nwatcher = null\n"
			   "[share b]\npath = @/b\nwatcher = null\nsettle = 10ms\n"
			   "[share c]\npath = @\nwatcher = null\n"
			   "[sink t]\nplugin = nowhere\naddress = x\n");
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), 0);
	wait_online(fixture);
	assert_true(hw_share_epoch(share(fixture, "a")) == epoch_a);
	assert_true(hw_share_epoch(share(fixture, "b")) != epoch_b);
	assert_non_null(share(fixture, "c"));
	assert_string_equal(hw_sink_instance(hw_core_sink(fixture->core, 0))->name, "t");
	assert_null(hw_core_sink(fixture->core, 1));
}

static void a_watcher_section_that_changes_restarts_its_shares(void **state)
{
	struct fixture *fixture = *state;
	uint64_t epoch_a, epoch_b;

	start(fixture, "[watcher w]\nplugin = null\n[share a]\npath = @/a\nwatcher = w\n"
		       "[share b]\npath = @/b\nwatcher = null\n");
	wait_online(fixture);
	epoch_a = hw_share_epoch(share(fixture, "a"));
	epoch_b = hw_share_epoch(share(fixture, "b"));
	configure(fixture,
		  "[watcher w]\nplugin = null\ninterval = 2s\n"
		  "[share a]\npath = @/a\nwatcher = w\n[share b]\npath = @/b\nwatcher = null\n");
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), 0);
	assert_true(hw_share_epoch(share(fixture, "a")) != epoch_a);
	assert_true(hw_share_epoch(share(fixture, "b")) == epoch_b);
}

static void a_broken_file_changes_nothing(void **state)
{
	static const char *const broken[] = {
		"[share a]\npath = /nonexistent\nwatcher = null\n",
		("[share a]\npath = @/a\nwatcher = null\n"
		 "[sink s]\nplugin = nowhere\naddress = x\nfail = open\n"),
		"nonsense\n",
		"",
	};
	struct fixture *fixture = *state;
	struct hw_share *a;
	struct hw_sink *sink;

	start(fixture, two_shares);
	wait_online(fixture);
	a = share(fixture, "a");
	sink = hw_core_sink(fixture->core, 0);
	hw_log_set_journal(false);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		configure(fixture, broken[i]);
		assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), -EINVAL);
		assert_true(fixture->errors.count > 0);
		hw_errors_free(&fixture->errors);
		assert_ptr_equal(share(fixture, "a"), a);
		assert_non_null(share(fixture, "b"));
		assert_ptr_equal(hw_core_sink(fixture->core, 0), sink);
		assert_int_equal(hw_share_state(a), HW_SHARE_ONLINE);
	}
	assert_int_equal(unlink(fixture->file), 0);
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), -ENOENT);
	assert_ptr_equal(share(fixture, "a"), a);
}

static void a_sink_that_does_not_start_brings_the_old_ones_back(void **state)
{
	struct fixture *fixture = *state;
	uint64_t epoch;

	start(fixture, two_shares);
	wait_online(fixture);
	epoch = hw_share_epoch(share(fixture, "a"));
	configure(fixture, "[share a]\npath = @/a\nwatcher = null\n"
			   "[sink s]\nplugin = nowhere\naddress = x\nfail = start\n");
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), -EADDRINUSE);
	assert_string_equal(fixture->errors.lines[0], "sink s: fail = start");
	wait_online(fixture);
	assert_true(hw_share_epoch(share(fixture, "a")) == epoch);
	assert_non_null(share(fixture, "b"));
	assert_non_null(hw_core_sink(fixture->core, 0));
}

/* ---- sinks with addresses ---- */

static struct sockaddr_un address_of(struct fixture *fixture, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", fixture->dir, name);
	return address;
}

/* Another program listens at this address. */
static int occupy(struct fixture *fixture, const char *name)
{
	struct sockaddr_un address = address_of(fixture, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

struct subscriber {
	int fd;
	size_t used;
	bool over; /* the sink has closed the connection */
	char text[4096];
};

static void take(struct subscriber *subscriber)
{
	ssize_t n;

	while ((n = recv(subscriber->fd, subscriber->text + subscriber->used,
			 sizeof(subscriber->text) - subscriber->used - 1, 0)) > 0)
		subscriber->used += (size_t)n;
	subscriber->text[subscriber->used] = '\0';
	subscriber->over = n == 0;
}

static void wait_text(struct fixture *fixture, struct subscriber *subscriber, const char *text)
{
	uint64_t until_ns = deadline(fixture);

	for (take(subscriber); !strstr(subscriber->text, text); take(subscriber)) {
		assert_false(subscriber->over);
		turn(fixture, until_ns);
	}
}

static void subscribe(struct fixture *fixture, const char *name, struct subscriber *ret)
{
	struct sockaddr_un address = address_of(fixture, name);

	*ret = (struct subscriber){ .fd = socket(AF_UNIX,
						 SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
	assert_int_equal(connect(ret->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	wait_text(fixture, ret, "{\"hello\":");
}

static bool is_listened_on(struct fixture *fixture, const char *name)
{
	struct sockaddr_un address = address_of(fixture, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	(void)close(fd);
	return yes;
}

#define WATCHED "[share a]\npath = @/a\nwatcher = inotify\n"
#define ON(name, address)                                                                          \
	"[sink " name "]\nplugin = socket\nformat = json\nlisten = unix:@/" address "\n"

/* A change is reported on the existing connection. */
static void assert_is_served(struct fixture *fixture, struct subscriber *subscriber)
{
	wait_online(fixture);
	tempdir_write(fixture->dir, "a/file", "x", 1);
	wait_text(fixture, subscriber, "\"create\"");
	(void)close(subscriber->fd);
}

static void a_sink_that_does_not_start_leaves_the_old_ones_their_connections(void **state)
{
	struct fixture *fixture = *state;
	struct subscriber of_s, of_t;
	int other;

	start(fixture, WATCHED ON("s", "s.sock") ON("t", "t.sock"));
	wait_online(fixture);
	subscribe(fixture, "s.sock", &of_s);
	subscribe(fixture, "t.sock", &of_t);
	other = occupy(fixture, "taken.sock");
	/* s changes, t is removed, u is new: nothing of this may happen. */
	configure(fixture, WATCHED ON("s", "taken.sock") ON("u", "u.sock"));
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), -EADDRINUSE);
	assert_non_null(strstr(fixture->errors.lines[0], "sink s: "));
	assert_false(is_listened_on(fixture, "u.sock"));
	assert_is_served(fixture, &of_s);
	assert_int_equal(unlink(tempdir_path(fixture->dir, "a/file")), 0);
	assert_is_served(fixture, &of_t);
	(void)close(other);
}

static void a_share_that_does_not_start_leaves_the_sinks_their_connections(void **state)
{
	struct fixture *fixture = *state;
	struct subscriber subscriber;

	start(fixture, WATCHED ON("s", "s.sock"));
	wait_online(fixture);
	subscribe(fixture, "s.sock", &subscriber);
	configure(fixture, "[watcher w]\nplugin = null\nrefuse = yes\n" WATCHED
			   "[share b]\npath = @/b\nwatcher = w\n" ON("s", "new.sock"));
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), -ENODEV);
	assert_null(share(fixture, "b"));
	assert_false(is_listened_on(fixture, "new.sock"));
	assert_is_served(fixture, &subscriber);
}

static void a_sink_may_take_the_address_of_one_that_ends(void **state)
{
	static const char *const next[] = {
		WATCHED ON("s", "s.sock") "mode = 0660\n", /* changed, with the same address */
		WATCHED ON("t", "s.sock"), /* renamed */
		WATCHED ON("t", "./s.sock"), /* address written differently */
		WATCHED "settle = 10ms\n" ON("t", "s.sock"), /* because its share changes */
	};
	struct fixture *fixture = *state;
	struct subscriber subscriber;

	start(fixture, WATCHED ON("s", "s.sock"));
	wait_online(fixture);
	for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		configure(fixture, next[i]);
		assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), 0);
		wait_online(fixture);
		subscribe(fixture, "s.sock", &subscriber);
		(void)close(subscriber.fd);
	}
}

/* The old sink ends, to release its address, before the new one finds that its other address is in
 * use. */
static void a_sink_that_keeps_its_address_and_does_not_start_is_brought_back(void **state)
{
	struct fixture *fixture = *state;
	struct subscriber of_s, of_t;
	uint64_t epoch;
	int other;

	start(fixture, WATCHED ON("s", "s.sock") ON("t", "t.sock"));
	wait_online(fixture);
	epoch = hw_share_epoch(share(fixture, "a"));
	subscribe(fixture, "t.sock", &of_t);
	other = occupy(fixture, "taken.sock");
	configure(fixture, WATCHED ON("s", "s.sock") "listen = unix:@/taken.sock\n");
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), -EADDRINUSE);
	assert_true(hw_share_epoch(share(fixture, "a")) == epoch);
	subscribe(fixture, "s.sock", &of_s);
	assert_is_served(fixture, &of_t);
	(void)close(of_s.fd);
	(void)close(other);
}

/* The other sinks must be restored nevertheless. */
static void what_cannot_be_brought_back_is_tried_by_the_next_reload(void **state)
{
	struct fixture *fixture = *state;
	int other;

	start(fixture, WATCHED ON("s", "s.sock") ON("t", "t.sock"));
	wait_online(fixture);
	/* The name of the socket is removed, and another program listens at it. */
	assert_int_equal(unlink(tempdir_path(fixture->dir, "s.sock")), 0);
	other = occupy(fixture, "s.sock");
	configure(fixture, WATCHED "settle = 10ms\n" ON("s", "s.sock") ON("t", "t.sock"));
	(void)notified(fixture);
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), -EADDRINUSE);
	wait_online(fixture);
	assert_non_null(strstr(notified(fixture), "READY=1\n"));
	assert_true(is_listened_on(fixture, "t.sock"));
	assert_null(hw_core_sink(fixture->core, 1));
	(void)close(other);
	hw_errors_free(&fixture->errors);
	assert_int_equal(hw_core_reload(fixture->core, &fixture->errors), 0);
	assert_non_null(hw_core_sink(fixture->core, 1));
}

static void sinks_contend_for_ports_and_paths(void **state)
{
	static const struct {
		const char *one, *other;
		bool contend;
	} pairs[] = {
		{ "tcp:127.0.0.1:4040", "tcp:127.0.0.1:4041", false },
		{ "tcp:127.0.0.1:4040", "tcp:0.0.0.0:4040", true },
		{ "unix:/tmp/one", "unix:/tmp/other", false },
		{ "unix:/tmp/one", "unix-listen:/tmp/one", true },
		{ "unix:/tmp", "unix:/tmp/../tmp/.", true },
		{ "/tmp/one", "unix:/tmp/one", true },
		{ "/tmp/one", "tcp:127.0.0.1:4040", false },
		{ "a word", "tcp:127.0.0.1:4040", false },
		{ "a word", "a word", true },
	};
	/* Values of mode are equal, but are not addresses. */
	static const struct hw_option mode = { .key = "mode" };
	static const struct hw_option listen = { .key = "listen", .flags = HW_OPTION_ADDRESS };
	static const struct hw_option channel = { .key = "channel", .flags = HW_OPTION_ADDRESS };
	static const struct hw_option *const options[] = { &mode, &listen, &channel };
	static const struct hw_module module = { .plugin = { .options = options,
							     .option_count = 3 } };

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct hw_setting one[] = { { "mode", "0660" }, { "listen", pairs[i].one } };
		struct hw_setting other[] = { { "mode", "0660" }, { "channel", pairs[i].other } };
		const struct hw_config_plugin a = { .module = &module,
						    .settings = one,
						    .count = 2 };
		const struct hw_config_plugin b = { .module = &module,
						    .settings = other,
						    .count = 2 };

		if (hw_sinks_contend(&a, &b) != pairs[i].contend ||
		    hw_sinks_contend(&b, &a) != pairs[i].contend)
			fail_msg("%s, %s", pairs[i].one, pairs[i].other);
	}
}

/* ---- a reload and the service manager ---- */

static unsigned count_told(const char *text, const char *what)
{
	unsigned count = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		count++;
	}
	return count;
}

/* RELOADING, then READY once, whether the reload succeeds or not. */
static void the_end_of_a_reload_is_told_once(void **state)
{
	static const struct {
		const char *what, *text;
		int result;
	} reloads[] = {
		{ "nothing differs", two_shares, 0 },
		{ "mistakes", "nonsense\n", -EINVAL },
		{ "a sink that does not start",
		  "[share a]\npath = @/a\nwatcher = null\n"
		  "[sink s]\nplugin = nowhere\naddress = x\nfail = start\n",
		  -EADDRINUSE },
		{ "a share that does not start",
		  "[watcher w]\nplugin = null\nrefuse = yes\n"
		  "[share a]\npath = @/a\nwatcher = w\n",
		  -ENODEV },
		{ "a share more",
		  "[share a]\npath = @/a\nwatcher = null\n"
		  "[share b]\npath = @/b\nwatcher = null\n"
		  "[share c]\npath = @\nwatcher = null\n",
		  0 },
	};
	struct fixture *fixture = *state;

	start(fixture, two_shares);
	wait_online(fixture);
	for (size_t i = 0; i < sizeof(reloads) / sizeof(reloads[0]); i++) {
		const char *told;

		(void)notified(fixture);
		configure(fixture, reloads[i].text);
		assert_int_equal(hw_core_reload(fixture->core, &fixture->errors),
				 reloads[i].result);
		wait_online(fixture);
		hw_loop_turn(fixture->loop, 0); /* further messages would be sent by now */
		told = notified(fixture);
		if (strncmp(told, "RELOADING=1\n", 12) != 0 ||
		    count_told(told, "RELOADING=1\n") != 1 || count_told(told, "READY=1\n") != 1)
			fail_msg("%s: %s", reloads[i].what, told);
	}
}

static void a_start_that_fails_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "[share a]\npath = @/a\nwatcher = null\n"
			   "[sink s]\nplugin = nowhere\naddress = x\nfail = start\n");
	assert_int_equal(launch(fixture, fixture->core, &fixture->control), -EADDRINUSE);
	assert_null(hw_core_share(fixture->core, 0));
	assert_null(hw_core_sink(fixture->core, 0));
}

static void check_calls_open_and_tells_the_line(void **state)
{
	struct fixture *fixture = *state;
	char expected[512];

	configure(fixture, "[share a]\npath = @/a\nwatcher = null\n"
			   "[sink s]\nplugin = nowhere\naddress = x\nfail = open\n");
	assert_int_equal(hw_core_check(fixture->core, &fixture->errors, NULL), -EINVAL);
	(void)snprintf(expected, sizeof(expected), "%s:10: [sink s] fail = open: as asked",
		       fixture->file);
	assert_string_equal(fixture->errors.lines[0], expected);
	assert_int_equal(access(tempdir_path(fixture->dir, "ctl"), F_OK), -1);
}

/* ---- the control socket ---- */

static int connect_control(struct fixture *fixture)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/ctl", fixture->dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
}

/* Returns everything received until the daemon closes. */
static const char *read_answer(struct fixture *fixture, int fd)
{
	static char answer[16384];
	uint64_t until_ns = deadline(fixture);
	size_t used = 0;
	ssize_t n = -1;

	while (n != 0) {
		n = recv(fd, answer + used, sizeof(answer) - used - 1, 0);
		if (n > 0)
			used += (size_t)n;
		else if (n < 0)
			turn(fixture, until_ns);
	}
	answer[used] = '\0';
	(void)close(fd);
	return answer;
}

static const char *ask(struct fixture *fixture, const char *bytes, size_t len)
{
	int fd = connect_control(fixture);

	say(fd, bytes, len);
	return read_answer(fixture, fd);
}

static const char *ask_line(struct fixture *fixture, const char *line)
{
	return ask(fixture, line, strlen(line));
}

static void status_tells_shares(void **state)
{
	struct fixture *fixture = *state;
	const char *answer;

	start(fixture, two_shares);
	wait_online(fixture);
	answer = ask_line(fixture, "status\n");
	assert_int_equal(strncmp(answer, "share\tname=a\tpath=", 18), 0);
	assert_non_null(strstr(answer, "\tstate=online\tbackend=null\t"));
	assert_non_null(strstr(answer, "\nshare\tname=b\t"));
	/* Nothing of the 16 MiB is used yet. */
	assert_non_null(strstr(answer, "\tjournal_bytes=0"));
	assert_non_null(strstr(answer, "\nok\tversion=" HW_VERSION "\tpid="));
}

static void several_commands_are_answered_in_order(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, two_shares);
	wait_online(fixture);
	assert_string_equal(ask_line(fixture, "reload\nsync nonesuch\nnonsense\n\nswitch a\n"),
			    "change\tkind=share\tname=a\tchange=kept\n"
			    "change\tkind=share\tname=b\tchange=kept\n"
			    "change\tkind=sink\tname=s\tchange=kept\n"
			    "ok\n"
			    "error\ttext=there is no share \"nonesuch\"\n"
			    "error\ttext=no such command; expected status, sync SHARE, switch "
			    "SHARE WATCHERS or reload\n"
			    "error\ttext=no such command; expected status, sync SHARE, switch "
			    "SHARE WATCHERS or reload\n"
			    "error\ttext=no such command; expected status, sync SHARE, switch "
			    "SHARE WATCHERS or reload\n");
}

static void sync_and_switch_answer_when_done(void **state)
{
	struct fixture *fixture = *state;
	char expected[128];
	const char *answer;
	uint64_t epoch;

	start(fixture, "[watcher other]\nplugin = null\n[share a]\npath = @/a\nwatcher = null\n");
	wait_online(fixture);
	epoch = hw_share_epoch(share(fixture, "a"));
	(void)snprintf(expected, sizeof(expected),
		       "ok\tseq=0\tepoch=%016llx\nok\tfrom=null\tto=other\tentries=0\tevents=0\t",
		       (unsigned long long)epoch);
	answer = ask_line(fixture, "sync a\nswitch a other\n");
	assert_int_equal(strncmp(answer, expected, strlen(expected)), 0);
	assert_non_null(strstr(ask_line(fixture, "status\n"), "\tbackend=other\t"));
	assert_true(hw_share_epoch(share(fixture, "a")) == epoch);
	assert_string_equal(ask_line(fixture, "switch a nul\n"),
			    "error\ttext=no watcher named \"nul\", did you mean \"null\"?\n");
}

static void long_commands_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char line[2 * HW_CONTROL_REQUEST_MAX];

	start(fixture, two_shares);
	memset(line, 'x', sizeof(line));
	line[HW_CONTROL_REQUEST_MAX - 1] = '\n';
	assert_string_equal(ask(fixture, line, HW_CONTROL_REQUEST_MAX),
			    "error\ttext=no such command; expected status, sync SHARE, switch "
			    "SHARE WATCHERS or reload\n");
	line[HW_CONTROL_REQUEST_MAX - 1] = 'x';
	assert_string_equal(ask(fixture, line, sizeof(line)),
			    "error\ttext=the command is too long\n");
}

static void peers_that_leave_or_say_half_do_no_harm(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, two_shares);
	wait_online(fixture);
	for (unsigned i = 0; i < 100; i++) {
		int fd = connect_control(fixture);

		assert_int_equal(send(fd, "sync a\nsync b\nstat", i % 19, MSG_NOSIGNAL), i % 19);
		(void)close(fd);
		hw_loop_turn(fixture->loop, 0);
	}
	assert_non_null(strstr(ask_line(fixture, "status\n"), "\nok\t"));
}

/* ---- shares that go while somebody waits for them ---- */

#define WITHOUT_B                                                                                  \
	"[watcher other]\nplugin = null\n"                                                         \
	"[watcher inode-marks]\nplugin = fanotify\nmark = inode\n"                                 \
	"[share a]\npath = @/a\nwatcher = %\n"
#define WITH_B(dir) WITHOUT_B "[share b]\npath = @/" dir "\nwatcher = %\n"

static void a_share_that_goes_answers_who_waits_for_it(void **state)
{
	struct fixture *fixture = *state;
	const char *answer;

	start_watching(fixture, WITH_B("b"));
	wait_online(fixture);
	configure(fixture, WITHOUT_B);
	answer = ask_line(fixture, "sync b\nreload\nsync b\n");
	assert_non_null(strstr(answer, "ok\nerror\ttext=there is no share \"b\"\n"));
}

/* `commands` wait while another peer reloads this configuration: both are read in one iteration of
 * the loop, which ends before they do. Returns the answers to the commands. */
static const char *answers_beside_reload(struct fixture *fixture, const char *commands,
					 const char *configuration)
{
	int waiting, reloading;

	assert_int_equal(mkdir(tempdir_path(fixture->dir, "c"), 0755), 0);
	start_watching(fixture, WITH_B("b"));
	wait_online(fixture);
	waiting = connect_control(fixture);
	reloading = connect_control(fixture);
	assert_non_null(strstr(ask_line(fixture, "status\n"), "\nok\t")); /* this connection was
									   * accepted last */
	configure(fixture, configuration);
	say(waiting, commands, strlen(commands));
	say(reloading, "reload\n", 7);
	assert_non_null(strstr(read_answer(fixture, reloading), "\nok\n"));
	return read_answer(fixture, waiting);
}

static void expect_answer(const char *answer, const char *expected)
{
	if (strncmp(answer, expected, strlen(expected)))
		assert_string_equal(answer, expected);
}

static void removing_a_share_ends_a_sync_of_another_peer(void **state)
{
	expect_answer(answers_beside_reload(*state, "sync b\nsync a\n", WITHOUT_B),
		      "error\ttext=the share was removed\nok\tseq=0\t");
}

/* The new share of this name does not answer for the old one. */
static void another_path_of_a_share_ends_a_sync_of_another_peer(void **state)
{
	expect_answer(answers_beside_reload(*state, "sync b\nsync a\n", WITH_B("c")),
		      "error\ttext=the share was removed\nok\tseq=0\t");
}

static void removing_a_share_ends_a_switch_of_another_peer(void **state)
{
	expect_answer(answers_beside_reload(*state, "switch b other\nsync a\n", WITHOUT_B),
		      "error\ttext=the share was removed\nok\tseq=0\t");
}

/* No answer says that everything was reported. */
static void the_end_of_the_daemon_ends_a_sync(void **state)
{
	struct fixture *fixture = *state;
	char answer[256] = "";
	int waiting;
	ssize_t n;

	start(fixture, two_shares);
	wait_online(fixture);
	waiting = connect_control(fixture);
	assert_non_null(strstr(ask_line(fixture, "status\n"), "\nok\t"));
	say(waiting, "sync b\n", 7);
	hw_loop_turn(fixture->loop, 20); /* the command is read, and waits */
	hw_control_destroy(fixture->control);
	fixture->control = NULL;
	n = recv(waiting, answer, sizeof(answer) - 1, 0);
	assert_true(n <= 0 || strncmp(answer, "ok", 2) != 0);
	(void)close(waiting);
}

static void the_socket_is_the_owners(void **state)
{
	struct fixture *fixture = *state;
	struct hw_control *control = NULL;
	struct hw_core *second;
	struct stat st;

	start(fixture, two_shares);
	assert_int_equal(stat(tempdir_path(fixture->dir, "ctl"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(hw_core_create(fixture->loop, fixture->file, &second), 0);
	assert_int_equal(launch(fixture, second, &control), -EADDRINUSE);
	assert_non_null(strstr(fixture->errors.lines[0], "another hostwatchd is listening there"));
	assert_null(control);
	hw_core_destroy(second);
	assert_int_equal(stat(tempdir_path(fixture->dir, "ctl"), &st), 0);
}

static void a_dead_daemons_socket_is_replaced_and_a_file_is_not(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/ctl", fixture->dir);
	tempdir_write(fixture->dir, "ctl", "x", 1);
	configure(fixture, two_shares);
	assert_int_equal(launch(fixture, fixture->core, &fixture->control), -EINVAL);
	assert_non_null(strstr(fixture->errors.lines[0], "exists and is not a socket"));
	assert_int_equal(unlink(address.sun_path), 0);
	stop(fixture);
	assert_int_equal(hw_core_create(fixture->loop, fixture->file, &fixture->core), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd);
	start(fixture, two_shares);
	stop(fixture);
	assert_int_equal(access(address.sun_path, F_OK), -1);
}

/* ---- stopping ---- */

static void draining_ends_the_loop(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, two_shares);
	wait_online(fixture);
	(void)notified(fixture);
	hw_core_drain(fixture->core);
	hw_core_drain(fixture->core);
	assert_int_equal(hw_loop_run(fixture->loop), 0);
	assert_string_equal(notified(fixture), "STOPPING=1\n");
}

static void passed_descriptors_have_names(void **state)
{
	char pid[32];

	(void)state;
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	assert_int_equal(hw_activation_fd("x"), -ENOENT);
	(void)setenv("LISTEN_PID", "1", 1);
	(void)setenv("LISTEN_FDS", "3", 1);
	(void)setenv("LISTEN_FDNAMES", "none:out:none", 1);
	assert_int_equal(hw_activation_fd("out"), -ENOENT);
	(void)setenv("LISTEN_PID", pid, 1);
	assert_int_equal(dup2(0, 4), 4);
	assert_int_equal(hw_activation_fd("out"), 4);
	assert_int_equal(fcntl(4, F_GETFD), FD_CLOEXEC);
	assert_int_equal(hw_activation_fd("ou"), -ENOENT);
	(void)setenv("LISTEN_FDS", "1", 1);
	assert_int_equal(hw_activation_fd("out"), -ENOENT);
	(void)close(4);
	(void)unsetenv("LISTEN_PID");
}

#define CORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#define WATCHER_TEST(fn, watcher)                                                                  \
	{                                                                                          \
#fn "/" watcher, fn, setup, teardown, (void *)(uintptr_t)(watcher)                 \
	}
#define WATCHER_TESTS(fn)                                                                          \
	WATCHER_TEST(fn, "null"), WATCHER_TEST(fn, "inotify"), WATCHER_TEST(fn, "fanotify"),       \
		WATCHER_TEST(fn, "inode-marks"), WATCHER_TEST(fn, "polling")

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(passed_descriptors_have_names),
		CORE_TEST(ready_is_told_when_all_shares_are_online),
		CORE_TEST(a_reload_without_changes_restarts_nothing),
		CORE_TEST(a_reload_changes_what_differs),
		CORE_TEST(a_watcher_section_that_changes_restarts_its_shares),
		CORE_TEST(a_broken_file_changes_nothing),
		CORE_TEST(a_sink_that_does_not_start_brings_the_old_ones_back),
		CORE_TEST(a_sink_that_does_not_start_leaves_the_old_ones_their_connections),
		CORE_TEST(a_share_that_does_not_start_leaves_the_sinks_their_connections),
		CORE_TEST(a_sink_may_take_the_address_of_one_that_ends),
		CORE_TEST(a_sink_that_keeps_its_address_and_does_not_start_is_brought_back),
		CORE_TEST(what_cannot_be_brought_back_is_tried_by_the_next_reload),
		cmocka_unit_test(sinks_contend_for_ports_and_paths),
		CORE_TEST(the_end_of_a_reload_is_told_once),
		CORE_TEST(a_start_that_fails_leaves_nothing),
		CORE_TEST(check_calls_open_and_tells_the_line),
		CORE_TEST(status_tells_shares),
		CORE_TEST(several_commands_are_answered_in_order),
		CORE_TEST(sync_and_switch_answer_when_done),
		CORE_TEST(long_commands_are_refused),
		CORE_TEST(peers_that_leave_or_say_half_do_no_harm),
		WATCHER_TESTS(a_share_that_goes_answers_who_waits_for_it),
		WATCHER_TESTS(removing_a_share_ends_a_sync_of_another_peer),
		WATCHER_TESTS(another_path_of_a_share_ends_a_sync_of_another_peer),
		WATCHER_TESTS(removing_a_share_ends_a_switch_of_another_peer),
		CORE_TEST(the_end_of_the_daemon_ends_a_sync),
		CORE_TEST(the_socket_is_the_owners),
		CORE_TEST(a_dead_daemons_socket_is_replaced_and_a_file_is_not),
		CORE_TEST(draining_ends_the_loop),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
