/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A rig for hostwatch-guest: the built program, a directory, and a host that the test simulates on
 * a real socket. Every wait is a poll(2) with a deadline.
 */
#ifndef GUEST_RIG_H
#define GUEST_RIG_H

#include <hostwatch/frame.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PROGRAM HW_BUILD_DIR "/hostwatch-guest"
#define CODE ((uint32_t)HW_FUSE_NOTIFY_FSNOTIFY)
#define EPOCH_A UINT64_C(0xa1a2a3a4a5a6a7a8)
#define EPOCH_B UINT64_C(0xb1b2b3b4b5b6b7b8)
#define DEADLINE_MS 60000

struct guest_rig {
	char dir[40];
	int listen_fd; /* of dir/ch; or -1 */
};

/* A program under test, or a helper program. */
struct child {
	pid_t pid;
	int out; /* its stdout and stderr */
	size_t len;
	char text[16384];
};

static inline int64_t rig_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline bool rig_wait(int fd, short events, int64_t until)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	int64_t left = until - rig_ms();

	return left > 0 && poll(&pollfd, 1, (int)left) > 0;
}

/* Replaces "%s" in a path or an address by the directory of the test. */
static inline const char *rig_path(const struct guest_rig *rig, const char *format, char buf[256])
{
	const char *mark = strstr(format, "%s");

	if (!mark)
		return format;
	(void)snprintf(buf, 256, "%.*s%s%s", (int)(mark - format), format, rig->dir, mark + 2);
	return buf;
}

static inline void rig_write(const struct guest_rig *rig, const char *name, const char *text)
{
	char path[256];
	int fd = open(rig_path(rig, name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static inline int rig_setup(void **state)
{
	struct guest_rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	if (access(PROGRAM, X_OK) < 0)
		fail_msg("%s is not built", PROGRAM);
	strcpy(rig->dir, "/tmp/hw-guest-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	rig->listen_fd = -1;
	*state = rig;
	return 0;
}

static inline int rig_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int rig_teardown(void **state)
{
	struct guest_rig *rig = *state;

	if (rig->listen_fd >= 0)
		(void)close(rig->listen_fd);
	assert_int_equal(nftw(rig->dir, rig_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(rig);
	return 0;
}

/* ---- programs ---- */

static inline void child_start(const struct guest_rig *rig, struct child *child,
			       const char *const *words)
{
	const char *argv[16];
	char text[16][256];
	int fds[2];
	size_t n = 0;

	for (; words[n]; n++) {
		assert_true(n < 15);
		argv[n] = rig_path(rig, words[n], text[n]);
	}
	argv[n] = NULL;
	memset(child, 0, sizeof(*child));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child->out = fds[0];
	assert_int_equal(fcntl(child->out, F_SETFL, O_NONBLOCK), 0);
	child->pid = fork();
	assert_true(child->pid >= 0);
	if (child->pid == 0) {
		(void)dup2(fds[1], 1);
		(void)dup2(fds[1], 2);
		(void)execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	(void)close(fds[1]);
}
#define AGENT(rig, child, ...)                                                                     \
	child_start(rig, child, (const char *const[]){ PROGRAM, __VA_ARGS__, NULL })

/* Reads the available output. Returns false at its end. */
static inline bool child_read(struct child *child)
{
	ssize_t n =
		read(child->out, child->text + child->len, sizeof(child->text) - 1 - child->len);

	if (n > 0)
		child->len += (size_t)n;
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static inline void child_expect(struct child *child, const char *what)
{
	int64_t until = rig_ms() + DEADLINE_MS;

	while (!strstr(child->text, what))
		if (!rig_wait(child->out, POLLIN, until) || !child_read(child))
			fail_msg("never printed \"%s\" but:\n%s", what, child->text);
}

static inline unsigned child_count(const struct child *child, const char *what)
{
	unsigned n = 0;

	for (const char *at = child->text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* Waits until the program ends by itself. Returns its exit status, or 256 plus the number of the
 * signal that killed it. */
static inline int child_status(struct child *child)
{
	int64_t until = rig_ms() + DEADLINE_MS;
	int status = 0;

	while (rig_wait(child->out, POLLIN, until) && child_read(child))
		;
	if (rig_ms() >= until) {
		(void)kill(child->pid, SIGKILL);
		fail_msg("did not end but printed:\n%s", child->text);
	}
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	(void)close(child->out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static inline int child_end(struct child *child, int signal)
{
	(void)kill(child->pid, signal);
	return child_status(child);
}

/* ---- the host ---- */

static inline void rig_address(const struct guest_rig *rig, const char *name,
			       struct sockaddr_un *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s", rig->dir, name);
}

static inline void host_listen(struct guest_rig *rig)
{
	struct sockaddr_un address;

	rig_address(rig, "ch", &address);
	rig->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(rig->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(rig->listen_fd, 4), 0);
}

static inline void host_read(int fd, void *buf, size_t len)
{
	int64_t until = rig_ms() + DEADLINE_MS;
	size_t at = 0;

	while (at < len) {
		ssize_t n = rig_wait(fd, POLLIN, until) ? read(fd, (char *)buf + at, len - at) : -1;

		if (n <= 0)
			fail_msg("the agent said nothing more");
		at += (size_t)n;
	}
}

/* Accepts the next connection, and returns the position that the agent sends. */
static inline int host_accept_any(const struct guest_rig *rig, uint64_t *ret_epoch,
				  uint64_t *ret_seq)
{
	unsigned char buf[HW_FRAME_HELLO_BYTES];
	struct hw_frame frame;
	int fd = -1;

	if (rig_wait(rig->listen_fd, POLLIN, rig_ms() + DEADLINE_MS))
		fd = accept4(rig->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		fail_msg("the agent did not connect");
	host_read(fd, buf, sizeof(buf));
	assert_int_equal(hw_frame_decode(buf, sizeof(buf), CODE, &frame, NULL), sizeof(buf));
	assert_int_equal(frame.what, HW_FRAME_HELLO);
	assert_int_equal(frame.hello.role, HW_FUSE_GUEST);
	*ret_epoch = frame.hello.epoch;
	*ret_seq = frame.hello.seq;
	return fd;
}

static inline int host_accept(const struct guest_rig *rig, uint64_t epoch, uint64_t seq)
{
	uint64_t told_epoch, told_seq;
	int fd = host_accept_any(rig, &told_epoch, &told_seq);

	assert_int_equal(told_epoch, epoch);
	assert_int_equal(told_seq, seq);
	return fd;
}

static inline void host_write(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static inline void host_hello(int fd, uint64_t epoch, uint64_t seq)
{
	unsigned char buf[HW_FRAME_HELLO_MAX];
	struct hw_frame_hello hello = { .role = HW_FUSE_HOST,
					.epoch = epoch,
					.seq = seq,
					.mask_supported = HW_FUSE_EVENTS,
					.share = "projects",
					.share_len = 8 };
	int n = hw_frame_encode_hello(buf, sizeof(buf), CODE, &hello);

	assert_true(n > 0);
	host_write(fd, buf, (size_t)n);
}

static inline size_t event_bytes(unsigned char *buf, size_t size, unsigned kind, uint64_t seq,
				 const char *path)
{
	struct hw_event event = { .struct_size = sizeof(event),
				  .kind = (uint8_t)kind,
				  .type = kind == HW_RESCAN ? HW_TYPE_NONE : HW_TYPE_FILE,
				  .seq = seq,
				  .path = path,
				  .path_len = (uint32_t)strlen(path) };
	int n;

	n = hw_frame_encode_event(buf, size, CODE, &event);
	assert_true(n > 0);
	return (size_t)n;
}

static inline void host_event(int fd, unsigned kind, uint64_t seq, const char *path)
{
	unsigned char buf[8192];

	host_write(fd, buf, event_bytes(buf, sizeof(buf), kind, seq, path));
}

static inline void host_move(int fd, uint64_t seq, const char *from, const char *to)
{
	unsigned char buf[8192];
	struct hw_event event = { .struct_size = sizeof(event),
				  .kind = HW_MOVE,
				  .type = HW_TYPE_FILE,
				  .seq = seq,
				  .path = to,
				  .path_len = (uint32_t)strlen(to),
				  .from = from,
				  .from_len = (uint32_t)strlen(from) };
	int n = hw_frame_encode_event(buf, sizeof(buf), CODE, &event);

	assert_true(n > 0);
	host_write(fd, buf, (size_t)n);
}

/* Waits until the agent closes the connection. */
static inline void host_expect_close(int fd)
{
	char byte;

	if (!rig_wait(fd, POLLIN, rig_ms() + DEADLINE_MS))
		fail_msg("the agent kept the connection");
	assert_true(read(fd, &byte, 1) <= 0);
	(void)close(fd);
}

#endif
