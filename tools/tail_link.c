/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client_wait.h"
#include "standard.h"
#include "tail.h"
#include "tool.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536u
#define GRACE_NS (5 * HW_SEC) /* for hello through a program that forwards connections */

static bool is_group(const struct tail *t)
{
	return t->address.transport == HW_TRANSPORT_NETLINK;
}

#define DAEMON_USER "hostwatch" /* hostwatchd may run as this user instead of root */

/* ---- connecting ---- */

static int join_group(unsigned group)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1u << (group - 1) };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
	int size = 8 << 20, on = 1;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = errno;

		(void)close(fd); /* nothing was read */
		return -error;
	}
	/* Any process may send to a group: the sender is checked. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
		int error = errno;

		(void)close(fd); /* nothing was read */
		return -error;
	}
	/* Buffers bursts; without the privilege, the size is limited. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static bool is_readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) > 0;
}

/* Returns a descriptor that becomes readable when the process that listens on this unix socket
 * ends; -1 if it is unknown, or has ended: then another one may serve the socket. */
static int watch_listener(int fd)
{
	struct ucred listener = { 0 };
	socklen_t size = sizeof(listener);
	int ret;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) < 0 || listener.pid <= 0)
		return -1;
	ret = (int)syscall(SYS_pidfd_open, listener.pid, 0);
	if (ret < 0 || !is_readable(ret))
		return ret;
	(void)close(ret); /* nothing is read from it */
	return -1;
}

static int connect_stream(struct tail *t)
{
	int fd = socket(t->address.to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = hw_client_connect(fd, &t->address, t->timeout_ns);
	if (r < 0) {
		(void)close(fd); /* it was never connected */
		return r;
	}
	t->listener_fd = watch_listener(fd);
	return fd;
}

/* Its child, which waits for a filesystem, has its sockets. */
static const char killed[] =
	"the hostwatchd that listened there was killed; start hostwatchd again";

static const char *explain(const struct hw_address *address, int error)
{
	if (address->transport == HW_TRANSPORT_NETLINK && error == EPERM)
		return "joining a netlink group needs CAP_NET_ADMIN";
	if (address->transport == HW_TRANSPORT_VSOCK && error == EAFNOSUPPORT)
		return "this kernel does not support vsock";
	if (error == ENOENT)
		return "No such file or directory: is hostwatchd running, and has it a socket sink "
		       "with "
		       "this 'listen'?";
	if (error == ECONNREFUSED)
		return "Connection refused: is hostwatchd running, and has it a socket sink with "
		       "this "
		       "'listen'?";
	if (error == ESRCH)
		return killed;
	if (error == EAGAIN)
		return "the server did not accept the connection in time";
	return strerror(error);
}

/* Waits for the beginning of hello. */
static int await_hello(const struct tail *t)
{
	const struct hw_client_wait wait = { .timeout_ns = t->timeout_ns, .grace_ns = GRACE_NS };
	int r = hw_client_wait(t->fd, &wait);

	return r == -EINTR ? 0 : r;
}

int hw_tail_open(struct tail *t, bool quiet)
{
	int r = 0;

	if (t->nats.on)
		t->fd = hw_tail_start_nats(t, quiet);
	else
		t->fd = is_group(t) ? join_group(t->address.group) : connect_stream(t);
	t->format = is_group(t) ? TAIL_NETLINK : TAIL_UNKNOWN;
	t->greeted = false;
	t->auth.state = HW_AUTH_OFF;
	if (t->secret) {
		struct hw_auth_line none;

		hw_auth_begin(&t->auth, HW_AUTH_RECEIVER, t->secret, &none);
	}
	t->in.len = 0;
	if (t->fd < 0)
		r = t->fd;
	else if (!is_group(t))
		r = await_hello(t);
	if (t->fd >= 0 && r == -EAGAIN)
		return hw_tail_complain_silence(t);
	if (r < 0 && !quiet && !hw_standard_caught())
		(void)hw_args_failure(&tool_tail_line, "%s: %s", t->address.text,
				      explain(&t->address, -r));
	return r;
}

void hw_tail_close(struct tail *t)
{
	if (t->fd >= 0)
		(void)close(t->fd); /* the server detects it */
	if (t->listener_fd >= 0)
		(void)close(t->listener_fd); /* nothing is read from it */
	t->fd = t->listener_fd = -1;
	(void)hw_tail_end_nats(t, false); /* it need not say anything */
}

/* ---- reading ---- */

/* Returns whether the kernel says that root, this user or the user of the daemon sent the message.
 */
static bool is_trusted(struct msghdr *message)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(message);
	const struct passwd *daemon;
	struct ucred sender;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
	    c->cmsg_len < CMSG_LEN(sizeof(sender)))
		return false;
	memcpy(&sender, CMSG_DATA(c), sizeof(sender));
	if (sender.uid == 0 || sender.uid == geteuid())
		return true;
	daemon = getpwnam(DAEMON_USER);
	return daemon && daemon->pw_uid == sender.uid;
}

/* Returns 1: data was read; 0: there is none; -errno: the connection ended. */
static int read_group(struct tail *t)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec data = { t->in.data, t->in.size };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(t->fd, &message, MSG_DONTWAIT | MSG_TRUNC);

	/* The kernel dropped datagrams, which may be of any share. */
	if (n < 0 && errno == ENOBUFS)
		return hw_tail_show_rescan(t, t->subscribe.share ? t->subscribe.share : "", 0) < 0
			       ? -EPIPE
			       : 1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	/* Any process may send to a group, and hostwatch sends no message of this length. Only a
	 * failure of the output ends the program. */
	if ((size_t)n > t->in.size || !is_trusted(&message))
		return 1;
	return hw_tail_read_datagram(t, t->in.data, (size_t)n) == -EPIPE ? -EPIPE : 1;
}

static int reserve_input(struct tail *t)
{
	size_t left = t->in.limit - t->in.len;
	int r = hw_buf_reserve(&t->in, 1);

	if (r == 0 && t->in.size - t->in.len < READ_BYTES)
		r = hw_buf_reserve(&t->in, left < READ_BYTES ? left : READ_BYTES);
	return r;
}

static int read_stream(struct tail *t)
{
	ssize_t n;
	int r = reserve_input(t);

	if (r < 0)
		return r;
	n = recv(t->fd, t->in.data + t->in.len, t->in.size - t->in.len, MSG_DONTWAIT);
	if (n < 0 && errno != ECONNRESET)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n <= 0) {
		r = hw_tail_end_nats(t, true);
		if (r < 0)
			return r;
		(void)hw_args_failure(&tool_tail_line, "%s: the server closed the connection",
				      t->address.text);
		return TAIL_CLOSED;
	}
	t->in.len += (size_t)n;
	r = hw_tail_read(t);
	return r < 0 ? r : 1;
}

/* ---- waiting ---- */

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

/* Waits for input, the end of the server or a signal; the deadline applies only before the hello.
 */
static int await_input(struct tail *t, uint64_t deadline_ns)
{
	struct pollfd fds[] = { { .fd = t->fd, .events = POLLIN },
				{ .fd = hw_standard_caught_fd(), .events = POLLIN },
				{ .fd = t->listener_fd, .events = POLLIN } };
	bool limited = t->timeout_ns && !t->greeted && !is_group(t);
	struct timespec wait = { 0, 0 };
	uint64_t now = limited ? now_ns() : 0;

	if (limited && now >= deadline_ns)
		return hw_tail_complain_silence(t);
	if (limited) {
		wait.tv_sec = (time_t)((deadline_ns - now) / HW_SEC);
		wait.tv_nsec = (long)((deadline_ns - now) % HW_SEC);
	}
	(void)ppoll(fds, 3, limited ? &wait : NULL, NULL); /* EINTR: a signal was caught */
	/* A process that ends by itself closes its sockets first. */
	if (fds[2].revents && !is_readable(t->fd)) {
		(void)hw_args_failure(&tool_tail_line, "%s: %s", t->address.text, killed);
		return TAIL_CLOSED;
	}
	return 0;
}

/* Flushes the output whenever there is nothing left to read. */
static int follow(struct tail *t)
{
	uint64_t deadline_ns = now_ns() + t->timeout_ns;

	while (!hw_standard_caught() && !hw_tail_is_done(t)) {
		int r = is_group(t) ? read_group(t) : read_stream(t);

		if (r < 0)
			return r;
		if (r > 0) {
			r = hw_tail_save_often(t);
			if (r < 0)
				return r;
			continue;
		}
		if (hw_standard_flush() < 0)
			return -EPIPE;
		r = hw_tail_save_state(t);
		if (r < 0)
			return r;
		r = await_input(t, deadline_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

int hw_tail_follow(struct tail *t)
{
	int r = follow(t), saved;

	if (r == -EPIPE || t->state_failed)
		return r;
	if (hw_standard_flush() < 0)
		return -EPIPE;
	saved = hw_tail_save_state(t);
	return saved < 0 ? saved : r;
}
