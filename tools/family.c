/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "family.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_BYTES (8 << 20)
#define MESSAGE_BYTES 1024u
#define ALIVE 1u
#define ENDED 2u

/* ---- members ---- */

bool hw_family_has(const struct hw_family *family, pid_t pid)
{
	return pid > 0 && hw_hashes_find(&family->members, (uint64_t)pid);
}

static void add_member(struct hw_family *family, pid_t pid)
{
	struct hw_hash *slot = hw_hashes_get(&family->members, (uint64_t)pid);

	if (!slot) {
		family->lost = true;
		return;
	}
	family->alive += slot->value.number != ALIVE;
	slot->value.number = ALIVE;
}

static void end_member(struct hw_family *family, pid_t pid)
{
	struct hw_hash *slot = hw_hashes_find(&family->members, (uint64_t)pid);

	if (!slot || slot->value.number != ALIVE)
		return;
	slot->value.number = ENDED;
	family->alive--;
}

static void take_event(struct hw_family *family, const struct proc_event *event)
{
	pid_t parent, child;

	switch (event->what) {
	case PROC_EVENT_FORK:
		parent = event->event_data.fork.parent_tgid;
		child = event->event_data.fork.child_tgid;
		/* A new thread of a process is not a new process. */
		if (child == event->event_data.fork.child_pid &&
		    (parent == getpid() || hw_family_has(family, parent)))
			add_member(family, child);
		break;
	case PROC_EVENT_EXIT:
		if (event->event_data.exit.process_pid == event->event_data.exit.process_tgid)
			end_member(family, event->event_data.exit.process_tgid);
		break;
	default:
		break;
	}
}

/* ---- the socket ---- */

static int send_request(int fd, enum proc_cn_mcast_op op, uint32_t ack)
{
	struct cn_msg message = { .id = { CN_IDX_PROC, CN_VAL_PROC },
				  .ack = ack,
				  .len = sizeof(op) };
	struct nlmsghdr header = {
		.nlmsg_len = NLMSG_LENGTH(sizeof(message) + sizeof(op)),
		.nlmsg_type = NLMSG_DONE,
	};
	/* One datagram: the operation is at the message's flexible array. */
	const struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ &message, sizeof(message) },
		{ &op, sizeof(op) },
	};

	return writev(fd, parts, 3) < 0 ? -errno : 0;
}

struct message {
	uint32_t ack; /* in an answer: one more than that of the request; in an event: 0 */
	struct proc_event event;
};

/* Parses the event in a kernel message. Returns false if it is another message. */
static bool parse(const char *bytes, size_t len, struct message *ret)
{
	size_t before = NLMSG_HDRLEN + sizeof(struct cn_msg);
	struct cn_msg message;

	if (len < before)
		return false;
	memcpy(&message, bytes + NLMSG_HDRLEN, sizeof(message));
	if (message.id.idx != CN_IDX_PROC || message.id.val != CN_VAL_PROC)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->ack = message.ack;
	len -= before;
	memcpy(&ret->event, bytes + before, len < sizeof(ret->event) ? len : sizeof(ret->event));
	return true;
}

/* Returns 1 and a message, 0 if there is none, or -errno. */
static int receive(int fd, struct message *ret)
{
	char bytes[MESSAGE_BYTES];
	struct sockaddr_nl from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	do {
		n = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from,
			     &from_len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (from.nl_pid != 0 || !parse(bytes, (size_t)n, ret))
		*ret = (struct message){ .event.what = PROC_EVENT_NONE }; /* not sent by the kernel
									   * */
	return 1;
}

void hw_family_read(struct hw_family *family)
{
	struct message message;
	int r;

	while ((r = receive(family->fd, &message)) != 0) {
		if (r > 0)
			take_event(family, &message.event);
		else if (r == -ENOBUFS)
			family->lost = true;
		else
			break;
	}
}

static int on_readable(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	(void)io;
	(void)events;
	hw_family_read(self);
	return (int)budget; /* reports a full budget, so that the loop may delay the next call */
}

/* Must differ from the value that another listener uses at the same time. */
static uint32_t choose_ack(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	/* Even, so that adding one never results in 0, which events have. */
	return ((uint32_t)getpid() << 20 ^ (uint32_t)now.tv_nsec) & ~1u;
}

/* The kernel answers at once, or not at all if it does not serve this process. All such sockets
 * receive the answers to other listeners and, while others listen, also the events. */
static int try_to_listen(int fd)
{
	uint32_t ack = choose_ack();
	struct message message;
	int r = send_request(fd, PROC_CN_MCAST_LISTEN, ack);

	if (r < 0)
		return r;
	while ((r = receive(fd, &message)) == 1 || r == -ENOBUFS) {
		if (r != 1 || message.event.what != PROC_EVENT_NONE || message.ack != ack + 1)
			continue;
		if (message.event.event_data.ack.err)
			return -EPERM;
		(void)send_request(fd, PROC_CN_MCAST_IGNORE, 0); /* another request may have
								  * succeeded */
		return 0;
	}
	return r < 0 ? r : -EPERM;
}

static int open_socket(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	int size = QUEUE_BYTES, r = 0;

	if (fd < 0)
		return -errno;
	/* Set before anything is received: an answer is lost if the queue is full. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)); /* or less */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (r == 0)
		r = try_to_listen(fd);
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

/* ---- life ---- */

int hw_family_init(struct hw_family *family, struct hw_loop *loop)
{
	int r;

	*family = (struct hw_family){ .fd = open_socket() };
	if (family->fd < 0)
		return family->fd;
	r = hw_io_add(loop, family->fd, HW_IO_READ, on_readable, family, &family->io);
	if (r < 0) {
		(void)close(family->fd);
		family->fd = -1;
	}
	return r;
}

void hw_family_free(struct hw_family *family)
{
	if (family->fd < 0)
		return;
	hw_io_del(family->io);
	(void)close(family->fd);
	family->fd = -1;
	hw_hashes_free(&family->members);
}

static void forget(struct hw_family *family)
{
	hw_family_read(family);
	hw_hashes_free(&family->members);
	family->alive = 0;
	family->lost = false;
}

void hw_family_begin(struct hw_family *family)
{
	forget(family);
	family->lost = send_request(family->fd, PROC_CN_MCAST_LISTEN, 0) < 0;
}

void hw_family_end(struct hw_family *family)
{
	(void)send_request(family->fd, PROC_CN_MCAST_IGNORE, 0); /* otherwise, the process is woken
								  * without need */
	forget(family);
}
