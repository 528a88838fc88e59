/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch-guest and its host: hello, resume, cuts, gaps, other histories, hostile frames, the
 * configuration. test_guest_inject.c tests the injection of events. */
#include "guest_rig.h"

#define NOBODY 65534

#include <jansson.h>
#include <netinet/in.h>
#include <sys/stat.h>

/* Starts an agent that prints events and keeps its state. */
static void start_printing(struct guest_rig *rig, struct child *agent)
{
	AGENT(rig, agent, "--print", "--state", "%s/state", "--channel", "unix:%s/ch");
}

/* ---- hello ---- */

static void events_are_printed(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	int fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 5);
	host_event(fd, HW_CREATE, 6, "a\nb");
	host_move(fd, 7, "old", "new");
	host_event(fd, HW_RESCAN, 8, "");
	child_expect(&agent, "hello share \"projects\" epoch a1a2a3a4a5a6a7a8 seq 5\n"
			     "6 create file \"a\\nb\"\n"
			     "7 move file from \"old\" to \"new\"\n"
			     "8 rescan \"\"\n");
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void json_lines_are_json(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	json_t *line;
	char *at;
	int fd;

	host_listen(rig);
	AGENT(rig, &agent, "-p", "-j", "-l", "error", "-C", "unix:%s/ch");
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 0);
	host_event(fd, HW_MODIFY, 1, "a");
	child_expect(&agent, "\"modify\"");
	child_expect(&agent, "}\n{");
	at = strchr(agent.text, '\n');
	assert_non_null(at);
	child_expect(&agent, "\"path\":\"a\"}\n");
	line = json_loads(at + 1, JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "share")), "projects");
	assert_int_equal(json_integer_value(json_object_get(line, "seq")), 1);
	json_decref(line);
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGINT), 0);
}

static void another_share_is_refused(void **state)
{
	struct guest_rig *rig = *state;
	unsigned char asked[HW_FRAME_HELLO_BYTES + 5];
	struct child agent;
	int fd;

	host_listen(rig);
	AGENT(rig, &agent, "--print", "--share", "other", "--channel", "unix:%s/ch");
	assert_true(rig_wait(rig->listen_fd, POLLIN, rig_ms() + DEADLINE_MS));
	fd = accept4(rig->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	host_read(fd, asked, sizeof(asked));
	assert_memory_equal(asked + HW_FRAME_HELLO_BYTES, "other", 5);
	host_hello(fd, EPOCH_A, 0);
	child_expect(&agent, "the host sends share ");
	host_expect_close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

/* ---- resume ---- */

static void agent_resumes_after_a_cut(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	int fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 0);
	host_event(fd, HW_CREATE, 1, "a");
	host_event(fd, HW_CREATE, 2, "b");
	child_expect(&agent, "2 create");
	(void)close(fd);
	fd = host_accept(rig, EPOCH_A, 2);
	host_hello(fd, EPOCH_A, 3);
	host_event(fd, HW_CREATE, 2, "b"); /* sent before the cut */
	host_event(fd, HW_CREATE, 3, "c");
	child_expect(&agent, "3 create");
	assert_int_equal(child_count(&agent, "2 create"), 1);
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void agent_resumes_after_it_was_stopped(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	int fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 6);
	host_event(fd, HW_CREATE, 7, "a");
	child_expect(&agent, "7 create");
	assert_int_equal(child_end(&agent, SIGTERM), 0);
	(void)close(fd);
	start_printing(rig, &agent);
	(void)close(host_accept(rig, EPOCH_A, 7));
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

/* The history is saved before any of its events is reported, its numbers a moment later. */
static void agent_resumes_after_it_was_killed(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	uint64_t epoch, seq;
	int fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 6);
	child_expect(&agent, "hello");
	/* the agent reads the next event after it has saved the state */
	host_event(fd, HW_CREATE, 7, "a");
	child_expect(&agent, "7 create");
	assert_int_equal(child_end(&agent, SIGKILL), 256 + SIGKILL);
	(void)close(fd);
	start_printing(rig, &agent);
	(void)close(host_accept_any(rig, &epoch, &seq));
	assert_int_equal(epoch, EPOCH_A);
	assert_in_range(seq, 6, 7);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void files_beside_the_state_file_stay_as_they_are(void **state)
{
	struct guest_rig *rig = *state;
	char path[200], text[64] = "";
	struct child agent;
	FILE *file;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/state.part", rig->dir);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs("precious", file);
	(void)fclose(file);
	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 6);
	host_event(fd, HW_CREATE, 7, "a");
	child_expect(&agent, "7 create");
	assert_int_equal(child_end(&agent, SIGTERM), 0);
	(void)close(fd);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	(void)fclose(file);
	assert_string_equal(text, "precious");
}

static void state_of_another_boot_counts_for_nothing(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;

	host_listen(rig);
	rig_write(rig, "%s/state",
		  "hostwatch-guest-state-1 00000000-0000-0000-0000-000000000000\n"
		  "main a1a2a3a4a5a6a7a8 7\n");
	start_printing(rig, &agent);
	(void)close(host_accept(rig, 0, 0));
	assert_int_equal(child_end(&agent, SIGTERM), 0);
	assert_null(strstr(agent.text, "warning"));
}

static void garbage_in_the_state_file_is_told_and_counts_for_nothing(void **state)
{
	static const char *const garbage[] = { "hostwatch-guest-state-2 x\n",
					       "hostwatch-guest-state-1" };
	struct guest_rig *rig = *state;

	host_listen(rig);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct child agent;

		rig_write(rig, "%s/state", garbage[i]);
		start_printing(rig, &agent);
		(void)close(host_accept(rig, 0, 0));
		assert_int_equal(child_end(&agent, SIGTERM), 0);
		assert_non_null(strstr(agent.text, "is not a valid state of hostwatch-guest"));
	}
}

static void another_file_is_refused_as_state_and_left(void **state)
{
	static const char *const contents[] = { "x", "\n", "127.0.0.1 localhost\n" };
	struct guest_rig *rig = *state;
	char path[256], text[64];

	host_listen(rig);
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		struct child agent;
		FILE *file;

		rig_write(rig, "%s/state", contents[i]);
		start_printing(rig, &agent);
		assert_int_equal(child_status(&agent), 78);
		assert_non_null(strstr(agent.text, "is not a state of hostwatch-guest, and is left "
						   "as it is"));
		file = fopen(rig_path(rig, "%s/state", path), "re");
		assert_non_null(file);
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		(void)fclose(file);
		assert_string_equal(text, contents[i]);
	}
}

static void a_state_that_is_not_a_file_is_not_replaced(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	char path[256];
	struct stat st;
	int fd;

	host_listen(rig);
	assert_int_equal(mkfifo(rig_path(rig, "%s/state", path), 0600), 0);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 0);
	host_event(fd, HW_CREATE, 1, "a");
	child_expect(&agent, "1 create file \"a\"\n");
	assert_int_equal(child_end(&agent, SIGTERM), 0);
	(void)close(fd);
	assert_non_null(strstr(agent.text, "cannot write"));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

/* ---- gaps in the sequence ---- */

static void a_missing_event_is_asked_for(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	int fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 0);
	host_event(fd, HW_CREATE, 1, "a");
	host_event(fd, HW_CREATE, 3, "c");
	host_expect_close(fd);
	fd = host_accept(rig, EPOCH_A, 1);
	host_hello(fd, EPOCH_A, 3);
	host_event(fd, HW_CREATE, 2, "b");
	host_event(fd, HW_CREATE, 3, "c");
	child_expect(&agent, "2 create file \"b\"\n3 create file \"c\"\n");
	assert_non_null(
		strstr(agent.text, "events missing between 1 and 3; asking the host again"));
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

/* ---- log messages ---- */

static void its_state_is_logged_when_it_is_asked_for(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	int fd;

	AGENT(rig, &agent, "--print", "--channel", "unix:%s/ch");
	child_expect(&agent, "waiting for the host at");
	assert_int_equal(kill(agent.pid, SIGUSR1), 0);
	child_expect(&agent,
		     "[mount main] waiting for the host, event 0 of epoch 0000000000000000");
	host_listen(rig);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 5);
	host_event(fd, HW_CREATE, 6, "a");
	child_expect(&agent, "6 create");
	for (int i = 0; i < 2; i++)
		assert_int_equal(kill(agent.pid, SIGUSR1), 0);
	child_expect(&agent, "[mount main] connected, event 6 of epoch a1a2a3a4a5a6a7a8\n");
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void what_the_host_leaves_out_each_time_becomes_a_rescan(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	int fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 0);
	for (int i = 0; i < 2; i++) {
		host_event(fd, HW_CREATE, 5, "e");
		host_expect_close(fd);
		fd = host_accept(rig, EPOCH_A, 0);
		host_hello(fd, EPOCH_A, 5);
	}
	host_event(fd, HW_CREATE, 5, "e");
	child_expect(&agent, "4 rescan \"\"\n5 create file \"e\"\n");
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void another_history_begins_at_its_rescan(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	int fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 4);
	child_expect(&agent, "hello");
	(void)close(fd);
	fd = host_accept(rig, EPOCH_A, 4);
	host_hello(fd, EPOCH_B, 2);
	child_expect(&agent, "epoch b1b2");
	(void)close(fd); /* before the rescan, which must be sent again */
	fd = host_accept(rig, EPOCH_A, 4);
	host_hello(fd, EPOCH_B, 2);
	host_event(fd, HW_RESCAN, 2, "");
	child_expect(&agent, "2 rescan");
	(void)close(fd);
	fd = host_accept(rig, EPOCH_B, 2);
	host_hello(fd, EPOCH_B, 2);
	host_event(fd, HW_CREATE, 3, "c");
	child_expect(&agent, "3 create");
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

/* ---- hosts that misbehave ---- */

/* Each case changes one byte of a modify of "sub/b.". */
static const struct {
	const char *what;
	size_t at;
	unsigned char byte;
} hostile[] = {
	{ "a length that is too small", 0, 3 },
	{ "a length that is too large", 3, 0xff },
	{ "another code", 4, 1 },
	{ "unique", 9, 1 },
	{ "another version", 16, 2 },
	{ "kind 0", 18, 0 },
	{ "a kind that is not known", 18, 99 },
	{ "no type", 20, 0 },
	{ "flags", 22, 1 },
	{ "a from", 24, 1 },
	{ "a path of another length", 28, 200 },
	{ "sequence number is 0", 32, 0 },
	{ "reserved", 79, 1 },
	{ "a path with NUL", 80, 0 },
	{ "a path that begins with a slash", 80, '/' },
	{ "a path with an empty component", 84, '/' },
	{ "a path that goes up", 84, '.' },
};

static void bad_frames_end_the_connection_and_not_the_agent(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;

	host_listen(rig);
	start_printing(rig, &agent);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		int fd = host_accept(rig, i == 0 ? 0 : EPOCH_A, i);
		unsigned char buf[256];
		size_t len = event_bytes(buf, sizeof(buf), HW_MODIFY, i + 2, "sub/b.");

		host_hello(fd, EPOCH_A, i);
		host_event(fd, HW_MODIFY, i + 1, "good");
		buf[hostile[i].at] = hostile[i].byte;
		host_write(fd, buf, len);
		host_expect_close(fd);
	}
	assert_int_equal(child_end(&agent, SIGTERM), 0);
	assert_null(strstr(agent.text, "sub"));
}

static void what_is_no_hello_ends_the_connection(void **state)
{
	struct guest_rig *rig = *state;
	unsigned char buf[HW_FRAME_HELLO_MAX];
	const struct hw_frame_hello guest = { .role = HW_FUSE_GUEST };
	struct child agent;
	int n, fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_event(fd, HW_CREATE, 1, "a");
	host_expect_close(fd);
	fd = host_accept(rig, 0, 0);
	host_write(fd, "GET / HTTP/1.0\r\n\r\n", 18);
	host_expect_close(fd);
	fd = host_accept(rig, 0, 0);
	n = hw_frame_encode_hello(buf, sizeof(buf), CODE, &guest);
	assert_true(n > 0);
	host_write(fd, buf, (size_t)n);
	host_expect_close(fd);
	child_expect(&agent, "an event before the hello");
	child_expect(&agent, "bad frame from the host: length out of range");
	child_expect(&agent, "is also a guest");
	assert_int_equal(child_end(&agent, SIGTERM), 0);
	assert_null(strstr(agent.text, "create"));
}

static void frames_may_come_byte_by_byte(void **state)
{
	struct guest_rig *rig = *state;
	unsigned char buf[8192];
	struct child agent;
	size_t len;
	int fd;

	host_listen(rig);
	start_printing(rig, &agent);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 0);
	len = event_bytes(buf, sizeof(buf), HW_CREATE, 1, "slow");
	for (size_t i = 0; i < len; i++)
		host_write(fd, buf + i, 1);
	child_expect(&agent, "1 create file \"slow\"\n");
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

/* ---- other channels ---- */

/* Connects to the agent as soon as it listens. */
static int connect_to(const struct sockaddr_un *address, const struct child *agent)
{
	int64_t until = rig_ms() + DEADLINE_MS;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		assert_true(rig_ms() < until);
		(void)rig_wait(agent->out, POLLIN, rig_ms() + 20);
	}
	return fd;
}

static void agent_listens_where_a_dead_one_left_its_socket(void **state)
{
	struct guest_rig *rig = *state;
	struct sockaddr_un address;
	struct child agent;
	int fd;

	host_listen(rig); /* leaves the file of the socket */
	(void)close(rig->listen_fd);
	rig->listen_fd = -1;
	AGENT(rig, &agent, "--print", "--channel", "unix-listen:%s/ch");
	rig_address(rig, "ch", &address);
	fd = connect_to(&address, &agent);
	host_hello(fd, EPOCH_A, 0);
	host_event(fd, HW_CREATE, 1, "a");
	child_expect(&agent, "1 create");
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
	assert_int_equal(access(address.sun_path, F_OK), -1);
}

static void a_listening_agent_takes_no_other_user_for_the_host(void **state)
{
	struct guest_rig *rig = *state;
	struct sockaddr_un address;
	struct child agent;
	int fd;

	if (geteuid() != 0) {
		print_message("skipped: only root can connect as another user\n");
		skip();
	}
	assert_int_equal(chmod(rig->dir, 0711), 0);
	AGENT(rig, &agent, "--print", "--channel", "unix-listen:%s/ch");
	rig_address(rig, "ch", &address);
	(void)close(connect_to(&address, &agent));
	assert_int_equal(chmod(address.sun_path, 0666), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	fd = connect_to(&address, &agent);
	assert_int_equal(seteuid(0), 0);
	child_expect(&agent, "refused a connection: it is from another user; set secret = FILE");
	(void)close(fd);
	fd = connect_to(&address, &agent);
	host_hello(fd, EPOCH_A, 0);
	host_event(fd, HW_CREATE, 1, "a");
	child_expect(&agent, "1 create");
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void tcp_needs_a_secret_where_any_program_could_be_the_host(void **state)
{
	static const char *const channels[] = { "tcp-listen:127.0.0.1:0", "tcp:192.0.2.1:7000" };
	struct guest_rig *rig = *state;

	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
		struct child agent;

		AGENT(rig, &agent, "--print", "--channel", channels[i]);
		child_expect(&agent, "--secret: required for tcp-listen");
		assert_int_equal(child_status(&agent), 2);
	}
}

static void agent_connects_over_tcp(void **state)
{
	struct guest_rig *rig = *state;
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	struct child agent;
	char channel[64];
	int fd;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rig->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(rig->listen_fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(rig->listen_fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(listen(rig->listen_fd, 4), 0);
	(void)snprintf(channel, sizeof(channel), "tcp:127.0.0.1:%u", ntohs(address.sin_port));
	AGENT(rig, &agent, "--print", "--channel", channel);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 0);
	host_event(fd, HW_CREATE, 1, "a");
	child_expect(&agent, "1 create");
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void a_channel_that_is_not_there_is_waited_for(void **state)
{
	static const char *const channels[] = { "unix:%s/nobody", "virtio:org.hostwatch.none",
						"vsock:2:4040", "tcp:127.0.0.1:1" };
	struct guest_rig *rig = *state;

	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
		struct child agent;

		AGENT(rig, &agent, "--print", "--channel", channels[i]);
		child_expect(&agent, "waiting for the host at ");
		assert_int_equal(child_end(&agent, SIGTERM), 0);
		assert_int_equal(child_count(&agent, "waiting"), 1);
	}
}

/* ---- several mounts on one channel ---- */

static void two_mounts_of_a_channel_have_one_connection(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	char text[1024], ch[256];
	int fd;

	(void)rig_path(rig, "%s/ch", ch);
	(void)snprintf(text, sizeof(text),
		       "[guest]\nstate =\n"
		       "[mount a]\nchannel = unix:%s\ninject = print\n"
		       "[mount b]\nchannel = unix:%s\ninject = print\n",
		       ch, ch);
	rig_write(rig, "%s/g.conf", text);
	host_listen(rig);
	AGENT(rig, &agent, "--config", "%s/g.conf");
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 5);
	host_event(fd, HW_CREATE, 6, "x");
	child_expect(&agent, "6 create file \"x\"\n6 create file \"x\"\n");
	(void)close(fd);
	/* the next connection is that of the same link: it continues after what both have */
	fd = host_accept(rig, EPOCH_A, 6);
	(void)close(fd);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void mounts_of_a_channel_agree_on_what_belongs_to_it(void **state)
{
	static const char *const settings[][2] = {
		{ "share", "s" },
		{ "any_port", "yes" },
		{ "notify_code", "100" },
	};
	struct guest_rig *rig = *state;
	struct child agent;
	char text[512], wanted[128];

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       "[mount a]\npath = /a\nchannel = vsock-listen:1\n"
			       "[mount b]\npath = /b\nchannel = vsock-listen:1\n%s = %s\n",
			       settings[i][0], settings[i][1]);
		rig_write(rig, "%s/g.conf", text);
		AGENT(rig, &agent, "--check", "--config", "%s/g.conf");
		assert_int_equal(child_status(&agent), 78);
		(void)snprintf(wanted, sizeof(wanted),
			       "g.conf:7: %s: must be as in [mount a], which has the same channel",
			       settings[i][0]);
		if (!strstr(agent.text, wanted))
			fail_msg("no %s in:\n%s", wanted, agent.text);
	}
}

/* ---- configuration and command line ---- */

static void all_mistakes_are_told_with_their_lines(void **state)
{
	static const char *const wanted[] = {
		"g.conf:1: ",  "g.conf:3: ",  "g.conf:5: ",  "g.conf:6: ",  "g.conf:7: ",
		"g.conf:10: ", "g.conf:11: ", "g.conf:14: ", "g.conf:17: ",
	};
	struct guest_rig *rig = *state;
	struct child agent;

	rig_write(rig, "%s/g.conf",
		  "key = before\n" /* 1 */
		  "[guest]\n"
		  "log_level = loud\n" /* 3 */
		  "[mount a]\n"
		  "inject = guess\n" /* 5 */
		  "chanel = virtio:x\n" /* 6 */
		  "[mount]\n" /* 7 */
		  "[mount b]\n"
		  "path = /b\n"
		  "channel = virtio:../x\n" /* 10 */
		  "[mount c]\n" /* 11: no channel */
		  "path = /c\n"
		  "[mount d]\n"
		  "path = d\n" /* 14 */
		  "channel = vsock:2:1\n"
		  "[mount e]\n"
		  "compare_memory = lots\n"); /* 17 */
	AGENT(rig, &agent, "--config", "%s/g.conf");
	assert_int_equal(child_status(&agent), 78);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strstr(agent.text, wanted[i]))
			fail_msg("no %s in:\n%s", wanted[i], agent.text);
	assert_non_null(strstr(agent.text, "channel"));
	assert_int_equal(child_count(&agent, "g.conf:"), 9);
}

static void configurations_without_a_mount_and_without_a_file_are_refused(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;

	rig_write(rig, "%s/g.conf", "[guest]\nlog_level = info\n");
	AGENT(rig, &agent, "--check", "--config", "%s/g.conf");
	assert_int_equal(child_status(&agent), 78);
	assert_non_null(strstr(agent.text, "no [mount NAME] section"));
	AGENT(rig, &agent, "--config", "%s/none.conf");
	assert_int_equal(child_status(&agent), 78);
	assert_non_null(strstr(agent.text, "cannot open"));
}

static void sixty_four_mounts_are_the_limit(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	char text[8192];
	size_t len = 0;

	for (int i = 0; i < 64; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"[mount m%d]\npath = /m\nchannel = virtio:p%d\n", i, i);
	rig_write(rig, "%s/g.conf", text);
	AGENT(rig, &agent, "--check", "--config", "%s/g.conf");
	assert_int_equal(child_status(&agent), 0);
	(void)snprintf(text + len, sizeof(text) - len, "[mount m64]\npath = /m\n");
	rig_write(rig, "%s/g.conf", text);
	AGENT(rig, &agent, "--check", "--config", "%s/g.conf");
	assert_int_equal(child_status(&agent), 78);
	assert_non_null(strstr(agent.text, "g.conf:193: more than 64 mounts"));
}

static void the_example_is_right(void **state)
{
	struct child agent;

	AGENT(*state, &agent, "--check", "--config", "packaging/guest/guest.conf");
	assert_int_equal(child_status(&agent), 0);
}

static void a_wrong_command_line_names_the_mistake(void **state)
{
	static const struct {
		const char *words[8];
		const char *why;
	} bad[] = {
		{ { PROGRAM, "word" }, "\"word\": unexpected argument" },
		{ { PROGRAM, "--moutn" }, "\"--moutn\": no such option, did you mean --mount?" },
		{ { PROGRAM, "--mount", "/mnt" }, "--mount needs --channel" },
		{ { PROGRAM, "--share", "a" }, "--share needs --channel" },
		{ { PROGRAM, "--inject", "module" }, "--inject needs --channel" },
		{ { PROGRAM, "--inject", "foo" },
		  "--inject: \"foo\" is not one of module, touch, print" },
		{ { PROGRAM, "--log-level", "loud" }, "--log-level: \"loud\" is not one of " },
		{ { PROGRAM, "--config", "x", "--channel", "virtio:x" },
		  "--channel and --config exclude each other" },
		{ { PROGRAM, "--check", "--channel", "virtio:x" },
		  "--check reads a configuration" },
		{ { PROGRAM, "--channel", "bogus:x", "--mount", "/mnt" }, "--channel: expected " },
		{ { PROGRAM, "--channel", "virtio:x" }, "--mount: required, but not set" },
		{ { PROGRAM, "--channel", "virtio:x", "--mount", "mnt" },
		  "--mount: must be an absolute path" },
		{ { PROGRAM, "--channel", "virtio:x", "--print", "--inject", "touch" },
		  "--print and --inject exclude each other" },
		{ { PROGRAM, "--probe", "/mnt", "--print" }, "--probe goes with no other option" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct child agent;

		child_start(*state, &agent, bad[i].words);
		assert_int_equal(child_status(&agent), 2);
		if (!strstr(agent.text, bad[i].why))
			fail_msg("not '%s': %s", bad[i].why, agent.text);
		assert_non_null(strstr(agent.text, "Try 'hostwatch-guest --help'."));
	}
}

static void help_and_version_are_printed(void **state)
{
	struct child agent;

	AGENT(*state, &agent, "--help");
	assert_int_equal(child_status(&agent), 0);
	assert_non_null(strstr(agent.text, "--probe PATH"));
	AGENT(*state, &agent, "--version");
	assert_int_equal(child_status(&agent), 0);
	assert_memory_equal(agent.text, "hostwatch-guest ", 16);
}

static void the_man_page_tells_all_options(void **state)
{
	struct child agent;
	char page[65536] = "", option[64];
	FILE *file = fopen("docs/man/hostwatch-guest.8.scd", "re");
	unsigned count = 0;

	assert_non_null(file);
	assert_true(fread(page, 1, sizeof(page) - 1, file) > 0);
	assert_int_equal(fclose(file), 0);
	AGENT(*state, &agent, "--help");
	assert_int_equal(child_status(&agent), 0);
	for (const char *at = agent.text; (at = strstr(at, "  -")); at++) {
		const char *word = strstr(at, "--");

		(void)snprintf(option, sizeof(option), "*%.*s*",
			       (int)strspn(word, "-abcdefghijklmnopqrstuvwxyz"), word);
		if (!strstr(page, option))
			fail_msg("hostwatch-guest(8): no %s", option);
		count++;
	}
	assert_in_range(count, 13, 99);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(events_are_printed),
		TEST(json_lines_are_json),
		TEST(another_share_is_refused),
		TEST(agent_resumes_after_a_cut),
		TEST(agent_resumes_after_it_was_stopped),
		TEST(agent_resumes_after_it_was_killed),
		TEST(files_beside_the_state_file_stay_as_they_are),
		TEST(state_of_another_boot_counts_for_nothing),
		TEST(garbage_in_the_state_file_is_told_and_counts_for_nothing),
		TEST(another_file_is_refused_as_state_and_left),
		TEST(a_state_that_is_not_a_file_is_not_replaced),
		TEST(a_missing_event_is_asked_for),
		TEST(its_state_is_logged_when_it_is_asked_for),
		TEST(what_the_host_leaves_out_each_time_becomes_a_rescan),
		TEST(another_history_begins_at_its_rescan),
		TEST(bad_frames_end_the_connection_and_not_the_agent),
		TEST(what_is_no_hello_ends_the_connection),
		TEST(frames_may_come_byte_by_byte),
		TEST(agent_listens_where_a_dead_one_left_its_socket),
		TEST(a_listening_agent_takes_no_other_user_for_the_host),
		TEST(tcp_needs_a_secret_where_any_program_could_be_the_host),
		TEST(agent_connects_over_tcp),
		TEST(a_channel_that_is_not_there_is_waited_for),
		TEST(two_mounts_of_a_channel_have_one_connection),
		TEST(mounts_of_a_channel_agree_on_what_belongs_to_it),
		TEST(all_mistakes_are_told_with_their_lines),
		TEST(configurations_without_a_mount_and_without_a_file_are_refused),
		TEST(sixty_four_mounts_are_the_limit),
		TEST(the_example_is_right),
		TEST(a_wrong_command_line_names_the_mistake),
		TEST(help_and_version_are_printed),
		TEST(the_man_page_tells_all_options),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
