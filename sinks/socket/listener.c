/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64u
#define PAUSE_FIRST_NS (100 * HW_MS)
#define PAUSE_MAX_NS (2 * HW_SEC)
#define RESERVE_MAX 256u

/* ---- accepting ---- */

/* Sends the reason to the peer, without waiting for it to read. */
static void turn_away(struct socket_sink *sink, int fd, int error, const char *text)
{
	struct hw_buf *buf = &sink->scratch;
	char name[PEER_NAME_MAX];

	hw_peer_name(fd, name);
	sink->host->log(sink->ctx, HW_LOG_WARNING, "refused %s: %s", name, text);
	buf->len = 0;
	if (sink->stream->put_error(sink, buf, error, text) == 0)
		(void)send(fd, buf->data, buf->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_WR); /* the peer may have disconnected */
	(void)close(fd); /* as above */
}

/* A peer that vanishes without closing the connection is detected within two minutes. Events are
 * not delayed to fill packets. */
static void set_tcp(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },    { IPPROTO_TCP, TCP_KEEPIDLE, 60 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 15 }, { IPPROTO_TCP, TCP_KEEPCNT, 4 },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
				 sizeof(int)); /* not TCP: there is nothing to set */
}

static void admit(struct socket_sink *sink, int fd)
{
	const char *fault = hw_peer_fault(sink, fd);
	struct peer *peer;
	int r;

	if (fault) {
		turn_away(sink, fd, EPERM, fault);
		return;
	}
	peer = hw_peer_get(sink, fd);
	if (peer && sink->accepted >= sink->max_subscribers &&
	    !hw_subscriber_displace(sink, peer)) {
		hw_peer_put(peer);
		turn_away(sink, fd, EUSERS, "too many subscribers (max_subscribers)");
		return;
	}
	set_tcp(fd);
	r = hw_subscriber_create(sink, fd, NULL, NULL);
	hw_peer_put(peer); /* the subscriber has its own reference */
	if (r < 0 && r != -ECONNRESET)
		sink->host->log(sink->ctx, HW_LOG_WARNING, "cannot serve a subscriber: %s",
				strerror(-r));
}

/* Subscribers leave a quarter of the descriptors, at most RESERVE_MAX, to shares, other sinks and
 * the control socket. Returns 0 or the error of a process that has no more. */
static int check_descriptors(const struct listener *l)
{
	struct rlimit limit;
	int next = fcntl(l->on.fd, F_DUPFD_CLOEXEC, 0); /* the lowest free number */

	if (next < 0)
		return errno;
	(void)close(next); /* nothing is buffered in it */
	(void)getrlimit(RLIMIT_NOFILE, &limit); /* cannot fail with these arguments */
	rlim_t reserve = limit.rlim_cur / 4 < RESERVE_MAX ? limit.rlim_cur / 4 : RESERVE_MAX;

	return (rlim_t)next < limit.rlim_cur - reserve ? 0 : EMFILE;
}

bool hw_listener_is_short(const struct listener *l)
{
	return l->pause_ns && check_descriptors(l);
}

/* If descriptors or memory are short, the connection waits in the backlog. Retrying at once would
 * be a busy loop. */
static void pause_accept(struct listener *l, int error)
{
	struct socket_sink *sink = l->sink;

	l->pause_ns = l->pause_ns ? l->pause_ns * 2 : PAUSE_FIRST_NS;
	if (l->pause_ns > PAUSE_MAX_NS)
		l->pause_ns = PAUSE_MAX_NS;
	sink->host->log(sink->ctx, HW_LOG_WARNING,
			"%s: cannot accept connections: %s; retrying in %u ms", l->address->text,
			strerror(error), (unsigned)(l->pause_ns / HW_MS));
	sink->host->io_set(sink->ctx, l->io, 0);
	sink->host->timer_set(sink->ctx, l->pause, l->pause_ns);
}

static void on_pause_over(void *self, struct hw_timer *timer)
{
	struct listener *l = self;

	(void)timer;
	l->sink->host->io_set(l->sink->ctx, l->io, HW_IO_READ);
}

static int on_connection(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct listener *l = self;
	unsigned count = 0, most = budget < ACCEPTS_PER_TURN ? budget : ACCEPTS_PER_TURN;

	(void)io;
	(void)events;
	while (count < most) {
		int fd, short_of = check_descriptors(l);

		if (short_of) {
			pause_accept(l, short_of);
			break;
		}
		fd = accept4(l->on.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			l->pause_ns = 0;
			admit(l->sink, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_accept(l, errno);
			break;
		} else if (errno == EAGAIN) {
			l->pause_ns = 0;
			break;
		}
		count++; /* other errors concern only the connection that failed */
	}
	return (int)count;
}

/* ---- opening ---- */

static int fail_listen(struct listener *l, int error, const char *why)
{
	const char *hint = "";

	if (l->address->transport == HW_TRANSPORT_VSOCK)
		hint = hw_vsock_hint(error);
	return l->sink->host->fail(l->sink->ctx, error, "cannot listen on %s: %s%s",
				   l->address->text, why, hint);
}

static int open_address(struct listener *l)
{
	const struct hw_listen_how how = { l->sink->socket_mode, l->sink->socket_group };
	const char *why;
	int r = hw_listen(l->address, &how, &l->on, &why);

	return r < 0 ? fail_listen(l, -r, why) : 0;
}

/* Checks a descriptor of the service manager: it must be a listening stream socket that the options
 * permit. */
static const char *find_fault(const struct socket_sink *sink, int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int listens = 0;
	socklen_t size = sizeof(listens);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return "the descriptor is not a socket";
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
		return "the descriptor is not a listening stream socket";
	if ((!sink->allow_remote || !sink->secret) &&
	    (hw_sockaddr_is_remote((struct sockaddr *)&addr) ||
	     (addr.ss_family == AF_VSOCK && !sink->cid_count)))
		return "the socket can be reached from other machines; set allow_remote = yes and "
		       "secret = FILE to permit this";
	if (sink->uid_count && addr.ss_family != AF_UNIX)
		return "allow_uid needs a unix socket";
	return NULL;
}

static int open_activated(struct listener *l)
{
	struct socket_sink *sink = l->sink;
	int passed = sink->host->activation_fd(sink->ctx, hw_address_fd_name(l->address));
	const char *fault;
	int flags;

	if (passed < 0)
		return sink->host->fail(sink->ctx, passed,
					"%s: the service manager passed no descriptor with this "
					"name (FileDescriptorName= in the socket unit)",
					l->address->text);
	fault = find_fault(sink, passed);
	if (fault)
		return sink->host->fail(sink->ctx, EINVAL, "%s: %s", l->address->text, fault);
	l->on.fd = fcntl(passed, F_DUPFD_CLOEXEC, 3);
	if (l->on.fd < 0)
		return fail_listen(l, errno, strerror(errno));
	flags = fcntl(l->on.fd, F_GETFL);
	if (flags < 0 || fcntl(l->on.fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return fail_listen(l, errno, strerror(errno));
	return 0;
}

int hw_listener_start(struct listener *l, struct socket_sink *sink,
		      const struct hw_address *address)
{
	int r;

	*l = (struct listener){ .sink = sink, .address = address, .on = HW_LISTENING_CLOSED };
	r = address->transport == HW_TRANSPORT_FD ? open_activated(l) : open_address(l);
	if (r < 0)
		return r;
	r = sink->host->timer_add(sink->ctx, on_pause_over, l, &l->pause);
	if (r == 0)
		r = sink->host->io_add(sink->ctx, l->on.fd, HW_IO_READ, on_connection, l, &l->io);
	if (r < 0)
		return fail_listen(l, -r, strerror(-r));
	sink->host->log(sink->ctx, HW_LOG_INFO, "listening on %s", address->text);
	return 0;
}

void hw_listener_stop(struct listener *l)
{
	if (!l->sink)
		return;
	l->sink->host->io_del(l->sink->ctx, l->io);
	hw_sink_drop_timer(l->sink, l->pause);
	hw_listening_close(&l->on);
	*l = (struct listener){ .on = HW_LISTENING_CLOSED };
}
