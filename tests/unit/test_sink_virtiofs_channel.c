/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The channels to a guest: which side connects and which listens, missing peers, and refused
 * addresses. */
#include "virtiofs_guest.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <hostwatch/auth.h>
#include <linux/vm_sockets.h>
#include <poll.h>

static void must_start(struct rig *rig, int r)
{
	if (r < 0)
		fail_msg("%s%s", rig->reason, rig->log);
}

static void expect_live(struct rig *rig, struct guest *guest)
{
	guest_expect_hello(rig, guest, rig->epoch, rig->seq);
	guest_say_hello(guest, EPOCH_A, rig->seq);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, rig->seq, rig->seq);
}

/* ---- unix, the sink connects ---- */

static void sink_connects_to_a_listening_vmm(void **state)
{
	struct rig *rig = *state;
	int listen_fd = rig_listen(rig, "s");
	struct guest *guest;

	must_start(rig, RIG_START(rig, "channel=unix:%s/s"));
	guest = guest_accept(rig, listen_fd);
	expect_live(rig, guest);
	guest_close(guest);
	rig_unlisten(rig, listen_fd, "s");
}

static void sink_waits_for_a_vmm_that_is_not_there_yet(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;
	int listen_fd;

	must_start(rig, RIG_START(rig, "channel=unix:%s/s"));
	RIG_UNTIL(rig, strstr(rig->log, "cannot connect: No such file or directory"));
	listen_fd = rig_listen(rig, "s");
	guest = guest_accept(rig, listen_fd);
	expect_live(rig, guest);
	guest_close(guest);
	rig_unlisten(rig, listen_fd, "s");
}

static void sink_reconnects_after_a_cut_and_resumes(void **state)
{
	struct rig *rig = *state;
	int listen_fd = rig_listen(rig, "s");

	must_start(rig, RIG_START(rig, "channel=unix:%s/s"));
	for (int i = 0; i < 3; i++) {
		struct guest *guest = guest_accept(rig, listen_fd);

		expect_live(rig, guest);
		guest_close(guest);
	}
	rig_unlisten(rig, listen_fd, "s");
}

static void sink_reconnects_after_garbage_from_a_reconnected_chardev(void **state)
{
	struct rig *rig = *state;
	int listen_fd = rig_listen(rig, "s");
	struct guest *guest;

	must_start(rig, RIG_START(rig, "channel=unix:%s/s"));
	guest = guest_accept(rig, listen_fd);
	guest_send(guest, "half of some old fra", 20);
	guest_expect_close(rig, guest);
	guest_close(guest);
	assert_non_null(strstr(rig->log, "bad frame from the guest: length out of range"));
	guest = guest_accept(rig, listen_fd);
	expect_live(rig, guest);
	guest_close(guest);
	rig_unlisten(rig, listen_fd, "s");
}

static size_t count_lines_with(const char *text, const char *what)
{
	size_t n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

static void retries_back_off(void **state)
{
	struct rig *rig = *state;
	uint64_t start = rig_ms();

	must_start(rig, RIG_START(rig, "channel=unix:%s/s"));
	/* attempts: at once, and after 100, 200 and 400 ms */
	RIG_UNTIL(rig, count_lines_with(rig->log, "cannot connect") == 4);
	assert_in_range(rig_ms() - start, 690, DEADLINE_MS);
}

static void full_backlog_is_tried_again(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_un address;
	int fds[8], listen_fd = rig_listen(rig, "s");
	size_t n = 0;
	struct guest *guest;

	rig_address(rig, "s", &address);
	do {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} while (connect(fds[n++], (struct sockaddr *)&address, sizeof(address)) == 0);
	must_start(rig, RIG_START(rig, "channel=unix:%s/s"));
	RIG_UNTIL(rig, strstr(rig->log, "cannot connect: Resource temporarily unavailable"));
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	for (size_t i = 0; i + 1 < n; i++)
		(void)close(accept(listen_fd, NULL, NULL));
	guest = guest_accept(rig, listen_fd);
	expect_live(rig, guest);
	guest_close(guest);
	rig_unlisten(rig, listen_fd, "s");
}

/* ---- unix, the sink listens ---- */

static void listen_option_and_scheme_mean_the_same(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	must_start(rig, RIG_START(rig, "channel=unix:%s/s", "listen=yes"));
	guest = guest_connect(rig, "s");
	expect_live(rig, guest);
	guest_close(guest);
}

static void socket_file_has_the_mode_and_goes_at_stop(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_un address;
	struct stat st;
	mode_t umask_before = umask(0077);

	rig_address(rig, "s", &address);
	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s"));
	assert_int_equal(stat(address.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	rig_stop(rig);
	assert_int_equal(stat(address.sun_path, &st), -1);
	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s", "mode=0666"));
	assert_int_equal(stat(address.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	(void)umask(umask_before);
}

static void guest_waits_while_descriptors_are_short(void **state)
{
	struct rig *rig = *state;
	struct rlimit limit, low;
	struct guest *guest;
	unsigned turns = 0;
	uint64_t end;
	int probe;

	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s"));
	guest = guest_connect(rig, "s");
	probe = dup(guest->fd);
	assert_true(probe >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)probe + 1; /* the next descriptor exceeds the limit */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (end = hw_loop_now_ns(rig->loop) + 50 * HW_MS; hw_loop_now_ns(rig->loop) < end; turns++)
		hw_loop_turn(rig->loop, 1000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(turns < 30);
	assert_non_null(strstr(rig->log, "cannot accept a connection: Too many open files"));
	expect_live(rig, guest);
	guest_close(guest);
	(void)close(probe);
}

static void stale_socket_file_is_replaced(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	(void)close(rig_listen(rig, "s"));
	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s"));
	guest = guest_connect(rig, "s");
	expect_live(rig, guest);
	guest_close(guest);
}

static void socket_of_somebody_else_is_left_alone(void **state)
{
	struct rig *rig = *state;
	int listen_fd = rig_listen(rig, "s");

	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s"), -EADDRINUSE);
	assert_non_null(strstr(rig->reason, "another process is listening there"));
	rig_unlisten(rig, listen_fd, "s");
}

static void file_in_place_of_the_socket_is_left_alone(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_un address;
	int fd;

	rig_address(rig, "s", &address);
	fd = open(address.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/s"), -EEXIST);
	assert_int_equal(unlink(address.sun_path), 0);
}

static void directory_that_is_missing_is_told(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(RIG_START(rig, "channel=unix-listen:%s/none/s"), -ENOENT);
	assert_non_null(strstr(rig->reason, "/none/s: No such file or directory"));
}

static void live_link_does_not_yield_to_a_newcomer(void **state)
{
	struct rig *rig = *state;
	struct guest *older, *newer;

	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s"));
	older = guest_connect(rig, "s");
	expect_live(rig, older);
	newer = guest_connect(rig, "s");
	guest_expect_close(rig, newer);
	assert_non_null(strstr(rig->log, "refused a connection: the guest is connected already"));
	rig_append(rig, 1);
	guest_expect_events(rig, older, rig->seq, rig->seq);
	guest_close(newer);
	guest_close(older);
	RIG_UNTIL(rig, strstr(rig->log, "the guest closed the channel"));
	newer = guest_connect(rig, "s");
	expect_live(rig, newer);
	guest_close(newer);
}

static void peer_that_says_nothing_yields_to_the_guest(void **state)
{
	struct rig *rig = *state;
	struct guest *silent, *guest;

	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s"));
	silent = guest_connect(rig, "s");
	guest = guest_connect(rig, "s");
	expect_live(rig, guest);
	guest_expect_close(rig, silent);
	guest_close(silent);
	guest_close(guest);
}

static void peers_that_say_nothing_do_not_yield_to_each_other(void **state)
{
	struct rig *rig = *state;
	struct guest *guests[8], *last;

	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s"));
	for (size_t i = 0; i < 8; i++) {
		guests[i] = guest_connect(rig, "s");
		guest_expect_hello(rig, guests[i], rig->epoch, rig->seq);
	}
	for (size_t i = 0; i < 8; i++)
		guest_expect_silence(rig, guests[i]);
	assert_false(guests[0]->closed);
	/* One past the limit: all are of one user, so the oldest one goes. */
	last = guest_connect(rig, "s");
	guest_expect_close(rig, guests[0]);
	assert_non_null(strstr(rig->log, "too many connections"));
	/* Any of them may be the guest. */
	guest_say_hello(guests[3], EPOCH_A, rig->seq);
	rig_append(rig, 1);
	guest_expect_events(rig, guests[3], rig->seq, rig->seq);
	guest_expect_close(rig, last);
	for (size_t i = 0; i < 8; i++) {
		if (i != 3)
			guest_expect_close(rig, guests[i]);
		guest_close(guests[i]);
	}
	guest_close(last);
}

/* Another user: makes a number of connections, and ends at the end of its input. */
static pid_t neighbour(struct rig *rig, unsigned connections, int input)
{
	struct sockaddr_un address;
	pid_t pid = fork();
	char byte;

	if (pid != 0)
		return pid;
	rig_address(rig, "s", &address);
	if (setgid(65534) < 0 || setuid(65534) < 0)
		_exit(1);
	while (connections--) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			_exit(1);
	}
	_exit(read(input, &byte, 1) == 1 ? 0 : 1);
}

static void neighbours_do_not_keep_a_slow_guest_out(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;
	int input[2], status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(rig->dir, 0755), 0);
	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s", "mode=0666"));
	guest = guest_connect(rig, "s");
	guest_expect_hello(rig, guest, rig->epoch, rig->seq);
	assert_int_equal(pipe(input), 0);
	pid = neighbour(rig, 30, input[0]);
	RIG_UNTIL(rig, count_lines_with(rig->log, "too many connections") >= 1);
	guest_expect_silence(rig, guest);
	assert_false(guest->closed);
	guest_say_hello(guest, EPOCH_A, rig->seq);
	rig_append(rig, 1);
	guest_expect_events(rig, guest, rig->seq, rig->seq);
	assert_int_equal(write(input[1], "", 1), 1);
	RIG_UNTIL(rig, waitpid(pid, &status, WNOHANG) == pid);
	assert_int_equal(status, 0);
	(void)close(input[0]);
	(void)close(input[1]);
	guest_close(guest);
}

static void each_peer_has_its_own_time(void **state)
{
	struct rig *rig = *state;
	struct guest *first, *second;
	uint64_t start = rig_ms();

	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s", "hello_timeout=300ms"));
	first = guest_connect(rig, "s");
	guest_expect_hello(rig, first, rig->epoch, rig->seq);
	RIG_UNTIL(rig, rig_ms() - start > 150);
	second = guest_connect(rig, "s");
	guest_expect_close(rig, first);
	assert_in_range(rig_ms() - start, 290, DEADLINE_MS);
	guest_expect_close(rig, second);
	assert_in_range(rig_ms() - start, 440, DEADLINE_MS);
	guest_close(first);
	guest_close(second);
}

static void rude_peers_do_not_delay_the_guest(void **state)
{
	struct rig *rig = *state;
	struct guest *guest = NULL;

	must_start(rig, RIG_START(rig, "channel=unix-listen:%s/s"));
	for (int i = 0; i < 3; i++) {
		guest = guest_connect(rig, "s");
		guest_send(guest, "\xff\xff\xff\xff", 4);
		guest_expect_close(rig, guest);
		guest_close(guest);
	}
	guest = guest_connect(rig, "s");
	expect_live(rig, guest);
	guest_close(guest);
	assert_null(strstr(rig->log, "cannot accept"));
}

/* ---- hybrid vsock ---- */

static void expect_connect_line(struct rig *rig, struct guest *vmm, const char *line)
{
	size_t len = strlen(line);

	RIG_UNTIL(rig, (guest_receive(vmm), vmm->len >= len));
	assert_int_equal(vmm->len, len);
	assert_memory_equal(vmm->bytes, line, len);
	vmm->len = 0;
}

static void hybrid_vsock_asks_the_vmm_for_the_port(void **state)
{
	struct rig *rig = *state;
	int listen_fd = rig_listen(rig, "v");
	struct guest *vmm;

	must_start(rig, RIG_START(rig, "channel=hybrid-vsock:%s/v:1024"));
	vmm = guest_accept(rig, listen_fd);
	expect_connect_line(rig, vmm, "CONNECT 1024\n");
	guest_expect_silence(rig, vmm);
	guest_send(vmm, "OK 1073741824\n", 14);
	expect_live(rig, vmm);
	guest_close(vmm);
	rig_unlisten(rig, listen_fd, "v");
}

static void hybrid_vsock_answer_may_come_in_pieces_or_with_the_hello(void **state)
{
	struct rig *rig = *state;
	int listen_fd = rig_listen(rig, "v");
	unsigned char answer[14 + HW_FRAME_HELLO_MAX];
	struct guest *vmm;
	size_t len;

	memcpy(answer, "OK 1073741824\n", 14);
	len = 14 + guest_hello_bytes(answer + 14, EPOCH_A, 0);
	must_start(rig, RIG_START(rig, "channel=hybrid-vsock:%s/v:1"));
	vmm = guest_accept(rig, listen_fd);
	expect_connect_line(rig, vmm, "CONNECT 1\n");
	for (size_t i = 0; i < len; i++) {
		guest_send(vmm, answer + i, 1);
		rig_turn(rig);
	}
	guest_expect_hello(rig, vmm, EPOCH_A, 0);
	rig_append(rig, 1);
	guest_expect_events(rig, vmm, 1, 1);
	guest_close(vmm);

	vmm = guest_accept(rig, listen_fd);
	expect_connect_line(rig, vmm, "CONNECT 1\n");
	guest_send(vmm, answer, len);
	guest_expect_hello(rig, vmm, EPOCH_A, 1);
	guest_expect_events(rig, vmm, 1, 1);
	guest_close(vmm);
	rig_unlisten(rig, listen_fd, "v");
}

static void hybrid_vsock_without_a_listener_in_the_guest_is_tried_again(void **state)
{
	struct rig *rig = *state;
	int listen_fd = rig_listen(rig, "v");
	struct guest *vmm;

	must_start(rig, RIG_START(rig, "channel=hybrid-vsock:%s/v:1024"));
	for (int i = 0; i < 2; i++) {
		vmm = guest_accept(rig, listen_fd);
		expect_connect_line(rig, vmm, "CONNECT 1024\n");
		guest_close(vmm);
	}
	vmm = guest_accept(rig, listen_fd);
	assert_non_null(strstr(rig->log, "the VMM closed the channel"));
	expect_connect_line(rig, vmm, "CONNECT 1024\n");
	guest_send(vmm, "OK 5\n", 5);
	expect_live(rig, vmm);
	guest_close(vmm);
	rig_unlisten(rig, listen_fd, "v");
}

static void hybrid_vsock_with_another_answer_is_dropped(void **state)
{
	static const char *const answers[] = { "NO 5\n", "OK\n", "OK x\n",
					       "OK 00000000000000000000000000000000000000\n" };
	struct rig *rig = *state;
	int listen_fd = rig_listen(rig, "v");

	must_start(rig, RIG_START(rig, "channel=hybrid-vsock:%s/v:1024"));
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct guest *vmm = guest_accept(rig, listen_fd);

		expect_connect_line(rig, vmm, "CONNECT 1024\n");
		guest_send(vmm, answers[i], strlen(answers[i]));
		guest_expect_close(rig, vmm);
		guest_close(vmm);
	}
	assert_int_equal(count_lines_with(rig->log, "the VMM rejected the CONNECT request"), 4);
	rig_unlisten(rig, listen_fd, "v");
}

static void hybrid_vsock_guest_may_connect_to_the_host(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	must_start(rig, RIG_START(rig, "channel=hybrid-vsock:%s/v:1024", "listen=yes"));
	guest = guest_connect(rig, "v_1024");
	expect_live(rig, guest);
	guest_close(guest);
}

/* ---- descriptors of the service manager ---- */

static void descriptor_that_listens_is_used(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;

	rig->given_fd = rig_listen(rig, "s");
	must_start(rig, RIG_START(rig, "channel=fd:channel"));
	for (int i = 0; i < 2; i++) {
		guest = guest_connect(rig, "s");
		expect_live(rig, guest);
		guest_close(guest);
	}
	rig_stop(rig);
	rig_unlisten(rig, rig->given_fd, "s");
}

static void descriptor_that_is_connected_is_used_once(void **state)
{
	struct rig *rig = *state;
	struct guest *guest;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	rig->given_fd = pair[0];
	must_start(rig, RIG_START(rig, "channel=fd:channel"));
	guest = guest_adopt(pair[1]);
	expect_live(rig, guest);
	guest_close(guest);
	RIG_UNTIL(rig, strstr(rig->log, "cannot be reopened"));
	rig->plugin->status(rig->self);
	assert_non_null(strstr(rig->receiver, "(broken)"));
	rig_stop(rig);
	(void)close(pair[0]);
}

static void descriptor_that_is_missing_is_told(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(RIG_START(rig, "channel=fd:nothing"), -ENOENT);
	assert_non_null(strstr(rig->reason, "passed no descriptor"));
}

/* ---- vsock ---- */

/* Returns the setting. */
static const char *make_secret(const struct rig *rig)
{
	static const char bytes[HW_SECRET_MIN] = "a secret";
	static char setting[80];
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/secret", rig->dir);
	(void)snprintf(setting, sizeof(setting), "secret=%s", path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
	return setting;
}

static void vsock_is_refused_clearly_where_the_kernel_has_none(void **state)
{
	struct rig *rig = *state;
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		(void)close(fd);
		print_message("skipped: this kernel has vsock\n");
		skip();
	}
	assert_int_equal(RIG_START(rig, "channel=vsock:3:1024"), -EAFNOSUPPORT);
	assert_non_null(strstr(rig->reason, "this kernel does not support vsock"));
	assert_int_equal(RIG_START(rig, "channel=vsock:any:1024", "listen=yes", "allow_remote=yes",
				   make_secret(rig)),
			 -EAFNOSUPPORT);
	assert_non_null(strstr(rig->reason, "this kernel does not support vsock"));
}

static void vsock_guest_is_served_where_the_kernel_loops_back(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_vm address = { .svm_family = AF_VSOCK,
				       .svm_cid = VMADDR_CID_LOCAL,
				       .svm_port = 54321 };
	struct guest *guest;
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		print_message("skipped: this kernel has no vsock\n");
		skip();
	}
	must_start(rig, RIG_START(rig, "channel=vsock:1:54321", "listen=yes"));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		struct pollfd pollfd = { .fd = fd, .events = POLLOUT };
		int error = errno;
		socklen_t len = sizeof(error);

		if (error == EINPROGRESS && poll(&pollfd, 1, 3000) == 1)
			(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			print_message("skipped: no loopback of vsock: %s\n", strerror(error));
			(void)close(fd);
			skip();
		}
	}
	guest = guest_adopt(fd);
	expect_live(rig, guest);
	guest_close(guest);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sink_connects_to_a_listening_vmm, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(sink_waits_for_a_vmm_that_is_not_there_yet,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(sink_reconnects_after_a_cut_and_resumes, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(
			sink_reconnects_after_garbage_from_a_reconnected_chardev, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(retries_back_off, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(full_backlog_is_tried_again, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(listen_option_and_scheme_mean_the_same, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(socket_file_has_the_mode_and_goes_at_stop,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(peers_that_say_nothing_do_not_yield_to_each_other,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(neighbours_do_not_keep_a_slow_guest_out, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(each_peer_has_its_own_time, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(stale_socket_file_is_replaced, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_waits_while_descriptors_are_short, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(socket_of_somebody_else_is_left_alone, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(file_in_place_of_the_socket_is_left_alone,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(directory_that_is_missing_is_told, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(live_link_does_not_yield_to_a_newcomer, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(peer_that_says_nothing_yields_to_the_guest,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(rude_peers_do_not_delay_the_guest, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(hybrid_vsock_asks_the_vmm_for_the_port, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(
			hybrid_vsock_answer_may_come_in_pieces_or_with_the_hello, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(
			hybrid_vsock_without_a_listener_in_the_guest_is_tried_again, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(hybrid_vsock_with_another_answer_is_dropped,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(hybrid_vsock_guest_may_connect_to_the_host,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(descriptor_that_listens_is_used, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(descriptor_that_is_connected_is_used_once,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(descriptor_that_is_missing_is_told, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(vsock_is_refused_clearly_where_the_kernel_has_none,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(vsock_guest_is_served_where_the_kernel_loops_back,
						rig_setup, rig_teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
